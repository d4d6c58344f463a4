// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/cpu/farattention.h"
#include "kernels/cpu/nearattention.h"

// Attention over a 16-bit cache in integer arithmetic, for any vector type V: int16 dot products near a query, twice
// the rate of float32 multiply-adds where the processor has an instruction for them, and int8 ones far from it, up to
// four times the rate. Included by the path*.cpp files only; see products.h.

namespace cortex::kernels {
namespace {

/// 2^(score · log2(e) + negatedTop) within 3 · 10⁻⁶ of itself, near enough for weights that are rounded to 16 bits;
/// 2⁻¹²⁶, next to nothing, where it is less than that. A minimax polynomial of degree four, exactly 1 at 0.
template <class V>
typename V::F weightOf(typename V::F score, typename V::F negatedTop)
{
    using F = typename V::F;
    const F x = V::max(V::fma(score, V::set(1.44269504f), negatedTop), V::set(-126));
    const F n = V::round(x);
    const F r = V::sub(x, n);
    F p = V::set(9.58283e-3f);
    p = V::fma(p, r, V::set(5.59064e-2f));
    p = V::fma(p, r, V::set(2.40240990e-1f));
    p = V::fma(p, r, V::set(6.93124200e-1f));
    p = V::fma(p, r, V::set(1.0f));
    return V::mul(p, V::power2(n));
}

/// Turns a vector's scores of a span into weights times the scales of the values, and fills in `partial` but for its
/// sums.
template <class V>
void weighSpan(const AttentionTask& task, const SpanTiles& tiles, int end, Partial partial, int vector, int start,
               float* scores)
{
    using F = typename V::F;
    const int begin = tiles.begin * KvTile::positions;
    const int position = task.positions[vector] - start;
    const int oldest = task.window > 0 ? position - task.window + 1 : 0;
    for (int i = position + 1; i < end; ++i)
        scores[i] = -__builtin_inff();
    for (int i = begin; i < oldest && i < end; ++i)
        scores[i] = -__builtin_inff();

    F top = V::load(scores + begin);
    for (int i = begin + V::lanes; i < end; i += V::lanes)
        top = V::max(top, V::load(scores + i));
    partial.largest = V::largest(top);
    partial.weight = 0;
    if (partial.largest == -__builtin_inff()) {
        for (int i = begin; i < end; ++i)
            scores[i] = 0;
        return;
    }
    const F negatedTop = V::set(partial.largest * -1.44269504f);
    F weights = V::set(0);
    for (int i = begin; i < end; i += V::lanes) {
        const F weight = weightOf<V>(V::load(scores + i), negatedTop);
        V::store(scores + i, V::mul(weight, V::load(tiles.valueScales + i)));
        weights = V::add(weights, weight);
    }
    partial.weight = V::sum(weights);
}

/// Turns the scores of a bundle into rounded weights.
template <class V>
void weighBundle(const AttentionTask& task, const FixedState<V>& state, const SpanTiles& tiles, const Bundle& bundle,
                 int start)
{
    const int end = bundle.end * KvTile::positions;
    for (int v = bundle.first; v < bundle.first + bundle.count; ++v) {
        float* scores = state.scores + v * AttentionTask::span;
        weighSpan<V>(task, tiles, end, {state.partial(v), task.headDim}, v, start, scores);
        state.units[v] = bundle.far ? roundFar<V>(state, scores, tiles.begin, bundle.end, v)
                                    : roundNear<V>(state, scores, tiles.begin * KvTile::positions, end, v);
    }
}

template <class V, int vectors>
constexpr BundleLoops<V> nearLoops{scoreNear<V, vectors>, sumNear<V, vectors>};
template <class V, int vectors>
constexpr BundleLoops<V> farLoops{scoreFar<V, vectors>, sumFar<V, vectors>};

/// There are loops for up to eight vectors, and for a whole bundle.
template <class V>
const BundleLoops<V>& loopsOf(const Bundle& bundle)
{
    constexpr int most = FixedState<V>::bundle;
    constexpr auto upTo = [](int vectors) { return vectors < most ? vectors : most; };
    static constexpr const BundleLoops<V>* loops[][8] = {
        {&nearLoops<V, 1>, &nearLoops<V, 2>, &nearLoops<V, 3>, &nearLoops<V, 4>, &nearLoops<V, upTo(5)>,
         &nearLoops<V, upTo(6)>, &nearLoops<V, upTo(7)>, &nearLoops<V, upTo(8)>},
        {&farLoops<V, 1>, &farLoops<V, 2>, &farLoops<V, 3>, &farLoops<V, 4>, &farLoops<V, upTo(5)>,
         &farLoops<V, upTo(6)>, &farLoops<V, upTo(7)>, &farLoops<V, upTo(8)>}};
    if (bundle.count <= 8)
        return *loops[bundle.far][bundle.count - 1];
    return bundle.far ? farLoops<V, most> : nearLoops<V, most>;
}

/// Cuts a task's vectors into bundles that see something of a span. Returns their number.
template <class V>
int cutBundles(const AttentionTask& task, const FixedState<V>& state, const SpanTiles& tiles, int span, Bundle* bundles)
{
    constexpr int length = AttentionTask::span;
    constexpr int most = FixedState<V>::bundle;
    int count = 0;
    for (int first = 0; first < task.vectors;) {
        const int own = task.positions[first] / length; // vectors of one span agree about which keys are far
        const int groupEnd = (first / FixedState<V>::group + 1) * FixedState<V>::group;
        const int end = groupEnd < task.vectors ? groupEnd : task.vectors;
        int vectors = 1;
        while (vectors < most && first + vectors < end && task.positions[first + vectors] / length == own)
            ++vectors;
        if (own < span) {
            for (int v = first; v < first + vectors; ++v)
                Partial(state.partial(v), task.headDim).clear(task.headDim);
        } else {
            vectors = vectors == most || vectors < 8 ? vectors : 8; // for which there are loops
            const int seen = task.positions[first + vectors - 1] + 1 - span * length;
            const int seenTiles = (seen + KvTile::positions - 1) / KvTile::positions;
            bundles[count++] = {first, vectors, seenTiles < tiles.end ? seenTiles : tiles.end,
                                own - span >= AttentionTask::nearSpans};
        }
        first += vectors;
    }
    return count;
}

/// Asks for one reader's share of the keys of tile t, and of their lower bytes where they are read whole.
inline void prefetchKeys(const SpanTiles& tiles, int t, int nearEnd, int64_t columns, int reader, int readers)
{
    if (t < tiles.end)
        prefetchShare(tiles.tiles[t].keyHigh(), (t < nearEnd ? 2 : 1) * KvTile::positions * columns, reader, readers);
}

/// Likewise of the values of a span, columns begin … end − 1.
inline void prefetchValues(const SpanTiles& tiles, int nearEnd, int64_t columns, int64_t begin, int64_t end, int reader,
                           int readers)
{
    for (int t = tiles.begin + reader; t < tiles.end; t += readers) {
        const int64_t place = KvTile::valueOffset(begin), bytes = KvTile::valueOffset(end) - place;
        if (bytes > 0)
            prefetchShare(tiles.tiles[t].valueHigh(columns) + place, bytes, 0, 1);
        if (bytes > 0 && t < nearEnd)
            prefetchShare(tiles.tiles[t].valueLow(columns) + place, bytes, 0, 1);
    }
}

/// The partial results of one span. All bundles pass by a piece of it, a tile's keys or some columns of its values,
/// before the next: it is in the first-level cache then. On the way they ask for the next piece.
template <class V>
void runFixedSpan(const AttentionTask& task, const FixedState<V>& state, int span)
{
    constexpr int length = AttentionTask::span;
    const int64_t columns = state.columns;
    const SpanTiles tiles(task, span);
    Bundle bundles[AttentionTask::maxVectors];
    const int count = cutBundles(task, state, tiles, span, bundles);
    int nearEnd = 0; // of the tiles that some vector reads whole
    for (int i = 0; i < count; ++i)
        nearEnd = !bundles[i].far && bundles[i].end > nearEnd ? bundles[i].end : nearEnd;

    for (int t = tiles.begin; t < tiles.end; ++t) {
        if (t < nearEnd)
            joinKeys<V>(tiles.tiles[t], columns, state.joined);
        for (int i = 0; i < count; ++i) {
            const Bundle& bundle = bundles[i];
            prefetchKeys(tiles, t + 1, nearEnd, columns, i, count);
            if (t < bundle.end)
                loopsOf<V>(bundle).score(state, tiles, t, bundle.first,
                                         state.scores + bundle.first * length + t * KvTile::positions);
        }
    }
    const int64_t piece = nearEnd > 0 || count > 1 ? FixedState<V>::valuePiece : columns;
    const auto endOf = [&](int64_t begin) { return columns - begin < piece ? columns : begin + piece; };
    for (int i = 0; i < count; ++i) {
        prefetchValues(tiles, nearEnd, columns, 0, endOf(0), i, count);
        weighBundle<V>(task, state, tiles, bundles[i], span * length);
    }
    for (int64_t d = 0; d < columns; d = endOf(d)) {
        if (nearEnd > 0)
            joinValues<V>(tiles, nearEnd, columns, d, endOf(d), state.joined);
        for (int i = 0; i < count; ++i) {
            prefetchValues(tiles, nearEnd, columns, endOf(d), endOf(endOf(d)), i, count);
            loopsOf<V>(bundles[i]).sum(state, tiles, bundles[i], d, endOf(d));
        }
    }
}

template <class V>
void attendFixed(const AttentionTask& task)
{
    const int64_t stride = attentionPartial(task.headDim);
    const FixedState<V> state(task, nullptr, stride);
    float* merged = state.partials + AttentionTask::maxVectors * stride;
    for (int v = 0; v < task.vectors; ++v)
        Partial(merged + v * stride, task.headDim).clear(task.headDim);
    for (int span = task.firstSpan(); span < task.endSpan(); ++span) {
        runFixedSpan<V>(task, state, span);
        for (int v = 0; v < task.vectors; ++v)
            mergeSpan<V>(merged + v * stride, state.partial(v), task.headDim);
    }
    for (int v = 0; v < task.vectors; ++v)
        finishAttention<V>(task.outs[v], merged + v * stride, task.headDim);
}

template <class V>
void attendAny(Type cacheType, const AttentionTask& task)
{
    if (cacheType == Type::F32)
        attendExact<V>(task);
    else
        attendFixed<V>(task);
}

template <class V>
void attendSpanAny(Type cacheType, const AttentionTask& task, int span, float* partials, int64_t stride)
{
    if (cacheType == Type::F32)
        attendExactSpan<V>(task, span, partials, stride);
    else
        runFixedSpan<V>(task, FixedState<V>(task, partials, stride), span);
}

} // namespace
} // namespace cortex::kernels
