// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/cpu/products.h"

// Products of one tile of a type in super-blocks with a group of activation rows, where instructions sum pairs to
// int16. Included by the path*.cpp files only; see products.h.
//
// A super-block's sum is one of integers: the bytes that scale its parts are factors of the products that widen pairs
// to int32, and the float scales multiply once at its end. The codes of 32 columns stay in registers while all rows
// pass by, a few at a time, whose sums are in registers meanwhile and in the first-level cache after.

namespace cortex::kernels {
namespace {

/// Rows that pass by side by side: chains of additions enough to keep the processor busy, and their sums fit beside
/// eight registers of codes into sixteen.
constexpr int rowsAbreast = 4;

/// The scales of a super-block: the sum of its products is
/// scale · Σ factor · codes · activations + minimum · Σ minimumFactor · (negated sums of activations).
template <class V, Type type>
class SuperScales {
public:
    static constexpr CodeTraits code = codeTraits(type);
    /// Codes of six bits do not fit when added as they are; sums start from their zero point instead.
    static constexpr bool centred = code.productBits() == 6;
    /// Neighbouring parts share a register of minimums; sixteens have one each, and so have their zero points.
    static constexpr int minimums = !code.halfScales && code.minimums ? 4 : code.halfScales && !centred ? 16 : 0;

    explicit SuperScales(const uint8_t* packed)
        : scale(half(packed))
        , m_parts(packed + (code.minimums ? 4 : 2) * V::lanes)
    {
        // Of sixteens, 32 times the sums are at hand (ActivationPart::centres).
        if constexpr (code.minimums)
            minimum = V::mul(half(packed + 2 * V::lanes), V::set(code.halfScales ? 1.0f / 32 : 1.0f));
        else if constexpr (minimums > 0)
            minimum = V::mul(scale, V::set(float(1 << code.zeroShift) / 32));
    }

    typename V::F scale, minimum;

    /// Of 32 columns, or of the first or last sixteen of them.
    typename V::S factor(int part, int half) const
    {
        const uint8_t* scales = m_parts
            + (code.halfScales     ? 2 * part + half
                   : code.minimums ? 2 * part
                                   : part)
                * V::lanes;
        const typename V::S bytes = V::joinSigned8(scales, scales);
        return code.halfScales && code.minimums ? nibble<12>(bytes) : bytes;
    }

    /// For the negated sums minimumSums(…, i).
    typename V::S minimumFactor(int i) const
    {
        if constexpr (!code.halfScales) {
            return V::joinSigned8(m_parts + (4 * i + 1) * V::lanes, m_parts + (4 * i + 3) * V::lanes);
        } else {
            const typename V::S bytes = V::joinSigned8(m_parts + i * V::lanes, m_parts + i * V::lanes);
            return code.minimums ? nibble<8>(bytes) : bytes;
        }
    }

    /// Of one row, whose parts are `group` apart.
    static const int16_t* minimumSums(const ActivationPart* parts, int group, int i)
    {
        return code.halfScales ? parts[i / 2 * group].centres[i % 2] : parts[2 * i * group].negatedSums;
    }

private:
    static typename V::F half(const uint8_t* p) { return V::fromHalf(reinterpret_cast<const uint16_t*>(p)); }

    /// The four bits of each lane that `left` moves to its top.
    template <int left>
    static typename V::S nibble(typename V::S words)
    {
        return (typename V::S)V::template shiftRight<12>(V::template shiftLeft<left>((typename V::B)words));
    }

