// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/cpu/path.h"
#include "kernels/cpu/products.h"
#include "kernels/cpu/rowwise.h"

// Attention of a few query vectors over one KV head of a float32 cache, for any vector type V, and the merging of
// partial results, which all caches share. Included by the path*.cpp files only; see products.h.

namespace cortex::kernels {
namespace {

/// A partial result as attentionPartial describes it.
struct Partial {
    float* sums;
    float& largest;
    float& weight; ///< Σ exp(score − largest)

    Partial(float* memory, int64_t headDim)
        : sums(memory)
        , largest(memory[paddedHead(headDim)])
        , weight(memory[paddedHead(headDim) + 1])
    {
    }

    void clear(int64_t headDim)
    {
        largest = -__builtin_inff();
        weight = 0;
        for (int64_t d = 0; d < paddedHead(headDim); ++d)
            sums[d] = 0;
    }
};

template <class V>
float exponentialOf(float x)
{
    float lanes[V::lanes];
    V::store(lanes, exponential<V>(V::set(x)));
    return lanes[0];
}

template <class V>
void mergeSpan(float* merged, const float* partial, int64_t headDim)
{
    using F = typename V::F;
    Partial to(merged, headDim);
    const Partial from(const_cast<float*>(partial), headDim);
    if (from.weight == 0) // all of the span is hidden
        return;
    const float largest = to.largest > from.largest ? to.largest : from.largest;
    const float oldShare = exponentialOf<V>(to.largest - largest), newShare = exponentialOf<V>(from.largest - largest);
    const F old = V::set(oldShare), fresh = V::set(newShare);
    for (int64_t d = 0; d < paddedHead(headDim); d += V::lanes)
        V::store(to.sums + d, V::fma(V::load(from.sums + d), fresh, V::mul(V::load(to.sums + d), old)));
    to.weight = from.weight * newShare + to.weight * oldShare;
    to.largest = largest;
}

template <class V>
void finishAttention(float* out, const float* merged, int64_t headDim)
{
    const Partial partial(const_cast<float*>(merged), headDim);
    const float inverse = 1.0f / partial.weight;
    for (int64_t d = 0; d < headDim; ++d)
        out[d] = partial.sums[d] * inverse;
}

/// The queries of a task, scaled, [headDim][vectors of a bundle], and the partial results of the span at hand.
template <class V>
struct AttentionState {
    static constexpr int bundle = 8; ///< vectors that share the loads of keys and values

    float* queries;
    float* scores; ///< [vector of a bundle][chunk]
    float* partials;
    int64_t partialStride;
    int64_t queryStride;

    AttentionState(const AttentionTask& task, float* spanPartials, int64_t stride)
        : queries(task.scratch)
        , scores(queries + AttentionTask::maxVectors * paddedHead(task.headDim))
        , partials(spanPartials)
        , partialStride(stride)
        , queryStride(paddedHead(task.headDim))
    {
        for (int first = 0; first < task.vectors; first += bundle) {
            const int count = task.vectors - first < bundle ? task.vectors - first : bundle;
            for (int v = 0; v < count; ++v)
                for (int d = 0; d < task.headDim; ++d)
                    queries[first * queryStride + d * count + v] = task.queries[first + v][d] * task.scale;
        }
    }

    /// Behind queries and scores, for the tasks that keep their partial results to themselves.
    static float* ownPartials(const AttentionTask& task)
    {
        return task.scratch + AttentionTask::maxVectors * (paddedHead(task.headDim) + AttentionTask::chunk);
    }

