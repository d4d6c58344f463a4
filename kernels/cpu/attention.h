// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/cpu/path.h"
#include "kernels/cpu/products.h"
#include "kernels/cpu/rowwise.h"

// Attention of a few query vectors over one KV head, for any vector type V. Included by the path*.cpp files only; see
// products.h.

namespace cortex::kernels {
namespace {

/// The scratch memory of a task, taken apart. Queries lie [headDim][vectors of a bundle], sums [vector][padded
/// headDim], scores [vector][chunk].
template <class V>
struct AttentionState {
    static constexpr int bundle = 8; ///< vectors that share the loads of keys and values

    float* queries;
    float* sums;
    float* scores;
    float largest[AttentionTask::maxVectors];
    float weight[AttentionTask::maxVectors]; ///< Σ exp(score − largest)
    int64_t stride;

    explicit AttentionState(const AttentionTask& task)
        : stride(paddedHead(task.headDim))
    {
        queries = task.scratch;
        sums = queries + AttentionTask::maxVectors * stride;
        scores = sums + AttentionTask::maxVectors * stride;
        for (int v = 0; v < task.vectors; ++v) {
            largest[v] = -__builtin_inff();
            weight[v] = 0;
        }
        for (int64_t i = 0; i < task.vectors * stride; ++i)
            sums[i] = 0;
        for (int first = 0; first < task.vectors; first += bundle) {
            const int count = task.vectors - first < bundle ? task.vectors - first : bundle;
            for (int v = 0; v < count; ++v)
                for (int d = 0; d < task.headDim; ++d)
                    queries[first * stride + d * count + v] = task.queries[first + v][d] * task.scale;
        }
    }
};

/// scores of `vectors` queries against the positions of one chunk.
template <class V, Type type, int vectors>
void scoreChunk(const AttentionTask& task, const float* queries, int begin, int end, float* scores)
{
    constexpr int element = type == Type::F32 ? 4 : 2;
    for (int position = begin; position < end;) {
        const int inBlock = position % task.blockTokens;
        const int blockEnd = position - inBlock + task.blockTokens;
        const int runEnd = blockEnd < end ? blockEnd : end;
        const std::byte* keys = task.cache + size_t(task.blockTable[position / task.blockTokens]) * task.blockStride;
        for (int p = position; p < runEnd; p += V::lanes) {
            typename V::F total[vectors];
            CORTEX_UNROLL
            for (int v = 0; v < vectors; ++v)
                total[v] = V::set(0);
            const std::byte* key = keys + size_t(inBlock + p - position) * element;
            const float* q = queries;
            for (int d = 0; d < task.headDim; ++d, q += vectors, key += size_t(task.keyStride) * element) {
                const typename V::F k = loadDense<V, type>(key);
                CORTEX_UNROLL
                for (int v = 0; v < vectors; ++v)
                    total[v] = V::fma(k, V::set(q[v]), total[v]);
            }
            float row[V::lanes];
            const int count = runEnd - p < V::lanes ? runEnd - p : V::lanes;
            for (int v = 0; v < vectors; ++v) {
                float* out = scores + v * AttentionTask::chunk + (p - begin);
                if (count == V::lanes) {
                    V::store(out, total[v]);
                } else {
                    V::store(row, total[v]);
                    for (int i = 0; i < count; ++i)
                        out[i] = row[i];
                }
            }
        }
        position = runEnd;
    }
}

/// Turns a chunk's scores into weights, hiding what the vector may not see, and rescales what was summed before.
template <class V, Type type>
void weighChunk(const AttentionTask& task, AttentionState<V>& state, int vector, int begin, float* scores)
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
    const float previous = state.largest[vector];
    const float largest = previous > chunkTop ? previous : chunkTop;
    F weights = V::set(0);
    for (int i = 0; i < chunk; i += V::lanes) {
        const F weight = exponential<V>(V::sub(V::load(scores + i), V::set(largest)));
        V::store(scores + i, weight);
        weights = V::add(weights, weight);
    }
    float fading = 1;
    if (largest != previous) {
        float lanes[V::lanes];
        V::store(lanes, exponential<V>(V::set(previous - largest)));
        fading = lanes[0];
        float* sums = state.sums + vector * state.stride;
        for (int64_t d = 0; d < state.stride; d += V::lanes)
            V::store(sums + d, V::mul(V::load(sums + d), V::set(fading)));
    }
    state.largest[vector] = largest;
    state.weight[vector] = state.weight[vector] * fading + V::sum(weights);
}

/// sums += weights · values of one chunk, up to `end`.
template <class V, Type type, int vectors>
void addValues(const AttentionTask& task, int begin, int end, const float* weights, float* sums, int64_t stride)
{
    constexpr int element = type == Type::F32 ? 4 : 2;
    constexpr int chunk = AttentionTask::chunk;
    for (int64_t d = 0; d < stride; d += V::lanes) {
        typename V::F total[vectors];
        CORTEX_UNROLL
        for (int v = 0; v < vectors; ++v)
            total[v] = V::load(sums + v * stride + d);
        for (int position = begin; position < end;) {
            const int inBlock = position % task.blockTokens;
            const int blockEnd = position - inBlock + task.blockTokens;
            const int runEnd = blockEnd < end ? blockEnd : end;
            const std::byte* values = task.cache + task.valueOffset
                + size_t(task.blockTable[position / task.blockTokens]) * task.blockStride
                + (size_t(inBlock) * size_t(task.valueStride) + size_t(d)) * element;
            for (; position < runEnd; ++position, values += size_t(task.valueStride) * element) {
                const typename V::F value = loadDense<V, type>(values);
                CORTEX_UNROLL
                for (int v = 0; v < vectors; ++v)
                    total[v] = V::fma(value, V::set(weights[v * chunk + position - begin]), total[v]);
            }
        }
        CORTEX_UNROLL
        for (int v = 0; v < vectors; ++v)
            V::store(sums + v * stride + d, total[v]);
    }
}

template <class V, Type type, int vectors>
void attendBundle(const AttentionTask& task, AttentionState<V>& state, int first, int begin, int end)
{
    float* scores = state.scores;
    scoreChunk<V, type, vectors>(task, state.queries + first * state.stride, begin, end, scores);
    for (int v = 0; v < vectors; ++v)
        weighChunk<V, type>(task, state, first + v, begin, scores + v * AttentionTask::chunk);
    addValues<V, type, vectors>(task, begin, end, scores, state.sums + first * state.stride, state.stride);
}

template <class V, Type type>
void attendType(const AttentionTask& task)
{
    using Bundle = void (*)(const AttentionTask&, AttentionState<V>&, int, int, int);
    static constexpr Bundle bundles[] = {attendBundle<V, type, 1>, attendBundle<V, type, 2>, attendBundle<V, type, 3>,
                                         attendBundle<V, type, 4>, attendBundle<V, type, 5>, attendBundle<V, type, 6>,
                                         attendBundle<V, type, 7>, attendBundle<V, type, 8>};
    constexpr int chunk = AttentionTask::chunk;
    constexpr int bundle = AttentionState<V>::bundle;
    AttentionState<V> state(task);
    const int last = task.positions[task.vectors - 1];
    const int oldest = task.window > 0 ? task.positions[0] - task.window + 1 : 0;
    for (int begin = oldest > 0 ? oldest / chunk * chunk : 0; begin <= last; begin += chunk) {
        for (int first = 0; first < task.vectors; first += bundle) {
            const int count = task.vectors - first < bundle ? task.vectors - first : bundle;
            const int seen = task.positions[first + count - 1] + 1;
            if (seen > begin)
                bundles[count - 1](task, state, first, begin, seen < begin + chunk ? seen : begin + chunk);
        }
    }
    for (int v = 0; v < task.vectors; ++v) {
        const float inverse = 1.0f / state.weight[v];
        const float* sums = state.sums + v * state.stride;
        for (int d = 0; d < task.headDim; ++d)
            task.outs[v][d] = sums[d] * inverse;
    }
}

template <class V>
void attendAny(Type cacheType, const AttentionTask& task)
{
    if (cacheType == Type::F16)
        attendType<V, Type::F16>(task);
    else if (cacheType == Type::BF16)
        attendType<V, Type::BF16>(task);
    else
        attendType<V, Type::F32>(task);
}

} // namespace
} // namespace cortex::kernels
