// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/models/checkpoint.h"

namespace cortex::engine {

/// A matrix of FP8 (E4M3) codes with the scales that stand beside it, as rows to be read. Value = code · scale, in
/// float32; the scales are
///
/// - NAME_scale_inv: one for each block of quantization_config.weight_block_size (128 × 128 where that is absent), as
///   DeepSeek and Qwen write them; [⌈rows / 128⌉, ⌈columns / 128⌉], of stacked experts with their number in front;
/// - NAME_scale: one for all, or one per row.
///
/// Without either, codes are values. A model graph's weights become BF16 from these unless they are quantized further:
/// one rounding to eight bits, which is what transformers' dequantization to bfloat16 does. Throws Error(BadFile) for
/// scales of another shape.
kernels::WeightSource scaledFp8(const Checkpoint& checkpoint, const CheckpointTensor& tensor,
                                const kernels::WeightSource& codes);

} // namespace cortex::engine
