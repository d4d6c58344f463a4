// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/types.h"

namespace cortex::kernels {

/// One block of a quantized row taken apart: the form between a file's bits and any packing. Only the members that a
/// type has are set; `codes` holds the block's elements in order, unsigned as stored (Q8_0: the signed byte's bits).
struct RowBlock {
    uint8_t codes[256];
    uint16_t scale; ///< d, float16 bits
    uint16_t minimum; ///< Q4_1, Q5_1: m; Q4_K, Q5_K: dmin; float16 bits
    uint8_t scales[16]; ///< Q4_K, Q5_K: 8 six-bit scales; Q6_K: 16 signed bytes
    uint8_t minimums[8]; ///< Q4_K, Q5_K
};

/// Takes the block at `source` (file format) apart.
RowBlock readBlock(Type type, const uint8_t* source);

/// The block's values, in float32 arithmetic that matches the `gguf` Python package bit for bit.
void expandBlock(Type type, const RowBlock& block, float* destination);

} // namespace cortex::kernels
