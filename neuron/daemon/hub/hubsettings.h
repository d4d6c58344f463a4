// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/config/neuronconfig.h"

#include <QProcessEnvironment>
#include <QString>
#include <QUrl>

namespace cortex::neuron {

/// Where models come from and go to.
struct HubSettings {
    QUrl endpoint; ///< without a trailing slash
    QString cacheDirectory; ///< the folder that holds models--ORG--NAME
    QByteArray token; ///< empty: anonymous
    bool offline = false; ///< ask nothing, use what is in the cache
};

/// HF_ENDPOINT, HF_HUB_CACHE, HF_HOME, HF_TOKEN, HF_TOKEN_PATH and HF_HUB_OFFLINE, as the reference client reads them.
HubSettings hubSettings(const QProcessEnvironment& environment);

/// The same with neuron.toml in front: the source called "huggingface", or else the first of `[sources]`, wins over the
/// environment in what it names.
HubSettings hubSettings(const QProcessEnvironment& environment, const NeuronConfig& config);

} // namespace cortex::neuron
