// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/blockformat.h"
#include "kernels/cpu/activations.h"
#include "kernels/cpu/codetraits.h"
#include "kernels/types.h"

#include <array>
#include <cstddef>

// Products of one weight tile with a group of activation rows, for any vector type V. Included by the path*.cpp files
// only, each compiled for its own instruction set; hence the unnamed namespaces: no function of one may be linked into
// another.

#if defined(__clang__)
#define CORTEX_UNROLL _Pragma("unroll")
#else
#define CORTEX_UNROLL _Pragma("GCC unroll 16")
#endif

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

/// The numbers of the 32 columns of every row of a tile, in eight registers: register j holds columns 4j … 4j + 3 of
/// row r in bytes 4r … 4r + 3.
template <class V, Type type>
struct Codes {
    typename V::B w[8];

    explicit Codes(const uint8_t* quants)
    {
        constexpr int bits = codeTraits(type).bits;
        constexpr int bytes = 4 * V::lanes;
        if constexpr (bits == 8) {
            CORTEX_UNROLL
            for (int j = 0; j < 8; ++j) {
                w[j] = V::loadBytes(quants + j * bytes);
                if constexpr (V::unsignedDot) // code + 128, undone by zeroPoint
                    w[j] = V::flipSigns(w[j]);
            }
        } else if constexpr (bits < 4) {
            setFields<2, 0, 4>(V::loadBytes(quants), w);
            setFields<2, 0, 4>(V::loadBytes(quants + bytes), w + 4);
            if constexpr (bits == 3)
                addFields<1, 0, 8, 2>(V::loadBytes(quants + 2 * bytes), w);
        } else {
            const typename V::B nibble = V::bytes(15);
            CORTEX_UNROLL
            for (int j = 0; j < 4; ++j) {
                const typename V::B packed = V::loadBytes(quants + j * bytes);
                w[j] = V::both(packed, nibble);
                w[j + 4] = V::both(V::template shiftRight<4>(packed), nibble);
            }
            if constexpr (bits == 5) {
                const typename V::B high = V::loadBytes(quants + 4 * bytes);
                addFields<1, 0, 8, 4>(high, w);
            } else if constexpr (bits == 6) {
                addFields<2, 0, 4, 4>(V::loadBytes(quants + 4 * bytes), w);
                addFields<2, 0, 4, 4>(V::loadBytes(quants + 5 * bytes), w + 4);
            } else if constexpr (codeTraits(type).tableBits > 0) {
                static constexpr std::array<uint8_t, 16> table = codeTable<V, type>();
                CORTEX_UNROLL
                for (int j = 0; j < 8; ++j)
                    w[j] = V::lookup(table.data(), w[j]);
            }
        }
    }

private:
    template <int fieldBits, int index, int count>
    static void setFields(typename V::B fields, typename V::B* out)
    {
        if constexpr (index < count) {
            out[index] = field<V, fieldBits, index, 0>(fields);
            setFields<fieldBits, index + 1, count>(fields, out);
        }
    }
    template <int fieldBits, int index, int count, int at>
    static void addFields(typename V::B fields, typename V::B* out)
    {
        if constexpr (index < count) {
            out[index] = V::either(out[index], field<V, fieldBits, index, at>(fields));
            addFields<fieldBits, index + 1, count, at>(fields, out);
        }
    }
};

/// Integer dot products of sixteen columns: start + Σ w · a per row.
template <class V, int bits>
typename V::I dot16(const typename V::B* w, const int8_t* a, typename V::I start)
{
    if constexpr (V::unsignedDot) {
        CORTEX_UNROLL
        for (int j = 0; j < 4; ++j)
            start = V::dotUnsigned(start, w[j], a + 4 * j);
        return start;
    } else if constexpr (bits == 8) {
        CORTEX_UNROLL
        for (int j = 0; j < 4; ++j)
            start = V::addInt(start, V::widen(V::pairsSigned(w[j], a + 4 * j)));
        return start;
    } else {
        // Pair sums reach 2 · 127 · (2^bits − 1): four of them fit int16 up to five bits, two of them at six.
        typename V::S low = V::addPairs(V::pairsUnsigned(w[0], a), V::pairsUnsigned(w[1], a + 4));
        const typename V::S high = V::addPairs(V::pairsUnsigned(w[2], a + 8), V::pairsUnsigned(w[3], a + 12));
        if constexpr (bits <= 5)
            return V::addInt(start, V::widen(V::addPairs(low, high)));
        else
            return V::addInt(start, V::addInt(V::widen(low), V::widen(high)));
    }
}

