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
    const auto hide = [&](float as) {
        for (int i = position + 1; i < end; ++i)
            scores[i] = as;
        for (int i = begin; i < oldest && i < end; ++i)
            scores[i] = as;
    };
    hide(-__builtin_inff());

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
    hide(0); // next to nothing would be something beside values that are large enough
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
        state.units[v] = bundle.isFar() ? roundFar<V>(state, scores, tiles.begin, bundle.end, v)
                                        : roundNear<V>(state, scores, tiles.begin * KvTile::positions, end, v);
    }
}

template <class V, Reading reading, int vectors>
constexpr BundleLoops<V> bundleLoops()
{
    if constexpr (reading == Reading::Upper)
        return {scoreFar<V, vectors>, sumFar<V, vectors>};
    else
        return {scoreNear<V, vectors, reading == Reading::Joined>, sumNear<V, vectors, reading == Reading::Joined>};
}

/// There are loops for up to eight vectors, and for a whole bundle.
template <class V, Reading reading>
const BundleLoops<V>& loopsFor(int vectors)
{
    constexpr int most = FixedState<V>::bundle;
    constexpr auto upTo = [](int count) { return count < most ? count : most; };
    static constexpr BundleLoops<V> loops[] = {
        bundleLoops<V, reading, 1>(),       bundleLoops<V, reading, 2>(),       bundleLoops<V, reading, 3>(),
        bundleLoops<V, reading, 4>(),       bundleLoops<V, reading, upTo(5)>(), bundleLoops<V, reading, upTo(6)>(),
        bundleLoops<V, reading, upTo(7)>(), bundleLoops<V, reading, upTo(8)>(), bundleLoops<V, reading, most>()};
    return loops[vectors <= 8 ? vectors - 1 : 8];
}

template <class V>
const BundleLoops<V>& loopsOf(const Bundle& bundle)
{
    switch (bundle.reading) {
    case Reading::Planes:
        return loopsFor<V, Reading::Planes>(bundle.count);
    case Reading::Joined:
        return loopsFor<V, Reading::Joined>(bundle.count);
    case Reading::Upper:
        break;
    }
    return loopsFor<V, Reading::Upper>(bundle.count);
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
            const bool far = own - span >= AttentionTask::nearSpans;
            bundles[count++] = {first, vectors, seenTiles < tiles.end ? seenTiles : tiles.end,
                                far ? Reading::Upper : Reading::Planes};
        }
        first += vectors;
    }
    for (int i = 0; count > 1 && i < count; ++i)
        if (!bundles[i].isFar())
            bundles[i].reading = Reading::Joined;
    return count;
}

/// The partial results of one span. All bundles pass by a piece of it, a tile's keys or some columns of its values,
/// before the next: it is in the first-level cache then.
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
        nearEnd = !bundles[i].isFar() && bundles[i].end > nearEnd ? bundles[i].end : nearEnd;

    for (int t = tiles.begin; t < tiles.end; ++t) {
        if (count > 1 && t < nearEnd)
            joinKeys<V>(tiles.tiles[t], tiles.next(t), columns, state.joined);
        for (int i = 0; i < count; ++i) {
            const Bundle& bundle = bundles[i];
            if (t < bundle.end)
                loopsOf<V>(bundle).score(state, tiles, t, bundle.first,
                                         state.scores + bundle.first * length + t * KvTile::positions);
        }
    }
    for (int i = 0; i < count; ++i)
        weighBundle<V>(task, state, tiles, bundles[i], span * length);
    const int64_t piece = count > 1 ? FixedState<V>::valuePiece : columns;
    for (int64_t d = 0; d < columns; d += piece) {
        const int64_t end = d + piece < columns ? d + piece : columns;
        if (count > 1 && nearEnd > 0)
            joinValues<V>(tiles, nearEnd, columns, d, end, state.joined);
        for (int i = 0; i < count; ++i)
            loopsOf<V>(bundles[i]).sum(state, tiles, bundles[i], d, end);
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
