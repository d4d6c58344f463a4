// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/cpu/products.h"

#include <type_traits>

// Products of one tile of quantized weights with a group of activation rows, where instructions sum pairs of bytes to
// int16. Included by the path*.cpp files only; see products.h.
//
// The codes of 32 columns stay in registers while all rows pass by, a few at a time, whose sums are in registers
// meanwhile and in the first-level cache after. Sums are those of integers as long as they can be: floats cost most
// where every processor pipe is taken.

namespace cortex::kernels {
namespace {

/// How a type's products are summed.
template <Type type>
struct PairShape {
    static constexpr CodeTraits code = codeTraits(type);
    static constexpr int bits = code.productBits();
    /// Two products of a pair fill int16, and are widened by a factor of their own (ActivationEights).
    static constexpr bool wide = bits == 8;
    /// Summed in integers over a whole super-block.
    static constexpr bool superBlocks = code.superBlocks && !wide;
    /// Sums start from their zero point: codes of six bits would not fit as they are.
    static constexpr bool centred = bits == 6;
    /// Registers of codes that stay while rows pass by: a pair reaches 2 · 127 · (2^bits − 1), of which as many fit
    /// int16; halves have scales of their own.
    static constexpr int resident = wide || (bits <= 4 && !code.halfScales) ? 8 : 4;
    static constexpr int groups = 8 / resident;
};

/// Rows that pass by side by side: chains of additions enough to keep the processor busy, and their sums fit beside
/// eight registers of codes into sixteen.
template <int rows>
constexpr int rowsAbreast = rows < 4 ? rows : 4;

/// The codes of group `group` of 32 columns.
template <class V, Type type, int group>
[[gnu::always_inline]] inline void loadCodes(typename V::B (&w)[PairShape<type>::resident], const uint8_t* quants)
{
    constexpr int resident = PairShape<type>::resident;
    forConstants<resident>([&](auto j)
                               CORTEX_INLINE { w[j] = V::settled(codesAt<V, type, group * resident + j>(quants)); });
}

/// sums [rows] = the products of 32 columns of eight bits.
template <class V, int rows>
[[gnu::always_inline]] inline void multiplyEights(typename V::I (&sums)[rows], const typename V::B (&w)[8],
                                                  const ActivationEights* a)
{
    CORTEX_UNROLL
    for (int t = 0; t < rows; ++t)
        sums[t] = V::setInt(a[t].start);
    forConstants<4>([&](auto j) CORTEX_INLINE {
        CORTEX_UNROLL
        for (int t = 0; t < rows; ++t) {
            const auto first = V::pairsUnsigned(w[j], a[t].codes + 4 * j);
            const auto both = V::settled(V::addPairs(first, V::pairsUnsigned(w[4 + j], a[t].codes + 16 + 4 * j)));
            sums[t] = V::settled(V::addInt(sums[t], V::multiplyPairs(both, V::repeatPair(a[t].factors[j]))));
        }
    });
}

/// pairs [rows] = the products of the columns of group `group`.
template <class V, Type type, int rows, int group, class Unit>
[[gnu::always_inline]] inline void multiplyPairs(typename V::S (&pairs)[rows],
                                                 const typename V::B (&w)[PairShape<type>::resident], const Unit* a)
{
    using Shape = PairShape<type>;
    if constexpr (Shape::centred) {
        CORTEX_UNROLL
        for (int t = 0; t < rows; ++t)
            pairs[t] = V::repeatPair(a[t].centres[group]);
    }
    forConstants<Shape::resident>([&](auto j) CORTEX_INLINE {
        constexpr int at = 4 * (group * Shape::resident + j);
        CORTEX_UNROLL
        for (int t = 0; t < rows; ++t) {
            const auto products = V::pairsUnsigned(w[j], a[t].codes + at);
            pairs[t] = j == 0 && !Shape::centred ? products : V::settled(V::addPairs(pairs[t], products));
        }
    });
}

/// sums [rows] = the products of the columns of group `group`, times the rows' factors.
template <class V, Type type, int rows, int group, class Unit>
[[gnu::always_inline]] inline void multiplyBlock(typename V::I (&sums)[rows],
                                                 const typename V::B (&w)[PairShape<type>::resident], const Unit* a)
{
    if constexpr (PairShape<type>::wide) {
        multiplyEights<V, rows>(sums, w, a);
    } else {
        typename V::S pairs[rows];
        multiplyPairs<V, type, rows, group>(pairs, w, a);
        CORTEX_UNROLL
        for (int t = 0; t < rows; ++t)
            sums[t] = V::multiplyPairs(pairs[t], V::repeatPair(a[t].factor));
    }
}

/// The scales of a block: value = scale · code + minimum.
template <class V, Type type>
struct BlockScales {
    static constexpr CodeTraits code = codeTraits(type);
    static constexpr bool hasMinimum = code.minimums || code.zeroShift >= 0;

    /// Those of a super-block's part, where it is products of blocks that a type in such has.
    BlockScales(const uint8_t* packed, [[maybe_unused]] int part)
    {
        if constexpr (code.exponents)
            scale = V::fromExponent8(packed);
        else
            scale = V::fromHalf(reinterpret_cast<const uint16_t*>(packed));
        if constexpr (code.superBlocks)
            scale = V::mul(scale, V::fromSigned8(packed + (2 + part) * V::lanes));
        if constexpr (code.minimums)
            minimum = V::fromHalf(reinterpret_cast<const uint16_t*>(packed + 2 * V::lanes));
        else if constexpr (hasMinimum)
            minimum = V::mul(scale, V::set(-float(1 << code.zeroShift)));
    }

