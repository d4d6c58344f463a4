// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/cpu/products.h"

// Products of one tile of quantized weights with a group of activation rows, where one instruction multiplies bytes and
// sums to int32. Included by the path*.cpp files only; see products.h.

namespace cortex::kernels {
namespace {

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

/// What an integer dot product has besides: minus the zero point times the sum of the activations.
template <class V, Type type>
typename V::I zeroPoint(int32_t negatedSum)
{
    constexpr CodeTraits code = codeTraits(type);
    constexpr int shift = code.productBits() == 8 ? 7 : code.zeroShift;
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

/// totals [rows] += the products of 32 columns.
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

/// Any quantized type; activations are ActivationBlocks.
template <class V, Type type, int rows>
void byteProduct(const std::byte* tile, int64_t columns, const void* activations, float* sums)
{
    constexpr CodeTraits code = codeTraits(type);
    constexpr int parts = code.superBlocks ? 8 : 1;
    const auto* packed = reinterpret_cast<const uint8_t*>(tile);
    const auto* a = static_cast<const ActivationBlock*>(activations);
    typename V::F total[rows];
    CORTEX_UNROLL
    for (int t = 0; t < rows; ++t)
        total[t] = V::set(0);
    for (int64_t column = 0; column < columns; column += 32 * parts) {
        Scales<V, type> scales(packed);
        packed += code.scaleBytes * V::lanes;
        for (int part = 0; part < parts; ++part) {
            prefetchTile<V, type, rows>(packed);
            if constexpr (parts > 1)
                scales.nextPart();
            addByDots<V, type, rows>(total, packed, scales, a);
            packed += code.quantBytes * V::lanes;
            a += rows;
        }
    }
    CORTEX_UNROLL
    for (int t = 0; t < rows; ++t)
        V::store(sums + t * V::lanes, total[t]);
}

} // namespace
} // namespace cortex::kernels
