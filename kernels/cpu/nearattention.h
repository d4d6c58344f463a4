// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/cpu/fixedstate.h"

// Scores and weighted sums of near positions of a 16-bit cache, in int16 dot products of whole numbers. A tile's keys,
// or a piece of a span's values, are joined from their planes once, for all vectors. For any vector type V; included by
// the path*.cpp files only; see products.h.

namespace cortex::kernels {
namespace {

/// joined [columns / 4][2][positions][2]: of each four columns the first and third, then the others.
template <class V>
void joinKeys(KvTile tile, int64_t columns, int16_t* joined)
{
    constexpr int row = 2 * KvTile::positions;
    for (int64_t d = 0; d < columns; d += 4, joined += 2 * row)
        for (int at = 0; at < KvTile::positions; at += V::lanes) {
            const int64_t place = d * KvTile::positions + 4 * at;
            joinPlanes<V, KvNumbers<V>::keyZero>(tile.keyHigh() + place, tile.keyLow(columns) + place, joined + 2 * at,
                                                 joined + row + 2 * at);
        }
}

/// Scores against the sixteen positions of tile t, whose keys are joined.
template <class V, int vectors>
void scoreNear(const FixedState<V>& state, const SpanTiles& tiles, int t, int first, float* scores)
{
    using F = typename V::F;
    constexpr int segment = FixedState<V>::segment, group = FixedState<V>::group, wide = FixedState<V>::wide;
    const int64_t columns = state.columns;
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
            for (int64_t d = begin; d < end; d += 2, q += 2 * group, keys += 2 * KvTile::positions) {
                typename V::S key[wide];
                CORTEX_UNROLL
                for (int w = 0; w < wide; ++w)
                    key[w] = V::loadWords(keys + 2 * w * V::lanes);
                CORTEX_UNROLL
                for (int v = 0; v < vectors; ++v) {
                    CORTEX_UNROLL
                    for (int w = 0; w < wide; ++w)
                        total[v][w] = V::dotPairs(total[v][w], key[w], q + 2 * v);
                }
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

/// joined [pairs of positions][valuePiece][2]: columns begin … end − 1 of a span, up to tile `tileEnd`.
template <class V>
void joinValues(const SpanTiles& tiles, int tileEnd, int64_t columns, int64_t begin, int64_t end, int16_t* joined)
{
    constexpr int64_t pair = 2 * AttentionTask::valuePiece;
    for (int t = tiles.begin; t < tileEnd; ++t) {
        int16_t* to = joined + t * KvTile::positions / 2 * pair;
        for (int four = 0; four < KvTile::valueFours; ++four, to += pair)
            for (int64_t d = begin; d < end; d += V::lanes) {
                const int64_t place = KvTile::valueOffset(d) + four * KvTile::fourStride;
                joinPlanes<V, 0>(tiles.tiles[t].valueHigh(columns) + place, tiles.tiles[t].valueLow(columns) + place,
                                 to + 2 * (d - begin), to + KvTile::valueFours * pair + 2 * (d - begin));
            }
    }
}

/// sums [d … d + width · lanes − 1] of `vectors` vectors = Σ weights · joined values.
template <class V, int vectors, int width>
void sumNearColumns(const FixedState<V>& state, const SpanTiles& tiles, const Bundle& bundle, const int16_t* values,
                    int64_t d)
{
    using F = typename V::F;
    constexpr int span = FixedState<V>::span, run = FixedState<V>::nearRun;
    const int begin = tiles.begin * KvTile::positions, end = bundle.end * KvTile::positions;
    for (int position = begin; position < end;) {
        typename V::I total[vectors][width];
        CORTEX_UNROLL
        for (int v = 0; v < vectors; ++v) {
            CORTEX_UNROLL
            for (int w = 0; w < width; ++w)
                total[v][w] = V::setInt(0);
        }
        const bool first = position == begin;
        const int runEnd = (position / run + 1) * run < end ? (position / run + 1) * run : end;
        for (; position < runEnd; position += 2) {
            const int16_t* weights = state.weights + bundle.first * span + position;
            typename V::S value[width];
            CORTEX_UNROLL
            for (int w = 0; w < width; ++w)
                value[w] = V::loadWords(values + position * AttentionTask::valuePiece + 2 * w * V::lanes);
            CORTEX_UNROLL
            for (int v = 0; v < vectors; ++v) {
                CORTEX_UNROLL
                for (int w = 0; w < width; ++w)
                    total[v][w] = V::dotPairs(total[v][w], value[w], weights + v * span);
            }
        }
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

/// Columns begin … end − 1, which are joined, at most valuePiece of them.
template <class V, int vectors>
void sumNear(const FixedState<V>& state, const SpanTiles& tiles, const Bundle& bundle, int64_t begin, int64_t end)
{
    constexpr int most = AttentionTask::valuePiece / V::lanes;
    constexpr int width = columnsAbreast<V>(vectors) < most ? columnsAbreast<V>(vectors) : most;
    int64_t d = begin;
    for (; d + width * V::lanes <= end; d += width * V::lanes)
        sumNearColumns<V, vectors, width>(state, tiles, bundle, state.joined + 2 * (d - begin), d);
    for (; d < end; d += V::lanes)
        sumNearColumns<V, vectors, 1>(state, tiles, bundle, state.joined + 2 * (d - begin), d);
}

} // namespace
} // namespace cortex::kernels
