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
/// all dimensions, and one scale serves them all. Numbers lie in two planes, the upper bytes, which alone tell a far
/// key or value well enough, and the lower ones. KvNumbers has how many bits are used.
///
///     keyScales [16], valueScales [16]                      float32
///     keyHigh   [columns / 4][16 positions][4 dimensions]   upper byte of the number, + KvNumbers::keyZero
///     keyLow    likewise                                    lower byte
///     valueHigh [columns / 16][4][16 dimensions][4]         upper byte, signed, of four positions: 0, 8, 1, 9 in the
///                                                           first fours, 2, 10, 3, 11 in the next, and so on
///     valueLow  likewise                                    lower byte
///
/// with columns = paddedHead(headDim). Padding is zero in queries and weights, and so never counts.
struct KvTile {
    static constexpr int positions = 16;

    std::byte* memory;

    static constexpr size_t scaleBytes = 2 * positions * sizeof(float);
    static constexpr size_t bytes(int64_t headDim) { return scaleBytes + 4 * positions * size_t(paddedHead(headDim)); }

    float* keyScales() const { return reinterpret_cast<float*>(memory); }
    float* valueScales() const { return keyScales() + positions; }
    uint8_t* keyHigh() const { return reinterpret_cast<uint8_t*>(memory) + scaleBytes; }
    uint8_t* keyLow(int64_t columns) const { return keyHigh() + positions * columns; }
    uint8_t* valueHigh(int64_t columns) const { return keyHigh() + 2 * positions * columns; }
    uint8_t* valueLow(int64_t columns) const { return keyHigh() + 3 * positions * columns; }

    static constexpr int valueFours = positions / 4;
    /// From a dimension's four positions to the next four.
    static constexpr int fourStride = 4 * 16;
    /// Where a dimension's first four positions lie among a plane of values.
    static constexpr int64_t valueOffset(int64_t dimension)
    {
        return dimension / 16 * valueFours * fourStride + dimension % 16 * 4;
    }
    /// And from there to a position.
    static constexpr int placeOfPosition(int position)
    {
        return position % 8 / 2 * fourStride + position % 2 * 2 + position / 8;
    }
};

} // namespace cortex::kernels
