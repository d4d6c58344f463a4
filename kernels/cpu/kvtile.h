// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/cpu/path.h"

#include <cstddef>
#include <cstdint>

namespace cortex::kernels {

/// A head is rotated in runs of this many dimensions: the largest power of two that divides it.
constexpr int64_t spreadRun(int64_t headDim)
{
    return headDim & -headDim;
}

/// Sixteen neighbouring positions of one KV head in a 16-bit cache, as the CPU holds them: whole numbers with a float32
/// scale per position and head, which dot products of integers read as they lie.
///
/// A key is rotated by a Hadamard matrix first (queries are too, so that no score changes): an outlier is spread over
/// all dimensions, and one scale serves them all. Its numbers (of sixteen or fifteen bits, see KeyNumbers) lie in two
/// planes, the upper bytes, which alone tell a far key well enough, and the lower bytes. Values are in ±valueLimit, so
/// that sums of a whole span fit 32 bits.
///
///     keyScales [16], valueScales [16]             float32
///     keyHigh [columns / 4][16 positions][4]       upper byte of the number, + 128 or 64
///     keyLow  [columns / 4][16 positions][4]       lower byte
///     values  [columns / 16][8][16 dimensions][2]  int16: a pair of positions side by side
///
/// with columns = paddedHead(headDim). Padding is zero in queries and weights, and so never counts.
struct KvTile {
    static constexpr int positions = 16;
    static constexpr float valueLimit = 8190;

    std::byte* memory;

    static constexpr size_t scaleBytes = 2 * positions * sizeof(float);
    static constexpr size_t bytes(int64_t headDim) { return scaleBytes + 4 * positions * size_t(paddedHead(headDim)); }

    float* keyScales() const { return reinterpret_cast<float*>(memory); }
    float* valueScales() const { return keyScales() + positions; }
    uint8_t* keyHigh() const { return reinterpret_cast<uint8_t*>(memory) + scaleBytes; }
    uint8_t* keyLow(int64_t columns) const { return keyHigh() + positions * columns; }
    int16_t* values(int64_t columns) const
    {
        return reinterpret_cast<int16_t*>(memory + scaleBytes + 2 * positions * size_t(columns));
    }
    /// From a dimension's place to the next pair of positions.
    static constexpr int pairStride = 2 * 16;
    /// Where a dimension of the first position lies among the values.
    static constexpr int64_t valueOffset(int64_t dimension)
    {
        return dimension / 16 * 8 * pairStride + dimension % 16 * 2;
    }
};

} // namespace cortex::kernels