    float* partial(int vector) const { return partials + vector * partialStride; }
};

inline const float* blockFloats(const AttentionTask& task, int position)
{
    return reinterpret_cast<const float*>(task.cache
                                          + size_t(task.blockTable[position / task.blockTokens]) * task.blockStride);
}

/// scores of `vectors` queries against `groups` vectors of neighbouring positions. Every score is a sum of its own, so
/// the groups only decide how many run side by side.
template <class V, int vectors, int groups>
void scorePositions(const AttentionTask& task, const float* q, const float* key, int count, float* scores)
{
    typename V::F total[groups][vectors];
    CORTEX_UNROLL
    for (int g = 0; g < groups; ++g) {
        CORTEX_UNROLL
        for (int v = 0; v < vectors; ++v)
            total[g][v] = V::set(0);
    }
    for (int d = 0; d < task.headDim; ++d, q += vectors, key += task.keyStride) {
        CORTEX_UNROLL
        for (int g = 0; g < groups; ++g) {
            const typename V::F k = V::load(key + g * V::lanes);
            CORTEX_UNROLL
            for (int v = 0; v < vectors; ++v)
                total[g][v] = V::fma(k, V::set(q[v]), total[g][v]);
        }
    }
    CORTEX_UNROLL
    for (int g = 0; g < groups; ++g) {
        CORTEX_UNROLL
        for (int v = 0; v < vectors; ++v) {
            float* out = scores + v * AttentionTask::chunk + g * V::lanes;
            if (count >= (g + 1) * V::lanes) {
                V::store(out, total[g][v]);
            } else {
                float row[V::lanes];
                V::store(row, total[g][v]);
                for (int i = 0; i < count - g * V::lanes; ++i)
                    out[i] = row[i];
            }
        }
    }
}

/// Vectors of positions that are scored side by side: enough sums in flight when there are few queries.
constexpr int positionGroups(int vectors)
{
    return vectors <= 4 ? 2 : 1;
}

/// scores of `vectors` queries against the positions of one chunk.
template <class V, int vectors>
void scoreChunk(const AttentionTask& task, const float* queries, int begin, int end, float* scores)
{
    constexpr int groups = positionGroups(vectors);
    for (int position = begin; position < end;) {
        const int inBlock = position % task.blockTokens;
        const int blockEnd = position - inBlock + task.blockTokens;
        const int runEnd = blockEnd < end ? blockEnd : end;
        const float* keys = blockFloats(task, position) + inBlock;
        while (position < runEnd) {
            const int count = runEnd - position;
            float* out = scores + (position - begin);
            const int taken = count > V::lanes ? groups * V::lanes : V::lanes;
            if (taken > V::lanes)
                scorePositions<V, vectors, groups>(task, queries, keys, count, out);
            else
                scorePositions<V, vectors, 1>(task, queries, keys, count, out);
            position += taken < count ? taken : count;
            keys += taken;
        }
    }
}

/// Turns a chunk's scores into weights, hiding what the vector may not see, and rescales what was summed before.
template <class V>
void weighChunk(const AttentionTask& task, Partial partial, int vector, int begin, float* scores)
{
    using F = typename V::F;
    constexpr int chunk = AttentionTask::chunk;
    const int position = task.positions[vector];
    const int oldest = task.window > 0 ? position - task.window + 1 : 0;
    if (begin + chunk > position + 1 || begin < oldest)
        for (int i = 0; i < chunk; ++i)
            if (begin + i > position || begin + i < oldest)
                scores[i] = -__builtin_inff();

    F top = V::load(scores);
    for (int i = V::lanes; i < chunk; i += V::lanes)
        top = V::max(top, V::load(scores + i));
    const float chunkTop = V::largest(top);
    if (chunkTop == -__builtin_inff()) {
        for (int i = 0; i < chunk; ++i)
            scores[i] = 0;
        return;
    }
    const float previous = partial.largest;
    const float largest = previous > chunkTop ? previous : chunkTop;
    F weights = V::set(0);
    for (int i = 0; i < chunk; i += V::lanes) {
        const F weight = exponential<V>(V::sub(V::load(scores + i), V::set(largest)));
        V::store(scores + i, weight);
        weights = V::add(weights, weight);
    }
    float fading = 1;
    if (largest != previous) {
        fading = exponentialOf<V>(previous - largest);
        for (int64_t d = 0; d < paddedHead(task.headDim); d += V::lanes)
            V::store(partial.sums + d, V::mul(V::load(partial.sums + d), V::set(fading)));
    }
    partial.largest = largest;
    partial.weight = partial.weight * fading + V::sum(weights);
}

/// sums [d … d + width · lanes − 1] += weights · values of one chunk, up to `end`.
template <class V, int vectors, int width>
void addColumns(const AttentionTask& task, int begin, int end, const float* weights, float* sums, int64_t stride,
                int64_t d)
{
    constexpr int chunk = AttentionTask::chunk;
    typename V::F total[vectors][width];
    CORTEX_UNROLL
    for (int v = 0; v < vectors; ++v) {
        CORTEX_UNROLL
        for (int w = 0; w < width; ++w)
            total[v][w] = V::load(sums + v * stride + d + w * V::lanes);
    }
    for (int position = begin; position < end;) {
        const int inBlock = position % task.blockTokens;
        const int blockEnd = position - inBlock + task.blockTokens;
        const int runEnd = blockEnd < end ? blockEnd : end;
        const float* values = blockFloats(task, position) + task.valueOffset + int64_t(inBlock) * task.valueStride + d;
        for (; position < runEnd; ++position, values += task.valueStride) {
            CORTEX_UNROLL
            for (int w = 0; w < width; ++w) {
                const typename V::F value = V::load(values + w * V::lanes);
                CORTEX_UNROLL
                for (int v = 0; v < vectors; ++v)
                    total[v][w] = V::fma(value, V::set(weights[v * chunk + position - begin]), total[v][w]);
            }
        }
    }
    CORTEX_UNROLL
    for (int v = 0; v < vectors; ++v) {
        CORTEX_UNROLL
        for (int w = 0; w < width; ++w)
            V::store(sums + v * stride + d + w * V::lanes, total[v][w]);
    }
}

/// sums += weights · values of one chunk, up to `end`. With few queries several vectors of dimensions go side by side:
/// sums in flight, and whole cache lines.
template <class V, int vectors>
void addValues(const AttentionTask& task, int begin, int end, const float* weights, float* sums, int64_t stride)
{
    constexpr int width = vectors <= 2 ? 4 : vectors <= 4 ? 2 : 1;
    const int64_t columns = paddedHead(task.headDim);
    int64_t d = 0;
    for (; d + width * V::lanes <= columns; d += width * V::lanes)
        addColumns<V, vectors, width>(task, begin, end, weights, sums, stride, d);
    for (; d < columns; d += V::lanes)
        addColumns<V, vectors, 1>(task, begin, end, weights, sums, stride, d);
}

template <class V, int vectors>
void attendBundle(const AttentionTask& task, const AttentionState<V>& state, int first, int begin, int end)
{
    float* scores = state.scores;
    scoreChunk<V, vectors>(task, state.queries + first * state.queryStride, begin, end, scores);
    for (int v = 0; v < vectors; ++v)
        weighChunk<V>(task, {state.partial(first + v), task.headDim}, first + v, begin,
                      scores + v * AttentionTask::chunk);
    addValues<V, vectors>(task, begin, end, scores, state.partial(first), state.partialStride);
}

/// The partial results of one span.
template <class V>
void runSpan(const AttentionTask& task, const AttentionState<V>& state, int span)
{
    using Bundle = void (*)(const AttentionTask&, const AttentionState<V>&, int, int, int);
    static constexpr Bundle bundles[] = {attendBundle<V, 1>, attendBundle<V, 2>, attendBundle<V, 3>,
                                         attendBundle<V, 4>, attendBundle<V, 5>, attendBundle<V, 6>,
                                         attendBundle<V, 7>, attendBundle<V, 8>};
    constexpr int chunk = AttentionTask::chunk;
    constexpr int bundle = AttentionState<V>::bundle;
    for (int v = 0; v < task.vectors; ++v)
        Partial(state.partial(v), task.headDim).clear(task.headDim);
    const int oldest = task.window > 0 ? task.positions[0] - task.window + 1 : 0;
    const int last = task.positions[task.vectors - 1];
    const int spanEnd = (span + 1) * AttentionTask::span < last + 1 ? (span + 1) * AttentionTask::span : last + 1;
    for (int begin = span * AttentionTask::span; begin < spanEnd; begin += chunk) {
        if (begin + chunk <= oldest)
            continue;
        for (int first = 0; first < task.vectors; first += bundle) {
            const int count = task.vectors - first < bundle ? task.vectors - first : bundle;
            const int seen = task.positions[first + count - 1] + 1;
            if (seen > begin)
                bundles[count - 1](task, state, first, begin, seen < begin + chunk ? seen : begin + chunk);
        }
    }
}

template <class V>
void attendExact(const AttentionTask& task)
{
    const int64_t stride = attentionPartial(task.headDim);
    float* spanPartials = AttentionState<V>::ownPartials(task);
    float* merged = spanPartials + AttentionTask::maxVectors * stride;
    const AttentionState<V> state(task, spanPartials, stride);
    for (int v = 0; v < task.vectors; ++v)
        Partial(merged + v * stride, task.headDim).clear(task.headDim);
    for (int span = task.firstSpan(); span < task.endSpan(); ++span) {
        runSpan<V>(task, state, span);
        for (int v = 0; v < task.vectors; ++v)
            mergeSpan<V>(merged + v * stride, state.partial(v), task.headDim);
    }
    for (int v = 0; v < task.vectors; ++v)
        finishAttention<V>(task.outs[v], merged + v * stride, task.headDim);
}

template <class V>
void mergeSpans(float* out, const float* partials, int spans, int64_t stride, int64_t headDim, float* scratch)
{
    Partial(scratch, headDim).clear(headDim);
    for (int span = 0; span < spans; ++span)
        mergeSpan<V>(scratch, partials + span * stride, headDim);
    finishAttention<V>(out, scratch, headDim);
}

template <class V>
void attendExactSpan(const AttentionTask& task, int span, float* partials, int64_t stride)
{
    runSpan<V>(task, AttentionState<V>(task, partials, stride), span);
}

} // namespace
} // namespace cortex::kernels
