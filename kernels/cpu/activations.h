// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <cstddef>
#include <cstdint>

namespace cortex::kernels {

/// What a product takes its activations as: float32, ActivationBlock, or ActivationPart.
enum class ActivationFormat { Dense, Blocks, SuperBlocks };

/// 32 activations of one row, quantized: x[i] ≈ scale · codes[i], codes in −127 … 127.
///
/// Rows are processed in groups (see rowGroup). Within a group of T rows the blocks of equal column lie side by side,
/// [columns / 32][T], so that a product walks its activations front to back. Dense weights read float32 activations
/// instead, arranged likewise: [columns][T].
struct ActivationBlock {
    int8_t codes[32];
    float scale;
    float scaledSum; ///< scale · Σ codes: multiplies a weight block's minimum
    int32_t negatedSums[2]; ///< −Σ codes of the first and the last sixteen: multiplies the zero point of unsigned codes
};

/// 32 of 256 activations of one row that are quantized with one scale, which lets a product sum a weight's whole
/// super-block in integers. Arranged as ActivationBlock is.
struct ActivationPart {
    int8_t codes[32];
    float scale; ///< of all eight parts
    int16_t negatedSums[2]; ///< of a part of even number: −Σ codes of it and of the next: multiply minimums
    /// −32 · Σ codes of each sixteen, of their columns 4j, 4j + 1 and of 4j + 2, 4j + 3: what sums of pairs start from
    /// where codes of six bits stand for code − 32.
    int16_t centres[2][2];
};

/// Rows of the next group when `remaining` are left: the largest power of two within both bounds.
constexpr int rowGroup(int64_t remaining, int largest)
{
    int group = largest;
    while (group > remaining)
        group /= 2;
    return group;
}

} // namespace cortex::kernels
