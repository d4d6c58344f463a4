// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/fleet/types.h"

#include <QHash>
#include <QProcessEnvironment>
#include <QString>

namespace cortex {

/// A node of the fleet: `[[neurons]]`.
struct NeuronEntry {
    QString name;
    QUrl endpoint;
};

/// A key that clients may present: `[[entitlements.keys]]`.
struct KeyEntry {
    QString key;
    QString accountId;
    QString keyId;
    std::optional<qint64> hardCap;
    QString window;
};

/// `cortex.toml`, with the environment's overrides applied (CORTEX_GATEWAY__LISTEN=…).
struct GatewayConfig {
    QString listen = QStringLiteral("127.0.0.1:31313");
    QString metricsListen = QStringLiteral("127.0.0.1:31314");
    QString evictionStrategy = QStringLiteral("lru"); ///< "lru" or "priority"
    int defragAfterCycles = 0;
    QList<NeuronEntry> neurons;
    QString modelsConfig; ///< path of models.toml, absolute; empty: none
    bool requireAuth = false;
    QList<KeyEntry> keys;
};

/// A model of the catalogue: `[[models]]` of models.toml.
struct CatalogueModel {
    QString id;
    QString harness = QStringLiteral("native"); ///< "native" or "openai"; a file's "candle" is read as "native"
    QString quant;
    qint64 vramMb = 0;
    int minDevices = 1;
    qint64 minDeviceVramMb = 0;
    QStringList pinnedOn;
    std::optional<int> residencyPriority;
    QString source;
    ModelLimit limit;
    struct Cost {
        double input = 0;
        double output = 0;
        double cacheRead = 0;
        double cacheWrite = 0;
    } cost;
    QStringList capabilities;
};

struct Catalogue {
    QList<CatalogueModel> models;
    QHash<QString, QString> aliases; ///< alias → model id
};

/// Read and check a file. Throw InputError naming file, line and key: unreadable, not TOML, an unknown key, a value of
/// the wrong type or out of range, a double name. Relative paths count from the file's folder.
GatewayConfig loadGatewayConfig(const QString& path, const QProcessEnvironment& environment);
Catalogue loadCatalogue(const QString& path);

/// What was accepted and is hardly meant, for people, a line each: keys that nobody asks for, models pinned on nodes
/// that the config does not have.
QStringList doubtsAbout(const GatewayConfig& config, const Catalogue& catalogue);

/// The same from text; `path` stands in messages.
GatewayConfig parseGatewayConfig(const QByteArray& text, const QString& path, const QProcessEnvironment& environment);
Catalogue parseCatalogue(const QByteArray& text, const QString& path);

} // namespace cortex
