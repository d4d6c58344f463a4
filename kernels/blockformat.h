// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/types.h"

namespace cortex::kernels {

/// One block of a quantized row taken apart: the form between a file's bits and any packing. Only the members that a
/// type has are set; `codes` holds the block's elements in order, unsigned as stored (Q8_0: the signed byte's bits).
struct RowBlock {
    uint8_t codes[256];
    uint16_t scale; ///< d, float16 bits; not MXFP4
    uint16_t minimum; ///< Q4_1, Q5_1: m; Q2_K, Q4_K, Q5_K: dmin; float16 bits
    /// Q4_K, Q5_K: 8 of six bits; Q2_K: 16 of four bits; Q3_K, Q6_K: 16 signed bytes; IQ4_XS: 8 signed bytes;
    /// MXFP4: one exponent.
    uint8_t scales[16];
    uint8_t minimums[16]; ///< Q4_K, Q5_K: 8 of six bits; Q2_K: 16 of four bits
};

/// What the codes of IQ4_NL and IQ4_XS stand for.
inline constexpr int8_t iq4Values[16]{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/// What the codes of MXFP4 stand for: twice the values of the 4-bit float E2M1 (OCP Microscaling Formats 1.0).
inline constexpr int8_t fp4Values[16]{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/// 2^(exponent − 128), the scale that goes with fp4Values.
float halfPower2(uint8_t exponent);

/// Takes the block at `source` (file format) apart.
RowBlock readBlock(Type type, const uint8_t* source);

/// The reverse of readBlock.
void writeBlock(Type type, const RowBlock& block, uint8_t* destination);

/// The block's values, in float32 arithmetic that matches the `gguf` Python package bit for bit.
void expandBlock(Type type, const RowBlock& block, float* destination);

} // namespace cortex::kernels
