// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QHash>
#include <QList>
#include <QProcessEnvironment>
#include <QString>
#include <QStringList>

namespace cortex {

/// A model to load at start: `[[default_models]]`.
struct DefaultModel {
    QString modelId;
    QString quant;
    QList<int> devices;
};

/// A place to fetch models from: `[sources.NAME]`.
struct ModelSource {
    QString name;
    QString endpoint;
    QString authEnvironment; ///< the variable that holds the token
    QString cacheDirectory;
};

/// `neuron.toml`, with NEURON_… overrides applied (NEURON_PORT=…; double underscore descends).
struct NeuronConfig {
    QString listen = QStringLiteral("127.0.0.1"); ///< address; 0.0.0.0 to serve a network
    quint16 port = 13131;
    QList<DefaultModel> defaultModels;
    QStringList modelDirectories;
    bool offersBuiltinModels = false; ///< the models that come with Cortex are offered too
    QList<ModelSource> sources;
    bool prefixCacheEnabled = true;
    int threads = 0; ///< of the CPU device; 0: one per physical core
};

/// As loadGatewayConfig. An empty path gives the defaults with the environment applied.
NeuronConfig loadNeuronConfig(const QString& path, const QProcessEnvironment& environment);

/// The same from text; `path` stands in messages.
NeuronConfig parseNeuronConfig(const QByteArray& text, const QString& path, const QProcessEnvironment& environment);

} // namespace cortex