    const uint8_t* m_parts;
};

/// totals [rows] += factor · the products of the columns of a part's `count` registers from `begin` on.
template <class V, Type type, int rows, int begin, int count>
[[gnu::always_inline]] inline void addColumns(typename V::I* totals, const typename V::B (&w)[count],
                                              typename V::S factor, const ActivationPart* a)
{
    constexpr bool centred = SuperScales<V, type>::centred;
    constexpr bool wide = codeTraits(type).productBits() == 8; // one product of a pair fills int16
    typename V::S pairs[rows];
    typename V::I sums[rows];
    if constexpr (centred) {
        CORTEX_UNROLL
        for (int t = 0; t < rows; ++t)
            pairs[t] = V::repeatPair(a[t].centres[begin / 4]);
    }
    forConstants<count>([&](auto j) CORTEX_INLINE {
        CORTEX_UNROLL
        for (int t = 0; t < rows; ++t) {
            const int8_t* codes = a[t].codes + 4 * (begin + j);
            if constexpr (wide) {
                const auto products = V::multiplyPairs(V::pairsSigned(w[j], codes), factor);
                sums[t] = j == 0 ? products : V::settled(V::addInt(sums[t], products));
            } else {
                const auto products = V::pairsUnsigned(w[j], codes);
                pairs[t] = j == 0 && !centred ? products : V::settled(V::addPairs(pairs[t], products));
            }
        }
    });
    CORTEX_UNROLL
    for (int t = 0; t < rows; ++t) {
        if constexpr (!wide)
            sums[t] = V::multiplyPairs(pairs[t], factor);
        totals[t] = V::addInt(totals[t], sums[t]);
    }
}

/// totals [rows] += the products of the 32 columns of a part.
template <class V, Type type, int rows>
[[gnu::always_inline]] inline void addPart(typename V::I* totals, const uint8_t* quants,
                                           const SuperScales<V, type>& scales, const ActivationPart* a, int part)
{
    constexpr int abreast = rows < rowsAbreast ? rows : rowsAbreast;
    // Sixteen columns of five bits fit int16, 32 of four do; halves have scales of their own; eight bits take twice the
    // registers.
    constexpr int resident = codeTraits(type).productBits() == 4 && !codeTraits(type).halfScales ? 8 : 4;
    forConstants<8 / resident>([&](auto number) CORTEX_INLINE {
        constexpr int begin = number * resident;
        typename V::B w[resident];
        forConstants<resident>([&](auto j) CORTEX_INLINE { w[j] = V::settled(codesAt<V, type, begin + j>(quants)); });
        const auto factor = scales.factor(part, number);
        for (int t = 0; t < rows; t += abreast)
            addColumns<V, type, abreast, begin>(totals + t, w, factor, a + t);
    });
}

/// sums [rows] += the super-block's products, whose integer totals are given.
template <class V, Type type, int rows>
[[gnu::always_inline]] inline void addSuperBlock(float* sums, const typename V::I* totals,
                                                 const SuperScales<V, type>& scales, const ActivationPart* a)
{
    constexpr int minimums = SuperScales<V, type>::minimums;
    typename V::S factors[minimums + 1];
    for (int i = 0; i < minimums; ++i)
        factors[i] = scales.minimumFactor(i);
    for (int t = 0; t < rows; ++t, sums += V::lanes) {
        auto sum = V::mul(V::toFloat(totals[t]), scales.scale);
        if constexpr (minimums > 0) {
            auto all = V::setInt(0);
            for (int i = 0; i < minimums; ++i) {
                const int16_t* negated = SuperScales<V, type>::minimumSums(a + t, rows, i);
                all = V::addInt(all, V::multiplyPairs(V::repeatPair(negated), factors[i]));
            }
            sum = V::fma(V::toFloat(all), scales.minimum, sum);
        }
        V::store(sums, V::fma(sum, V::set(a[t].scale), V::load(sums)));
    }
}

template <class V, Type type, int rows>
void superProduct(const std::byte* tile, int64_t columns, const void* activations, float* sums)
{
    constexpr CodeTraits code = codeTraits(type);
    const auto* packed = reinterpret_cast<const uint8_t*>(tile);
    const auto* a = static_cast<const ActivationPart*>(activations);
    for (int t = 0; t < rows; ++t)
        V::store(sums + t * V::lanes, V::set(0));
    for (int64_t column = 0; column < columns; column += 256, a += 8 * rows) {
        const SuperScales<V, type> scales(packed);
        packed += code.scaleBytes * V::lanes;
        typename V::I totals[rows];
        for (auto& total : totals)
            total = V::setInt(0);
        for (int part = 0; part < 8; ++part) {
            if constexpr (rows >= prefetchingRows) {
                CORTEX_UNROLL
                for (int at = 0; at < code.quantBytes * V::lanes; at += 64)
                    __builtin_prefetch(packed + prefetchAhead + at);
            }
            addPart<V, type, rows>(totals, packed, scales, a + part * rows, part);
            packed += code.quantBytes * V::lanes;
        }
        addSuperBlock<V, type, rows>(sums, totals, scales, a);
    }
}

} // namespace
} // namespace cortex::kernels
