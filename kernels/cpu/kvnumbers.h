// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/cpu/kvtile.h"
#include "kernels/cpu/rowwise.h"

// How keys and values become the whole numbers of a 16-bit cache, for any vector type V. Included by the path*.cpp
// files only; see products.h.

namespace cortex::kernels {
namespace {

// No function of the standard library here: what is compiled for one instruction set must not be linked into another.

inline void copyPadded(float* to, const float* from, int64_t count, int64_t padded)
{
    __builtin_memcpy(to, from, size_t(count) * sizeof(float));
    for (int64_t i = count; i < padded; ++i)
        to[i] = 0;
}

/// x ← a Hadamard matrix times x, unnormalised, in every run of spreadRun(headDim) elements. A stage adds and subtracts
/// the halves of a run and interleaves them: all stages are alike.
template <class V>
void spread(float* x, float* scratch, int64_t headDim)
{
    const int64_t run = spreadRun(headDim);
    for (int64_t begin = 0; begin < headDim; begin += run) {
        float* __restrict from = x + begin;
        float* __restrict to = scratch;
        for (int64_t stage = 1; stage < run; stage *= 2) {
            for (int64_t i = 0; i < run / 2; ++i) {
                const float a = from[i], b = from[i + run / 2];
                to[2 * i] = a + b;
                to[2 * i + 1] = a - b;
            }
            float* const swapped = from;
            from = to;
            to = swapped;
        }
        if (from != x + begin)
            copyPadded(x + begin, from, run, run);
    }
}

/// words = x · factor, rounded.
template <class V>
void storeScaled(int16_t* words, const float* x, float factor, int64_t columns)
{
    for (int64_t i = 0; i < columns; i += V::lanes)
        V::storeWords(words + i, V::mul(V::load(x + i), V::set(factor)));
}

constexpr float inverseOrZero(float limit, float x)
{
    return x > 0 ? limit / x : x; // not a number stays one
}

/// The numbers of a tile, which fit the dot products of bytes that a vector type has: sums in int32 take unsigned bytes
/// of all eight bits. Pairs in int16 take seven bits of a key (which then has fifteen in all), and values as they are.
template <class V>
struct KvNumbers {
    static constexpr int keyZero = V::unsignedDot ? 128 : 64; ///< what upper bytes have too much
    static constexpr float keyLimit = 256 * keyZero - 1;
    static constexpr float valueLimit = 256 * 128 - 1;
};

/// Parts a number in a signed upper byte, to which `zero` is added, and an unsigned lower one.
inline void storePlanes(uint8_t* high, uint8_t* low, int16_t number, int zero)
{
    *high = uint8_t((number >> 8) + zero);
    *low = uint8_t(number);
}

/// Writes one position of a tile. scratch: 2 · columns floats.
template <class V>
void keepPosition(std::byte* memory, int position, const float* key, const float* value, int64_t headDim,
                  float* scratch)
{
    using Numbers = KvNumbers<V>;
    const KvTile tile{memory};
    const int64_t columns = paddedHead(headDim);
    float* x = scratch;
    auto* words = reinterpret_cast<int16_t*>(scratch + columns);

    copyPadded(x, key, headDim, columns);
    spread<V>(x, scratch + columns, headDim);
    float largest = largestMagnitude<V>(x, columns);
    tile.keyScales()[position] = largest / Numbers::keyLimit;
    storeScaled<V>(words, x, inverseOrZero(Numbers::keyLimit, largest), columns);
    for (int64_t d = 0; d < columns; d += 4)
        for (int i = 0; i < 4; ++i) {
            const int64_t place = d * KvTile::positions + 4 * position + i;
            storePlanes(tile.keyHigh() + place, tile.keyLow(columns) + place, words[d + i], Numbers::keyZero);
        }

    copyPadded(x, value, headDim, columns);
    largest = largestMagnitude<V>(x, columns);
    tile.valueScales()[position] = largest / Numbers::valueLimit;
    storeScaled<V>(words, x, inverseOrZero(Numbers::valueLimit, largest), columns);
    for (int64_t d = 0; d < columns; ++d) {
        const int64_t place = KvTile::valueOffset(d) + KvTile::placeOfPosition(position);
        storePlanes(tile.valueHigh(columns) + place, tile.valueLow(columns) + place, words[d], 0);
    }
}

/// A register's bytes of both planes as whole numbers: those at even places, and those at odd ones.
template <class V, int zero>
[[gnu::always_inline]] inline void joinPlanes(const uint8_t* high, const uint8_t* low, typename V::S& even,
                                              typename V::S& odd)
{
    auto upper = V::loadBytes(high);
    if constexpr (zero != 0)
        upper = V::addBytes(upper, V::bytes(uint8_t(-zero)));
    const auto lower = V::loadBytes(low);
    even = typename V::S(V::evenThenOdd(lower, V::template shiftLeft<8>(upper)));
    odd = typename V::S(V::evenThenOdd(V::template shiftRight<8>(lower), upper));
}

} // namespace
} // namespace cortex::kernels
