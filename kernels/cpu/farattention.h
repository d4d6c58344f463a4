// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/cpu/fixedstate.h"
#include "kernels/cpu/products.h"

// Scores and weighted sums of far positions of a 16-bit cache, in products of bytes: of queries with the upper bytes of
// keys, and of weights with those of values. For any vector type V; included by the path*.cpp files only; see
// products.h.

namespace cortex::kernels {
namespace {

/// totals += the products of 4 · steps dimensions of a bundle's queries with the upper bytes of keys.
template <class V, int vectors, int steps>
[[gnu::always_inline]] inline void addFar(typename V::I (&total)[vectors][FixedState<V>::wide], const uint8_t* keys,
                                          const int8_t* q)
{
    constexpr int wide = FixedState<V>::wide;
    [[maybe_unused]] typename V::S pairs[vectors][wide];
    forConstants<steps>([&](auto step) CORTEX_INLINE {
        typename V::B key[wide];
        CORTEX_UNROLL
        for (int w = 0; w < wide; ++w)
            key[w] = V::loadBytes(keys + step * 4 * KvTile::positions + 4 * w * V::lanes);
        CORTEX_UNROLL
        for (int v = 0; v < vectors; ++v) {
            const int8_t* codes = q + step * 4 * FixedState<V>::group + 4 * v;
            CORTEX_UNROLL
            for (int w = 0; w < wide; ++w) {
                if constexpr (V::unsignedDot) {
                    total[v][w] = V::dotUnsigned(total[v][w], key[w], codes);
                } else {
                    const auto products = V::pairsUnsigned(key[w], codes);
                    pairs[v][w] = step == 0 ? products : V::settled(V::addPairs(pairs[v][w], products));
                }
            }
        }
    });
    if constexpr (!V::unsignedDot) {
        CORTEX_UNROLL
        for (int v = 0; v < vectors; ++v) {
            CORTEX_UNROLL
            for (int w = 0; w < wide; ++w)
                total[v][w] = V::settled(V::addInt(total[v][w], V::widen(pairs[v][w])));
        }
    }
}

/// Scores against the positions of tile t from the upper bytes of keys and 8-bit queries.
template <class V, int vectors>
void scoreFar(const FixedState<V>& state, const SpanTiles& tiles, int t, int first, float* scores)
{
    constexpr int wide = FixedState<V>::wide, run = FixedState<V>::farRun;
    const KvTile tile = tiles.tiles[t], next = tiles.next(t);
    const FixedQuery* queries = state.queries + first;
    for (int at = 0; at < KvTile::positions; at += wide * V::lanes) {
        const int8_t* q = state.codes(first);
        const uint8_t* keys = tile.keyHigh() + 4 * at;
        typename V::I total[vectors][wide];
        CORTEX_UNROLL
        for (int v = 0; v < vectors; ++v) {
            CORTEX_UNROLL
            for (int w = 0; w < wide; ++w)
                total[v][w] = V::setInt(queries[v].farStart);
        }
        int64_t d = 0;
        for (; d + run <= state.columns; d += run, keys += run * KvTile::positions, q += run * FixedState<V>::group) {
            for (int i = 0; i < run; i += 4)
                prefetchKeys(next.keyHigh(), d + i);
            addFar<V, vectors, run / 4>(total, keys, q);
        }
        if (d < state.columns)
            addFar<V, vectors, headPadding / 4>(total, keys, q);
        CORTEX_UNROLL
        for (int v = 0; v < vectors; ++v) {
            CORTEX_UNROLL
            for (int w = 0; w < wide; ++w) {
                const auto keyScale = V::load(tile.keyScales() + at + w * V::lanes);
                const auto score =
                    V::fma(V::toFloat(total[v][w]), V::set(queries[v].far), V::set(queries[v].farOffset));
                V::store(scores + v * FixedState<V>::span + at + w * V::lanes, V::mul(score, keyScale));
            }
        }
    }
}

/// The sum and the largest of a tile's weights.
template <class V>
struct TileWeights {
    float sum, largest;

