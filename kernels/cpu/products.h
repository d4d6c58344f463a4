// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/blockformat.h"
#include "kernels/cpu/activations.h"
#include "kernels/cpu/codetraits.h"
#include "kernels/types.h"

#include <array>
#include <cstddef>
#include <utility>

// Products of one weight tile with a group of activation rows, for any vector type V. Included by the path*.cpp files
// only, each compiled for its own instruction set; hence the unnamed namespaces: no function of one may be linked into
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

/// What the codes of a type with a table stand for, as unsigned numbers where the products want such: less the zero
/// point (see zeroPoint) they are iq4Values and fp4Values.
template <class V, Type type>
constexpr std::array<uint8_t, 16> codeTable()
{
    std::array<uint8_t, 16> table{};
    for (size_t i = 0; i < table.size(); ++i)
        table[i] =
            type == Type::MXFP4 ? uint8_t(fp4Values[i] + 16) : uint8_t(iq4Values[i] + (V::unsignedDot ? 128 : 0));
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

/// The numbers of columns 4j … 4j + 3 of a block of every row of a tile: those of row r in bytes 4r … 4r + 3.
template <class V, Type type, int j>
[[gnu::always_inline]] inline typename V::B codesAt(const uint8_t* quants)
{
    constexpr CodeTraits code = codeTraits(type);
    const auto load = [quants](int at) { return V::loadBytes(quants + at * 4 * V::lanes); };
    if constexpr (code.bits == 8) {
        return V::unsignedDot ? V::addBytes(load(j), V::bytes(128)) : load(j); // undone by zeroPoint
    } else {
        typename V::B w;
        if constexpr (code.bits < 4)
            w = field<V, 2, j % 4, 0>(load(j / 4));
        else
            w = field<V, 4, j / 4, 0>(load(j % 4));
        if constexpr (code.bits == 3)
            w = V::either(w, field<V, 1, j, 2>(load(2)));
        else if constexpr (code.bits == 5)
            w = V::either(w, field<V, 1, j, 4>(load(4)));
        else if constexpr (code.bits == 6)
            w = V::either(w, field<V, 2, j % 4, 4>(load(4 + j / 4)));
        if constexpr (code.tableBits > 0) {
            static constexpr std::array<uint8_t, 16> table = codeTable<V, type>();
            w = V::lookup(table.data(), w);
        }
        return w;
    }
}

/// The scales of a (super-)block.
template <class V, Type type>
class Scales {
public:
    static constexpr CodeTraits code = codeTraits(type);
    /// scale · (code − zero) = scale · code + minimum; cheaper where integer sums do not start from anything.
    static constexpr bool zeroPointIsMinimum = !V::unsignedDot && code.zeroShift >= 0 && !code.superBlocks;
    using F = typename V::F;

    explicit Scales(const uint8_t* source)
        : m_parts(source)
    {
        constexpr int rows = V::lanes;
        if constexpr (code.exponents)
            scale = V::fromExponent8(source);
        else
            scale = half(source);
        if constexpr (code.minimums)
            minimum = half(source + 2 * rows);
        else if constexpr (zeroPointIsMinimum)
            minimum = V::mul(scale, V::set(-float(1 << code.zeroShift)));
        if constexpr (code.superBlocks) {
            m_scale = scale;
            if constexpr (code.minimums) // stands for scale · code − minimum
                m_minimum = V::sub(V::set(0), minimum);
            m_parts += (code.minimums ? 4 : 2) * rows;
        }
    }

    F scale, secondScale, minimum, secondMinimum; ///< of the block, or of a super-block's part

    void nextPart()
    {
        constexpr int rows = V::lanes;
        if constexpr (code.halfScales && code.minimums) {
            scale = V::mul(m_scale, V::fromLowNibble8(m_parts));
            secondScale = V::mul(m_scale, V::fromLowNibble8(m_parts + rows));
            minimum = V::mul(m_minimum, V::fromHighNibble8(m_parts));
            secondMinimum = V::mul(m_minimum, V::fromHighNibble8(m_parts + rows));
        } else if constexpr (code.halfScales) {
            scale = V::mul(m_scale, V::fromSigned8(m_parts));
            secondScale = V::mul(m_scale, V::fromSigned8(m_parts + rows));
        } else if constexpr (code.minimums) {
            scale = V::mul(m_scale, V::fromUnsigned8(m_parts));
            minimum = V::mul(m_minimum, V::fromUnsigned8(m_parts + rows));
        } else {
            scale = V::mul(m_scale, V::fromSigned8(m_parts));
        }
        m_parts += (code.halfScales || code.minimums ? 2 : 1) * rows;
    }

private:
    static F half(const uint8_t* source) { return V::fromHalf(reinterpret_cast<const uint16_t*>(source)); }

    const uint8_t* m_parts;
    F m_scale, m_minimum;
};

/// What an integer dot product has besides: minus the zero point times the sum of the activations.
template <class V, Type type>
typename V::I zeroPoint(int32_t negatedSum)
{
    constexpr CodeTraits code = codeTraits(type);
    constexpr int shift = code.productBits() == 8 && V::unsignedDot ? 7 : code.zeroShift;
    if constexpr (shift < 0)
        return V::setInt(0);
    else
        return V::template shiftLeftInt<shift>(V::setInt(negatedSum));
}

/// total + the product of 32 columns with one row, whose integer dot products of the first and the last sixteen are
/// given.
template <class V, Type type>
[[gnu::always_inline]] inline typename V::F addBlock(typename V::F total, typename V::I first, typename V::I second,
                                                     const Scales<V, type>& scales, const ActivationBlock& a)
{
    constexpr CodeTraits code = codeTraits(type);
    typename V::F product;
    if constexpr (code.halfScales)
        product = V::fma(V::toFloat(second), scales.secondScale, V::mul(V::toFloat(first), scales.scale));
    else
        product = V::mul(V::toFloat(V::addInt(first, second)), scales.scale);
    if constexpr (code.halfScales && code.minimums) {
        // Minimums and sums are both negated, but the minimums' part is to be taken away.
        product = V::fma(V::toFloat(V::setInt(-a.negatedSums[0])), scales.minimum, product);
        product = V::fma(V::toFloat(V::setInt(-a.negatedSums[1])), scales.secondMinimum, product);
    }
    total = V::fma(product, V::set(a.scale), total);
    if constexpr (code.minimums && !code.halfScales)
        total = V::fma(scales.minimum, V::set(a.scaledSum), total);
    return total;
}

/// start + Σ w · a of sixteen columns.
template <class V>
[[gnu::always_inline]] inline typename V::I dot16(typename V::I start, const typename V::B* w, const int8_t* a)
{
    CORTEX_UNROLL
    for (int j = 0; j < 4; ++j)
        start = V::dotUnsigned(start, w[j], a + 4 * j);
    return start;
}

/// totals [rows] += the products of 32 columns, where one instruction multiplies bytes and sums to int32.
template <class V, Type type, int rows>
[[gnu::always_inline]] inline void addByDots(typename V::F* totals, const uint8_t* quants,
                                             const Scales<V, type>& scales, const ActivationBlock* a)
{
    typename V::B w[8];
    forConstants<8>([&](auto j) CORTEX_INLINE { w[j] = codesAt<V, type, j>(quants); });
    CORTEX_UNROLL
    for (int t = 0; t < rows; ++t) {
        const auto first = dot16<V>(zeroPoint<V, type>(a[t].negatedSums[0]), w, a[t].codes);
        const auto second = dot16<V>(zeroPoint<V, type>(a[t].negatedSums[1]), w + 4, a[t].codes + 16);
        totals[t] = addBlock<V, type>(totals[t], first, second, scales, a[t]);
    }
}

/// Registers of columns whose pair sums fit int16 when added: one reaches 2 · 127 · (2^bits − 1).
template <Type type>
constexpr int pairRun()
{
    constexpr int bits = codeTraits(type).productBits();
    return bits <= 4 ? 8 : bits == 5 ? 4 : 1;
}

/// As addBlock, but what does not wait for the sum comes first: a long chain after it would fill the processor's queues
/// with what cannot begin.
template <class V, Type type>
[[gnu::always_inline]] inline typename V::F addPairSums(typename V::F total, typename V::I sum,
                                                        const Scales<V, type>& scales, const ActivationBlock& a)
{
    const auto scale = V::mul(scales.scale, V::set(a.scale));
    if constexpr (codeTraits(type).minimums || Scales<V, type>::zeroPointIsMinimum)
        total = V::fma(scales.minimum, V::set(a.scaledSum), total);
    return V::fma(V::toFloat(sum), scale, total);
}

/// totals [rows] += the products of 32 columns, where instructions sum pairs to int16, of a type without super-blocks
/// (see superproducts.h). Few registers of codes are alive
/// at a time, and they serve all rows before the next: sixteen vector registers hold the sums of eight rows beside up
/// to four of codes. A run of eight goes from code to code instead, and keeps its pairs.
template <class V, Type type, int rows>
[[gnu::always_inline]] inline void addByPairs(typename V::F* totals, const uint8_t* quants,
                                              const Scales<V, type>& scales, const ActivationBlock* a)
{
    constexpr int bits = codeTraits(type).productBits();
    constexpr int run = pairRun<type>();
    constexpr int together = run == 8 ? 1 : run;
    static_assert(codeTraits(type).zeroShift < 0 || Scales<V, type>::zeroPointIsMinimum,
                  "sums start from no zero point");
    typename V::I sums[rows];
    forConstants<8 / run>([&](auto number) CORTEX_INLINE {
        constexpr int begin = number * run;
        typename V::S pairs[rows];
        forConstants<run / together>([&](auto group) CORTEX_INLINE {
            constexpr int first = begin + group * together;
            typename V::B w[together];
            // Of a run of eight both fields of a byte, one after the other.
            constexpr int at = run == 8 ? first / 2 + first % 2 * 4 : first;
            forConstants<together>([&](auto i) CORTEX_INLINE { w[i] = codesAt<V, type, at + i>(quants); });
            CORTEX_UNROLL
            for (int t = 0; t < rows; ++t) {
                forConstants<together>([&](auto i) CORTEX_INLINE {
                    const int8_t* codes = a[t].codes + 4 * (at + i);
                    const auto products = bits == 8 ? V::pairsSigned(w[i], codes) : V::pairsUnsigned(w[i], codes);
                    pairs[t] = group + i == 0 ? products : V::settled(V::addPairs(pairs[t], products));
                });
                if constexpr ((group + 1) * together == run) {
                    const auto widened = V::widen(pairs[t]);
                    sums[t] = begin == 0 ? widened : V::settled(V::addInt(sums[t], widened));
                }
            }
        });
    });
    CORTEX_UNROLL
    for (int t = 0; t < rows; ++t)
        totals[t] = addPairSums<V, type>(totals[t], sums[t], scales, a[t]);
}

/// A group of so many rows takes longer over a line of weights than memory takes to bring the next one, but the
/// hardware only looks ahead for who reads fast: such a group asks for the lines itself, this many bytes ahead.
constexpr int prefetchingRows = 8;
constexpr int prefetchAhead = 2048;

/// `rows` of the `group` whose activations lie side by side.
template <class V, Type type, int rows, int group>
void quantizedProductOf(const std::byte* tile, int64_t columns, const ActivationBlock* a, float* sums)
{
    constexpr CodeTraits code = codeTraits(type);
    constexpr int parts = code.superBlocks ? 8 : 1;
    const auto* packed = reinterpret_cast<const uint8_t*>(tile);
    typename V::F total[rows];
    CORTEX_UNROLL
    for (int t = 0; t < rows; ++t)
        total[t] = V::set(0);
    for (int64_t column = 0; column < columns; column += 32 * parts) {
        Scales<V, type> scales(packed);
        packed += code.scaleBytes * V::lanes;
        for (int part = 0; part < parts; ++part) {
            if constexpr (rows >= prefetchingRows) {
                CORTEX_UNROLL
                for (int at = 0; at < code.quantBytes * V::lanes; at += 64)
                    __builtin_prefetch(packed + prefetchAhead + at);
            }
            if constexpr (parts > 1)
                scales.nextPart();
            if constexpr (V::unsignedDot)
                addByDots<V, type, rows>(total, packed, scales, a);
            else
                addByPairs<V, type, rows>(total, packed, scales, a);
            packed += code.quantBytes * V::lanes;
            a += group;
        }
    }
    CORTEX_UNROLL
    for (int t = 0; t < rows; ++t)
        V::store(sums + t * V::lanes, total[t]);
}

template <class V, Type type, int rows>
void quantizedProduct(const std::byte* tile, int64_t columns, const void* activations, float* sums)
{
    constexpr int once = rows < V::largestQuantized ? rows : V::largestQuantized;
    for (int t = 0; t < rows; t += once)
        quantizedProductOf<V, type, once, rows>(tile, columns, static_cast<const ActivationBlock*>(activations) + t,
                                                sums + t * V::lanes);
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
