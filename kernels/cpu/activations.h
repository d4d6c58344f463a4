// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>

namespace cortex::kernels {

/// What the products of a path take their activations as (CpuPath::format): float32, or units of 32 columns that are
/// quantized in one of four ways.
///
/// Rows are processed in groups (see rowGroup). Within a group of T rows the units of equal column lie side by side,
/// [columns / 32][T], so that a product walks its activations front to back. Dense weights read float32 activations,
/// arranged likewise: [columns][T].
enum class ActivationFormat { Dense, Blocks, Factored, SuperBlocks, Eights };
inline constexpr ActivationFormat activationFormats[] = {ActivationFormat::Dense, ActivationFormat::Blocks,
                                                         ActivationFormat::Factored, ActivationFormat::SuperBlocks,
                                                         ActivationFormat::Eights};

/// Sums of the codes of 32 columns: of the first and the last sixteen, there of columns 4j and 4j + 1, and of the
/// others.
struct CodeSums {
    int16_t pairs[2][2];

    int ofHalf(int half) const { return pairs[half][0] + pairs[half][1]; }
    int ofAll() const { return ofHalf(0) + ofHalf(1); }
};

/// Blocks, where one instruction multiplies bytes and sums to int32: x[i] ≈ scale · codes[i], codes in −127 … 127 as in
/// all that follow.
struct ActivationBlock {
    int8_t codes[32];
    float scale;
    float scaledSum; ///< scale · Σ codes: multiplies a weight block's minimum
    int32_t negatedSums[2]; ///< −Σ codes of the first and the last sixteen: multiplies the zero point of unsigned codes
};

/// Factored, for weights of up to five bits in blocks of 32, where instructions sum pairs to int16:
/// x[i] ≈ scale · factor · codes[i]. The factor widens pairs to int32, so that floats of the row multiply but once.
struct FactoredBlock {
    static constexpr int largestFactor = 1 << 14; ///< 32 columns of five bits still fit int32

    int8_t codes[32];
    int16_t factor[2]; ///< the same twice, for both of a pair
    float sum; ///< factor · Σ codes: multiplies a weight block's minimum
    float scale; ///< of the row
};

/// SuperBlocks, for weights in such: 32 of 256 activations that are quantized with one scale, so that a weight's whole
/// super-block is summed in integers.
struct ActivationPart {
    int8_t codes[32];
    float scale; ///< of all eight parts
    int16_t negatedSums[2]; ///< of a part of even number: −Σ codes of it and of the next: multiply minimums
    /// −32 · Σ codes of each sixteen, of their columns 4j, 4j + 1 and of 4j + 2, 4j + 3: what sums of pairs start from
    /// where codes of six bits stand for code − 32.
    int16_t centres[2][2];
};

/// Eights, for weights of eight bits: x[i] ≈ scale · factors[i % 16 / 4] · codes[i]. Two products of a pair are summed
/// to int16 before they are widened, those of columns 4j … 4j + 3 and 16 + 4j … 16 + 4j + 3, by a factor of these
/// eight. They fit because the positive codes of one lane of int16, 4j, 4j + 1, 16 + 4j and 16 + 4j + 1 or the other
/// four, add up to 128 at most, and the negative ones too: 128 · 255 fits.
struct ActivationEights {
    static constexpr int largestFactor = 1 << 12; ///< 32 columns of eight bits still fit int32

    int8_t codes[32];
    int16_t factors[4][2]; ///< each twice, for both of a pair
    int32_t start; ///< −128 · Σ factor · codes: what sums start from, as bytes stand for byte − 128
    float scale; ///< of the row
};

/// Bytes of a unit of columns, and how many columns it has.
constexpr size_t unitBytes(ActivationFormat format)
{
    constexpr size_t bytes[std::size(activationFormats)] = {sizeof(float), sizeof(ActivationBlock),
                                                            sizeof(FactoredBlock), sizeof(ActivationPart),
                                                            sizeof(ActivationEights)};
    return bytes[size_t(format)];
}

constexpr int64_t unitColumns(ActivationFormat format)
{
    return format == ActivationFormat::Dense ? 1 : 32;
}

/// Rows of the next group when `remaining` are left: the largest power of two within both bounds.
constexpr int rowGroup(int64_t remaining, int largest)
{
    int group = largest;
    while (group > remaining)
        group /= 2;
    return group;
}

} // namespace cortex::kernels
