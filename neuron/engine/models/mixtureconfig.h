// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/models/decoderconfig.h"
#include "neuron/engine/models/mixturelayers.h"

namespace cortex::engine {

/// What a family's reader takes where the file is silent.
struct MixtureDefaults {
    int expertsPerRow = 8;
    bool renormalise = true;
};

/// The experts of the Qwen families, without a shared one. Throws Error(BadFile) naming file, key and cause.
MixtureConfig readMixtureConfig(const ConfigReader& reader, const DecoderConfig& decoder,
                                const MixtureDefaults& defaults);
/// Inner width of the expert that every row goes to.
int readSharedExpertSize(const ConfigReader& reader, const MixtureConfig& mixture);

/// Which layers have a mixture and not a dense feed-forward: decoder_sparse_step and mlp_only_layers of config.json; in
/// GGUF all.
std::vector<bool> readMixtureLayers(const ConfigReader& reader, const DecoderConfig& decoder);

} // namespace cortex::engine
