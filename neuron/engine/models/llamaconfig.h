// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/device.h"
#include "neuron/engine/models/checkpoint.h"
#include "neuron/engine/models/rope.h"

namespace cortex::engine {

/// Figures of a Llama-like decoder (Llama, SmolLM2, Mistral), checked.
struct LlamaConfig {
    int layers = 0;
    int hiddenSize = 0;
    int feedForwardSize = 0;
    int heads = 0;
    int kvHeads = 0;
    int headDim = 0;
    int vocabularySize = 0;
    int contextLimit = 0;
    int slidingWindow = 0; ///< 0: none
    float normEpsilon = 0;
    bool tiedEmbeddings = false; ///< the output projection is the embedding
    RopeConfig rope;
    kernels::RopePairing ropePairing = kernels::RopePairing::HalfSplit;
};

/// Throws Error(BadFile | Unsupported) naming file, key and cause.
LlamaConfig readLlamaConfig(const Checkpoint& checkpoint);

} // namespace cortex::engine
