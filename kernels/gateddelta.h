// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/tensor.h"

namespace cortex::kernels {

/// Which key head serves value head h, with r = valueHeads / keyHeads: h / r as in safetensors checkpoints and
/// qwen3next files, or h mod keyHeads as in qwen35 GGUF files, whose converter reorders the value heads.
enum class KeyHeadOrder { Grouped, Tiled };

/// What one Gated DeltaNet layer's mixer reads; all float32. Dimensions are those of the StateLayout.
struct GatedDeltaInput {
    Tensor mixed; ///< [rows, channels]: queries [keyHeads, keyDim] | keys (alike) | values [valueHeads, valueDim]
    Tensor gate; ///< z [rows, valueHeads · valueDim]
    Tensor beta; ///< b [rows, valueHeads]
    Tensor decay; ///< a [rows, valueHeads]
};

/// Its small weights, all Vector.
struct GatedDeltaWeights {
    const Weight* convolution = nullptr; ///< [channels · kernelWidth], a channel's taps together, the oldest first
    const Weight* decayRate = nullptr; ///< −exp(A_log) [valueHeads]
    const Weight* decayBias = nullptr; ///< dt_bias [valueHeads]
    const Weight* norm = nullptr; ///< [valueDim]
    float epsilon = 0; ///< of the norm
    KeyHeadOrder keyHeadOrder = KeyHeadOrder::Grouped;
};

} // namespace cortex::kernels