/// The scales of a (super-)block.
template <class V, Type type>
class Scales {
public:
    static constexpr CodeTraits code = codeTraits(type);
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

/// Starting value of an integer dot product: minus the zero point times the sum of the activations.
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

/// total + the product of 32 columns.
template <class V, Type type>
typename V::F addBlock(typename V::F total, const Codes<V, type>& codes, const Scales<V, type>& scales,
                       const ActivationBlock& a)
{
    constexpr CodeTraits code = codeTraits(type);
    constexpr int bits = code.productBits();
    const auto first = dot16<V, bits>(codes.w, a.codes, zeroPoint<V, type>(a.negatedSums[0]));
    const auto second = dot16<V, bits>(codes.w + 4, a.codes + 16, zeroPoint<V, type>(a.negatedSums[1]));
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

/// A group of so many rows takes longer over a line of weights than memory takes to bring the next one, but the
/// hardware only looks ahead for who reads fast: such a group asks for the lines itself, this many bytes ahead.
constexpr int prefetchingRows = 8;
constexpr int prefetchAhead = 2048;

template <class V, Type type, int rows>
void quantizedProduct(const std::byte* tile, int64_t columns, const void* activations, float* sums)
{
    constexpr CodeTraits code = codeTraits(type);
    constexpr int parts = code.superBlocks ? 8 : 1;
    using F = typename V::F;
    const auto* packed = reinterpret_cast<const uint8_t*>(tile);
    const auto* a = static_cast<const ActivationBlock*>(activations);
    F total[rows];
    CORTEX_UNROLL
    for (int t = 0; t < rows; ++t)
        total[t] = V::set(0);
    for (int64_t column = 0; column < columns; column += 32 * parts) {
        Scales<V, type> scales(packed);
        packed += code.scaleBytes * V::lanes;
        for (int part = 0; part < parts; ++part) {
            const Codes<V, type> codes(packed);
            if constexpr (rows >= prefetchingRows) {
                CORTEX_UNROLL
                for (int at = 0; at < code.quantBytes * V::lanes; at += 64)
                    __builtin_prefetch(packed + prefetchAhead + at);
            }
            packed += code.quantBytes * V::lanes;
            if constexpr (parts > 1)
                scales.nextPart();
            CORTEX_UNROLL
            for (int t = 0; t < rows; ++t, ++a)
                total[t] = addBlock<V, type>(total[t], codes, scales, *a);
        }
    }
    CORTEX_UNROLL
    for (int t = 0; t < rows; ++t)
        V::store(sums + t * V::lanes, total[t]);
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

/// Two sums per row, of even and odd columns, so that a single row is not bound by the latency of one chain.
template <class V, Type type, int rows>
void denseProduct(const std::byte* tile, int64_t columns, const void* activations, float* sums)
{
    using F = typename V::F;
    constexpr int stride = (type == Type::F32 ? 4 : 2) * V::lanes;
    const auto* a = static_cast<const float*>(activations);
    F even[rows], odd[rows];
    CORTEX_UNROLL
    for (int t = 0; t < rows; ++t)
        even[t] = odd[t] = V::set(0);
    int64_t column = 0;
    for (; column + 2 <= columns; column += 2, tile += 2 * stride, a += 2 * rows) {
        const F first = loadDense<V, type>(tile);
        const F second = loadDense<V, type>(tile + stride);
        CORTEX_UNROLL
        for (int t = 0; t < rows; ++t) {
            even[t] = V::fma(first, V::set(a[t]), even[t]);
            odd[t] = V::fma(second, V::set(a[rows + t]), odd[t]);
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

} // namespace
} // namespace cortex::kernels
