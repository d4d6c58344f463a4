// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/blockformat.h"
#include "kernels/cpu/activations.h"
#include "kernels/cpu/codetraits.h"
#include "kernels/types.h"

#include <array>
#include <cstddef>
#include <utility>

// Products of one weight tile with a group of activation rows, for any vector type V: what all have in common, and
// those of dense weights. Quantized ones are in dotproducts.h and pairproducts.h. Included by the path*.cpp files only,
// each compiled for its own instruction set; hence the unnamed namespaces: no function of one may be linked into
// another.

#if defined(__clang__)
#define CORTEX_UNROLL _Pragma("unroll")
#else
#define CORTEX_UNROLL _Pragma("GCC unroll 16")
#endif
#define CORTEX_INLINE __attribute__((always_inline))

namespace cortex::kernels {
namespace {

/// Bytes hold fields of `bits` bits side by side: moves field `index` to bit `at` and masks the others away.
template <class V, int bits, int index, int at>
typename V::B field(typename V::B fields)
{
    constexpr int shift = bits * index - at;
    constexpr uint8_t mask = uint8_t(((1 << bits) - 1) << at);
    if constexpr (shift > 0)
        return V::both(V::template shiftRight<shift>(fields), V::bytes(mask));
    else if constexpr (shift < 0)
        return V::both(V::template shiftLeft<-shift>(fields), V::bytes(mask));
    else
        return V::both(fields, V::bytes(mask));
}

/// What the codes of a type with a table stand for, as unsigned numbers: less the zero point they are iq4Values and
/// fp4Values.
template <Type type>
constexpr std::array<uint8_t, 16> codeTable()
{
    std::array<uint8_t, 16> table{};
    for (size_t i = 0; i < table.size(); ++i)
        table[i] = type == Type::MXFP4 ? uint8_t(fp4Values[i] + 16) : uint8_t(iq4Values[i] + 128);
    return table;
}

template <class F, int... i>
[[gnu::always_inline]] inline void callWithEach(const F& f, std::integer_sequence<int, i...>)
{
    (f(std::integral_constant<int, i>()), ...);
}

/// Calls f(0) … f(n − 1), the arguments being constants. A lambda that holds a loop's work wants CORTEX_INLINE, or
/// compilers may make a function of it, which finds the sums in memory.
template <int n, class F>
[[gnu::always_inline]] inline void forConstants(const F& f)
{
    callWithEach(f, std::make_integer_sequence<int, n>());
}

/// The numbers of columns 4j … 4j + 3 of a block of every row of a tile: those of row r in bytes 4r … 4r + 3. Bytes of
/// eight bits stand for byte − 128, which the products undo.
template <class V, Type type, int j>
[[gnu::always_inline]] inline typename V::B codesAt(const uint8_t* quants)
{
    constexpr CodeTraits code = codeTraits(type);
    const auto load = [quants](int at) { return V::loadBytes(quants + at * 4 * V::lanes); };
    if constexpr (code.bits == 8) {
        return V::addBytes(load(j), V::bytes(128));
    } else {
        typename V::B w;
        constexpr int six = j / 4 * 3; // the first of three registers of six bits
        if constexpr (code.bits == 6 && j % 4 < 3)
            w = V::both(load(six + j % 4), V::bytes(63));
        else if constexpr (code.bits == 6)
            w = V::either(V::either(field<V, 2, 3, 0>(load(six)), field<V, 2, 3, 2>(load(six + 1))),
                          field<V, 2, 3, 4>(load(six + 2)));
        else if constexpr (code.bits < 4)
            w = field<V, 2, j % 4, 0>(load(j / 4));
        else
            w = field<V, 4, j / 4, 0>(load(j % 4));
        if constexpr (code.bits == 3)
            w = V::either(w, field<V, 1, j, 2>(load(2)));
        else if constexpr (code.bits == 5)
            w = V::either(w, field<V, 1, j, 4>(load(4)));
        if constexpr (code.tableBits > 0) {
            static constexpr std::array<uint8_t, 16> table = codeTable<type>();
            w = V::lookup(table.data(), w);
        }
        return w;
    }
}

/// A group of so many rows takes longer over a line of weights than memory takes to bring the next one, but the
/// hardware only looks ahead for who reads fast: such a group asks for the lines itself, this many bytes ahead.
constexpr int prefetchingRows = 8;
constexpr int prefetchAhead = 2048;

/// `packed`: the codes of 32 columns of all rows of a tile.
template <class V, Type type, int rows>
[[gnu::always_inline]] inline void prefetchTile(const uint8_t* packed)
{
    if constexpr (rows >= prefetchingRows) {
        constexpr int lines = (codeTraits(type).quantBytes * V::lanes + 63) / 64;
        forConstants<lines>([&](auto line) CORTEX_INLINE { __builtin_prefetch(packed + prefetchAhead + 64 * line); });
    }
}

template <class V, Type type>
typename V::F loadDense(const std::byte* source)
{
    if constexpr (type == Type::F16)
        return V::fromHalf(reinterpret_cast<const uint16_t*>(source));
    else if constexpr (type == Type::BF16)
        return V::fromBfloat(reinterpret_cast<const uint16_t*>(source));
    else
        return V::load(reinterpret_cast<const float*>(source));
}

/// Two sums per row, of even and odd columns, so that a single row is not bound by the latency of one chain. `rows` of
/// the `group` whose activations lie side by side.
template <class V, Type type, int rows, int group>
void denseProductOf(const std::byte* tile, int64_t columns, const float* a, float* sums)
{
    using F = typename V::F;
    constexpr int stride = (type == Type::F32 ? 4 : 2) * V::lanes;
    F even[rows], odd[rows];
    CORTEX_UNROLL
    for (int t = 0; t < rows; ++t)
        even[t] = odd[t] = V::set(0);
    int64_t column = 0;
    for (; column + 2 <= columns; column += 2, tile += 2 * stride, a += 2 * group) {
        const F first = loadDense<V, type>(tile);
        const F second = loadDense<V, type>(tile + stride);
        CORTEX_UNROLL
        for (int t = 0; t < rows; ++t) {
            even[t] = V::fma(first, V::set(a[t]), even[t]);
            odd[t] = V::fma(second, V::set(a[group + t]), odd[t]);
        }
    }
    if (column < columns) {
        const F last = loadDense<V, type>(tile);
        CORTEX_UNROLL
        for (int t = 0; t < rows; ++t)
            even[t] = V::fma(last, V::set(a[t]), even[t]);
    }
    CORTEX_UNROLL
    for (int t = 0; t < rows; ++t)
        V::store(sums + t * V::lanes, V::add(even[t], odd[t]));
}

template <class V, Type type, int rows>
void denseProduct(const std::byte* tile, int64_t columns, const void* activations, float* sums)
{
    constexpr int once = rows < V::largestDense ? rows : V::largestDense; // two sums of each are to be in registers
    for (int t = 0; t < rows; t += once)
        denseProductOf<V, type, once, rows>(tile, columns, static_cast<const float*>(activations) + t,
                                            sums + t * V::lanes);
}

} // namespace
} // namespace cortex::kernels
