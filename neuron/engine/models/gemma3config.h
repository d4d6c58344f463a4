// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/models/decoderconfig.h"
#include "neuron/engine/models/mlplayers.h"

namespace cortex::engine {

/// Every how many layers one sees everything, where a file does not say.
inline constexpr int Gemma3Pattern = 6;

struct Gemma3Config {
    DecoderConfig decoder; ///< its attention's reaches: 0 sees everything, 1 a window
    MlpConfig mlp;
    std::vector<int> reaches; ///< of each layer
};

/// Read and checked; throws Error(BadFile | Unsupported) naming file, key and cause.
Gemma3Config readGemma3Config(const Checkpoint& checkpoint);

/// What multiplies q·k in a GGUF file, which does not hold query_pre_attn_scalar: 1/√(a head's size), but in the model
/// of 62 layers 1/√(hidden / heads).
float gemma3GgufScale(const DecoderConfig& decoder);

} // namespace cortex::engine
