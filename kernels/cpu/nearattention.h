// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/cpu/fixedstate.h"

// Scores and weighted sums of near positions of a 16-bit cache, in int16 dot products of whole numbers. Where several
// bundles pass by, a tile's keys or a piece of a span's values are joined from their planes once for all; one bundle
// does so on its way. For any vector type V; included by the path*.cpp files only; see products.h.

namespace cortex::kernels {
namespace {

/// Four columns of a tile's keys, at positions at … at + lanes − 1: the first and third, and the others.
template <class V>
[[gnu::always_inline]] inline void wholeKeys(KvTile tile, int64_t columns, int64_t d, int at, typename V::S& even,
                                             typename V::S& odd)
{
    const int64_t place = d * KvTile::positions + 4 * at;
    joinPlanes<V, KvNumbers<V>::keyZero>(tile.keyHigh() + place, tile.keyLow(columns) + place, even, odd);
}

constexpr int joinedKeyRow = 2 * KvTile::positions;

/// joined [columns / 4][2][positions][2], in that order.
template <class V>
void joinKeys(KvTile tile, KvTile next, int64_t columns, int16_t* joined)
{
    for (int64_t d = 0; d < columns; d += 4, joined += 2 * joinedKeyRow) {
        prefetchKeys(next.keyHigh(), d);
        prefetchKeys(next.keyLow(columns), d);
        for (int at = 0; at < KvTile::positions; at += V::lanes) {
            typename V::S even, odd;
            wholeKeys<V>(tile, columns, d, at, even, odd);
            V::saveWords(joined + 2 * at, even);
            V::saveWords(joined + joinedKeyRow + 2 * at, odd);
        }
    }
}

/// totals += the products of four columns.
template <class V, int vectors>
[[gnu::always_inline]] inline void addNear(typename V::I (&total)[vectors][FixedState<V>::wide],
                                           const typename V::S (&even)[FixedState<V>::wide],
                                           const typename V::S (&odd)[FixedState<V>::wide], const int16_t* q)
{
    constexpr int wide = FixedState<V>::wide;
    CORTEX_UNROLL
    for (int v = 0; v < vectors; ++v) {
        CORTEX_UNROLL
        for (int w = 0; w < wide; ++w)
            total[v][w] = V::dotPairs(total[v][w], even[w], q + 2 * v);
    }
    CORTEX_UNROLL
    for (int v = 0; v < vectors; ++v) {
        CORTEX_UNROLL
        for (int w = 0; w < wide; ++w)
            total[v][w] = V::dotPairs(total[v][w], odd[w], q + 2 * FixedState<V>::group + 2 * v);
    }
}

/// Scores against the sixteen positions of tile t.
template <class V, int vectors, bool joined>
void scoreNear(const FixedState<V>& state, const SpanTiles& tiles, int t, int first, float* scores)
{
    using F = typename V::F;
    constexpr int segment = FixedState<V>::segment, group = FixedState<V>::group, wide = FixedState<V>::wide;
    const int64_t columns = state.columns;
    [[maybe_unused]] const KvTile next = tiles.next(t);
    for (int at = 0; at < KvTile::positions; at += wide * V::lanes) {
        const int16_t* q = state.queryWords(first);
        const int16_t* keys = state.joined + 2 * at;
        for (int64_t begin = 0; begin < columns; begin += segment) {
            const int64_t end = begin + segment < columns ? begin + segment : columns;
            typename V::I total[vectors][wide];
            CORTEX_UNROLL
            for (int v = 0; v < vectors; ++v) {
                CORTEX_UNROLL
                for (int w = 0; w < wide; ++w)
                    total[v][w] = V::setInt(0);
            }
            for (int64_t d = begin; d < end; d += 4, q += 4 * group, keys += 2 * joinedKeyRow) {
                typename V::S even[wide], odd[wide];
                if constexpr (!joined) {
                    prefetchKeys(next.keyHigh(), d);
                    prefetchKeys(next.keyLow(columns), d);
                }
                CORTEX_UNROLL
                for (int w = 0; w < wide; ++w) {
                    if constexpr (joined) {
                        even[w] = V::loadWords(keys + 2 * w * V::lanes);
                        odd[w] = V::loadWords(keys + joinedKeyRow + 2 * w * V::lanes);
                    } else {
                        wholeKeys<V>(tiles.tiles[t], columns, d, at + w * V::lanes, even[w], odd[w]);
                    }
                }
                addNear<V, vectors>(total, even, odd, q);
            }
            CORTEX_UNROLL
            for (int v = 0; v < vectors; ++v) {
                CORTEX_UNROLL
                for (int w = 0; w < wide; ++w) {
                    float* out = scores + v * FixedState<V>::span + at + w * V::lanes;
                    const F sum = V::toFloat(total[v][w]);
                    V::store(out, begin == 0 ? sum : V::add(V::load(out), sum));
                }
            }
        }
    }
    for (int v = 0; v < vectors; ++v) {
        const F unit = V::set(state.queries[first + v].near);
        for (int at = 0; at < KvTile::positions; at += V::lanes) {
            float* out = scores + v * FixedState<V>::span + at;
            V::store(out, V::mul(V::mul(V::load(out), unit), V::load(tiles.tiles[t].keyScales() + at)));
        }
    }
}

/// Rounds a vector's weights, of the positions begin … end − 1 of a span, which are whole tiles. Returns what a unit of
/// their sums with values stands for.
template <class V>
float roundNear(const FixedState<V>& state, const float* weights, int begin, int end, int vector)
{
    using F = typename V::F;
    constexpr int run = FixedState<V>::nearRun;
    float sum = 0, most = 0, mostOfRun = 0;
    for (int i = begin; i < end;) {
        F sums = V::set(0), largest = V::set(0);
        for (const int runEnd = (i / run + 1) * run; i < end && i < runEnd; i += V::lanes) {
            sums = V::add(sums, V::load(weights + i));
            largest = V::max(largest, V::load(weights + i));
        }
        const float sumOfRun = V::sum(sums), mostHere = V::largest(largest);
        sum += sumOfRun;
        mostOfRun = sumOfRun > mostOfRun ? sumOfRun : mostOfRun;
        most = mostHere > most ? mostHere : most;
    }
    // Such that each weight fits 16 bits, and a run's sum times the largest value 32.
    const float bySum = 65000 / mostOfRun, byMost = 32767 / most;
    const float factor = sum > 1e-30f ? (bySum < byMost ? bySum : byMost) : 0;
    int16_t* words = state.weights + vector * FixedState<V>::span;
    for (int i = begin; i < end; i += V::lanes)
        V::storeWords(words + i, factor > 0 ? V::mul(V::load(weights + i), V::set(factor)) : V::set(0));
    return factor > 0 ? 1 / factor : sum * 0;
}

/// Four positions of a tile's values, at columns d … d + lanes − 1, as two pairs: 2 · four and the next, and eight
/// positions further.
template <class V>
[[gnu::always_inline]] inline void wholeValues(KvTile tile, int64_t columns, int64_t d, int four, typename V::S& even,
                                               typename V::S& odd)
{
    const int64_t place = KvTile::valueOffset(d) + four * KvTile::fourStride;
    joinPlanes<V, 0>(tile.valueHigh(columns) + place, tile.valueLow(columns) + place, even, odd);
}

constexpr int64_t joinedPair = 2 * AttentionTask::valuePiece;
constexpr int64_t joinedTile = KvTile::positions / 2 * joinedPair;

/// joined [tiles][pairs of positions][valuePiece][2]: columns begin … end − 1 of a span, up to tile `tileEnd`.
template <class V>
void joinValues(const SpanTiles& tiles, int tileEnd, int64_t columns, int64_t begin, int64_t end, int16_t* joined)
{
    for (int t = tiles.begin; t < tileEnd; ++t)
        for (int64_t d = begin; d < end; d += V::lanes) {
            int16_t* to = joined + t * joinedTile + 2 * (d - begin);
            for (int four = 0; four < KvTile::valueFours; ++four, to += joinedPair) {
                typename V::S even, odd;
                wholeValues<V>(tiles.tiles[t], columns, d, four, even, odd);
                V::saveWords(to, even);
                V::saveWords(to + KvTile::valueFours * joinedPair, odd);
            }
        }
}

/// totals += weights · values of a tile; weights lie `span` apart.
template <class V, int vectors, int width, bool joined>
[[gnu::always_inline]] inline void addTile(typename V::I (&total)[vectors][width], KvTile tile, int64_t columns,
                                           const int16_t* values, int64_t d, const int16_t* weights)
{
    // The columns after these: pieces of a tile are too short for the processor to foresee them.
    if constexpr (!joined)
        for (int w = 0; w < 4 * width * V::lanes; w += 16) {
            __builtin_prefetch(tile.valueHigh(columns) + KvTile::valueOffset(d + width * V::lanes) + 4 * w);
            __builtin_prefetch(tile.valueLow(columns) + KvTile::valueOffset(d + width * V::lanes) + 4 * w);
        }
    CORTEX_UNROLL
    for (int four = 0; four < KvTile::valueFours; ++four) {
        typename V::S even[width], odd[width];
        CORTEX_UNROLL
        for (int w = 0; w < width; ++w) {
            if constexpr (joined) {
                even[w] = V::loadWords(values + four * joinedPair + 2 * w * V::lanes);
                odd[w] = V::loadWords(values + (KvTile::valueFours + four) * joinedPair + 2 * w * V::lanes);
            } else {
                wholeValues<V>(tile, columns, d + w * V::lanes, four, even[w], odd[w]);
            }
        }
        CORTEX_UNROLL
        for (int v = 0; v < vectors; ++v) {
            const int16_t* pair = weights + v * FixedState<V>::span + 2 * four;
            CORTEX_UNROLL
            for (int w = 0; w < width; ++w)
                total[v][w] = V::dotPairs(total[v][w], even[w], pair);
            CORTEX_UNROLL
            for (int w = 0; w < width; ++w)
                total[v][w] = V::dotPairs(total[v][w], odd[w], pair + KvTile::positions / 2);
        }
    }
}

/// sums [d … d + width · lanes − 1] of `vectors` vectors = Σ weights · values.
template <class V, int vectors, int width, bool joined>
void sumNearColumns(const FixedState<V>& state, const SpanTiles& tiles, const Bundle& bundle, const int16_t* values,
                    int64_t d)
{
    using F = typename V::F;
    constexpr int span = FixedState<V>::span, run = FixedState<V>::nearRun / KvTile::positions;
    for (int t = tiles.begin; t < bundle.end;) {
        typename V::I total[vectors][width];
        CORTEX_UNROLL
        for (int v = 0; v < vectors; ++v) {
            CORTEX_UNROLL
            for (int w = 0; w < width; ++w)
                total[v][w] = V::setInt(0);
        }
        const bool first = t == tiles.begin;
        for (const int runEnd = (t / run + 1) * run; t < bundle.end && t < runEnd; ++t)
            addTile<V, vectors, width, joined>(total, tiles.tiles[t], state.columns, values + t * joinedTile, d,
                                               state.weights + bundle.first * span + t * KvTile::positions);
        CORTEX_UNROLL
        for (int v = 0; v < vectors; ++v) {
            const F unit = V::set(state.units[bundle.first + v]);
            float* sums = state.partial(bundle.first + v) + d;
            CORTEX_UNROLL
            for (int w = 0; w < width; ++w) {
                const F sum = V::mul(V::toFloat(total[v][w]), unit);
                V::store(sums + w * V::lanes, first ? sum : V::add(V::load(sums + w * V::lanes), sum));
            }
        }
    }
}

/// Columns begin … end − 1; of joined values at most valuePiece of them.
template <class V, int vectors, bool joined>
void sumNear(const FixedState<V>& state, const SpanTiles& tiles, const Bundle& bundle, int64_t begin, int64_t end)
{
    constexpr int most = AttentionTask::valuePiece / V::lanes;
    constexpr int width = columnsAbreast<V>(vectors) < most ? columnsAbreast<V>(vectors) : most;
    int64_t d = begin;
    for (; d + width * V::lanes <= end; d += width * V::lanes)
        sumNearColumns<V, vectors, width, joined>(state, tiles, bundle, state.joined + 2 * (d - begin), d);
    for (; d < end; d += V::lanes)
        sumNearColumns<V, vectors, 1, joined>(state, tiles, bundle, state.joined + 2 * (d - begin), d);
}

} // namespace
} // namespace cortex::kernels