    typename V::F scale, minimum;
};

/// sums [rows] += the products of 32 columns, less the rows' scales.
template <class V, Type type, int rows, class Unit>
[[gnu::always_inline]] inline void addBlocks(float* sums, const uint8_t* quants, const BlockScales<V, type>& scales,
                                             const Unit* a)
{
    using Shape = PairShape<type>;
    constexpr int abreast = rowsAbreast<rows>;
    [[maybe_unused]] typename V::I kept[rows];
    forConstants<Shape::groups>([&](auto group) CORTEX_INLINE {
        typename V::B w[Shape::resident];
        loadCodes<V, type, group>(w, quants);
        for (int first = 0; first < rows; first += abreast) {
            typename V::I products[abreast];
            multiplyBlock<V, type, abreast, group>(products, w, a + first);
            CORTEX_UNROLL
            for (int i = 0; i < abreast; ++i) {
                const int t = first + i;
                const auto sum = group == 0 ? products[i] : V::addInt(kept[t], products[i]);
                if constexpr (group + 1 < Shape::groups) {
                    kept[t] = sum;
                } else {
                    auto total = V::load(sums + t * V::lanes);
                    if constexpr (BlockScales<V, type>::hasMinimum)
                        total = V::fma(scales.minimum, V::set(a[t].sum), total);
                    V::store(sums + t * V::lanes, V::fma(V::toFloat(sum), scales.scale, total));
                }
            }
        }
    });
}

/// Types in blocks of 32, and of eight bits.
template <class V, Type type, int rows>
void blockProduct(const std::byte* tile, int64_t columns, const void* activations, float* sums)
{
    constexpr CodeTraits code = codeTraits(type);
    constexpr int parts = code.superBlocks ? 8 : 1;
    using Unit = std::conditional_t<PairShape<type>::wide, ActivationEights, FactoredBlock>;
    const auto* packed = reinterpret_cast<const uint8_t*>(tile);
    const auto* a = static_cast<const Unit*>(activations);
    for (int t = 0; t < rows; ++t)
        V::store(sums + t * V::lanes, V::set(0));
    for (int64_t column = 0; column < columns; column += 32 * parts) {
        const uint8_t* scales = packed;
        packed += code.scaleBytes * V::lanes;
        for (int part = 0; part < parts; ++part, a += rows) {
            prefetchTile<V, type, rows>(packed);
            addBlocks<V, type, rows>(sums, packed, BlockScales<V, type>(scales, part), a);
            packed += code.quantBytes * V::lanes;
        }
    }
    a -= rows;
    for (int t = 0; t < rows; ++t, sums += V::lanes)
        V::store(sums, V::mul(V::load(sums), V::set(a[t].scale)));
}

/// The scales of a super-block: the sum of its products is
/// scale · Σ factor · codes · activations + minimum · Σ minimumFactor · (negated sums of activations).
template <class V, Type type>
class SuperScales {
public:
    static constexpr CodeTraits code = codeTraits(type);
    /// Neighbouring parts share a register of minimums; sixteens have one each, and so have their zero points.
    static constexpr int minimums = code.halfScales ? (PairShape<type>::centred ? 0 : 16) : code.minimums ? 4 : 0;

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
        constexpr int step = code.halfScales || code.minimums ? 2 : 1;
        const uint8_t* scales = m_parts + (step * part + (code.halfScales ? half : 0)) * V::lanes;
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
        return typename V::S(V::template shiftRight<12>(V::template shiftLeft<left>(typename V::B(words))));
    }

    const uint8_t* m_parts;
};

/// totals [rows] += the products of the 32 columns of a part.
template <class V, Type type, int rows>
[[gnu::always_inline]] inline void addPart(typename V::I* totals, const uint8_t* quants,
                                           const SuperScales<V, type>& scales, const ActivationPart* a, int part)
{
    using Shape = PairShape<type>;
    constexpr int abreast = rowsAbreast<rows>;
    forConstants<Shape::groups>([&](auto group) CORTEX_INLINE {
        typename V::B w[Shape::resident];
        loadCodes<V, type, group>(w, quants);
        const auto factor = scales.factor(part, group);
        for (int t = 0; t < rows; t += abreast) {
            typename V::S pairs[abreast];
            multiplyPairs<V, type, abreast, group>(pairs, w, a + t);
            CORTEX_UNROLL
            for (int i = 0; i < abreast; ++i)
                totals[t + i] = V::addInt(totals[t + i], V::multiplyPairs(pairs[i], factor));
        }
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

/// Types in super-blocks: the bytes that scale their parts are factors of the products that widen pairs to int32, and
/// floats multiply once per super-block.
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
            prefetchTile<V, type, rows>(packed);
            addPart<V, type, rows>(totals, packed, scales, a + part * rows, part);
            packed += code.quantBytes * V::lanes;
        }
        addSuperBlock<V, type, rows>(sums, totals, scales, a);
    }
}

/// Any quantized type; activations are what formatFor says.
template <class V, Type type, int rows>
void pairProduct(const std::byte* tile, int64_t columns, const void* activations, float* sums)
{
    if constexpr (PairShape<type>::superBlocks)
        superProduct<V, type, rows>(tile, columns, activations, sums);
    else
        blockProduct<V, type, rows>(tile, columns, activations, sums);
}

} // namespace
} // namespace cortex::kernels