    explicit TileWeights(const float* weights)
    {
        auto sums = V::load(weights), most = sums;
        for (int i = V::lanes; i < KvTile::positions; i += V::lanes) {
            sums = V::add(sums, V::load(weights + i));
            most = V::max(most, V::load(weights + i));
        }
        sum = V::sum(sums);
        largest = V::largest(most);
    }
};

/// Rounds a vector's weights to bytes, up to tile `end` of a span. Returns what a unit of their sums with values' upper
/// bytes stands for.
///
/// Where sums are in int16, eight weights come to a lane, with bytes of values of magnitude 128 at most: they add up to
/// 251, rounding (4 at most) left aside. Eight are no more than all sixteen, and no more than eight times the largest.
/// The factors of a span add up to `factors` and one a tile, so that two lanes times their factors fit 32 bits.
template <class V>
float roundFar(const FixedState<V>& state, const float* weights, int begin, int end, int vector)
{
    FarWeights<V>& to = state.farWeights(vector);
    float bounds[FarWeights<V>::tiles];
    float bound = 0, sum = 0;
    for (int t = begin; t < end; ++t) {
        const TileWeights<V> tile(weights + t * KvTile::positions);
        bounds[t] = V::unsignedDot || tile.sum > 8 * tile.largest ? 8 * tile.largest : tile.sum;
        bound += bounds[t];
        sum += tile.sum;
    }
    constexpr float factors = 32600, most = 251;
    const bool some = sum > 1e-30f && sum < __builtin_inff();
    const float unit = bound / (factors * most);
    for (int t = begin; t < end; ++t) {
        float inverse;
        if constexpr (V::unsignedDot) {
            to.factors[t] = bounds[t] / (8 * 255);
            inverse = inverseOrZero(8 * 255, bounds[t]);
        } else {
            const int factor = some ? int(bounds[t] / bound * factors) + 1 : 1;
            to.factors[t] = {{int16_t(factor), int16_t(factor)}};
            inverse = 1 / (unit * float(factor));
        }
        V::storeInterleaved(to.codes + t * KvTile::positions, weights + t * KvTile::positions, some ? inverse : 0);
    }
    const float upper = 256; // what a unit of an upper byte is
    state.offsets[vector] = some ? sum * upper / 2 : 0;
    return !some ? sum * 0 : V::unsignedDot ? upper : upper * unit;
}

/// Weights of a span times the upper bytes of some columns: four positions of a tile by four, then the tile's factor.
/// In int16 pairs that fit it, multiplied by the factor as they are widened.
template <class V>
struct PairSum {
    typename V::S tile;
    typename V::I total = V::setInt(0);

    template <bool first>
    void add(typename V::B values, const uint8_t* codes)
    {
        const auto products = V::pairsByUnsigned(values, codes);
        tile = first ? products : V::settled(V::addPairs(tile, products));
    }
    void endTile(const typename FarWeights<V>::Factor& factor)
    {
        total = V::settled(V::addInt(total, V::multiplyPairs(tile, V::repeatPair(factor.words))));
    }
    typename V::F result() const { return V::toFloat(total); }
};

/// Likewise, in int32 and then float32.
template <class V>
struct DotSum {
    typename V::I tile;
    typename V::F total = V::set(0);

    template <bool first>
    void add(typename V::B values, const uint8_t* codes)
    {
        tile = V::dotSigned(first ? V::setInt(0) : tile, values, codes);
    }
    void endTile(float factor) { total = V::fma(V::toFloat(tile), V::set(factor), total); }
    typename V::F result() const { return total; }
};

/// sums [d … d + width · lanes − 1] of `vectors` vectors = Σ weights · upper bytes of values of a span.
template <class V, int vectors, int width>
void sumFarColumns(const FixedState<V>& state, const SpanTiles& tiles, const Bundle& bundle, int64_t d)
{
    const FarWeights<V>* weights[vectors];
    CORTEX_UNROLL
    for (int v = 0; v < vectors; ++v)
        weights[v] = &state.farWeights(bundle.first + v);
    std::conditional_t<V::unsignedDot, DotSum<V>, PairSum<V>> sums[vectors][width];
    for (int t = tiles.begin; t < bundle.end; ++t) {
        const uint8_t* values = tiles.tiles[t].valueHigh(state.columns);
        forConstants<KvTile::valueFours>([&](auto four) CORTEX_INLINE {
            typename V::B value[width];
            CORTEX_UNROLL
            for (int w = 0; w < width; ++w)
                value[w] = V::loadBytes(values + KvTile::valueOffset(d + w * V::lanes) + four * KvTile::fourStride);
            CORTEX_UNROLL
            for (int v = 0; v < vectors; ++v) {
                CORTEX_UNROLL
                for (int w = 0; w < width; ++w)
                    sums[v][w].template add<four == 0>(value[w], weights[v]->codes + t * KvTile::positions + 4 * four);
            }
        });
        CORTEX_UNROLL
        for (int v = 0; v < vectors; ++v) {
            CORTEX_UNROLL
            for (int w = 0; w < width; ++w)
                sums[v][w].endTile(weights[v]->factors[t]);
        }
    }
    CORTEX_UNROLL
    for (int v = 0; v < vectors; ++v) {
        CORTEX_UNROLL
        for (int w = 0; w < width; ++w)
            V::store(state.partial(bundle.first + v) + d + w * V::lanes,
                     V::fma(sums[v][w].result(), V::set(state.units[bundle.first + v]),
                            V::set(state.offsets[bundle.first + v])));
    }
}

/// Columns begin … end − 1.
template <class V, int vectors>
void sumFar(const FixedState<V>& state, const SpanTiles& tiles, const Bundle& bundle, int64_t begin, int64_t end)
{
    constexpr int width = columnsAbreast<V>(vectors);
    int64_t d = begin;
    for (; d + width * V::lanes <= end; d += width * V::lanes)
        sumFarColumns<V, vectors, width>(state, tiles, bundle, d);
    for (; d < end; d += V::lanes)
        sumFarColumns<V, vectors, 1>(state, tiles, bundle, d);
}

} // namespace
} // namespace cortex::kernels
