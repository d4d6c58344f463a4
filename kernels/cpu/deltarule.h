// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/cpu/path.h"
#include "kernels/cpu/products.h"
#include "kernels/cpu/rowwise.h"

// The loops of a Gated DeltaNet mixer, for any vector type V. Included by the path*.cpp files only; see products.h.

namespace cortex::kernels {
namespace {

template <class V>
typename V::F silu(typename V::F x)
{
    return V::div(x, V::add(V::set(1), exponential<V>(V::sub(V::set(0), x))));
}

template <class V>
void convolveRows(const Convolution& task)
{
    using F = typename V::F;
    for (int row = 0; row < task.rows; ++row) {
        const float* const* inputs = task.inputs + row;
        if (row + rowsAhead < task.rows)
            for (int64_t i = 0; i < task.channels; i += 16)
                __builtin_prefetch(inputs[task.width - 1 + rowsAhead] + i, 0, 2);
        float* out = task.out + row * task.outStride;
        int64_t channel = 0;
        for (; channel + V::lanes <= task.channels; channel += V::lanes) {
            F sum = V::set(0);
            for (int tap = 0; tap < task.width; ++tap)
                sum = V::fma(V::load(inputs[tap] + channel), V::load(task.taps + tap * task.tapStride + channel), sum);
            V::store(out + channel, silu<V>(sum));
        }
        if (channel == task.channels)
            continue;
        float rest[V::lanes] = {};
        for (int64_t i = channel; i < task.channels; ++i)
            for (int tap = 0; tap < task.width; ++tap)
                rest[i - channel] += inputs[tap][i] * task.taps[tap * task.tapStride + i];
        V::store(rest, silu<V>(V::load(rest)));
        for (int64_t i = channel; i < task.channels; ++i)
            out[i] = rest[i - channel];
    }
}

template <class V>
float dotProduct(const float* x, const float* y, int64_t count)
{
    typename V::F even = V::set(0), odd = V::set(0);
    int64_t i = 0;
    for (; i + 2 * V::lanes <= count; i += 2 * V::lanes) {
        even = V::fma(V::load(x + i), V::load(y + i), even);
        odd = V::fma(V::load(x + i + V::lanes), V::load(y + i + V::lanes), odd);
    }
    float sum = V::sum(V::add(even, odd));
    for (; i < count; ++i)
        sum += x[i] * y[i];
    return sum;
}

/// `vectors` neighbouring vectors of a state's columns, walked through all tokens. Each pass over the columns takes in
/// the update of one token and the two products (with key and query) that the next one asks for.
template <class V, int vectors>
class DeltaColumns {
public:
    using F = typename V::F;

    DeltaColumns(const DeltaTask& task, float* state, int64_t stride, int64_t column)
        : m_task(task)
        , m_state(state)
        , m_stride(stride)
        , m_column(column)
    {
    }

    void run()
    {
        pass<false, true>(0);
        for (int token = 0; token < m_task.tokens; ++token) {
            settle(token);
            if (token + 1 < m_task.tokens)
                pass<true, true>(token + 1);
            else
                pass<true, false>(token + 1);
        }
    }

private:
    static constexpr int vectorsPerLine = 16 / V::lanes;

    /// Brings the state up to date with the token before (`update`), then multiplies it for this one (`multiply`).
    template <bool update, bool multiply>
    void pass(int token)
    {
        if (multiply && m_task.steps[token].rescale != 1)
            passRescaled<update, multiply, true>(token);
        else
            passRescaled<update, multiply, false>(token);
    }

    template <bool update, bool multiply, bool rescale>
    void passRescaled(int token)
    {
        const float* written = m_task.keys + (token - 1) * m_task.keyStride;
        const float* key = m_task.keys + token * m_task.keyStride;
        const float* query = m_task.queries + token * m_task.keyStride;
        const F factor = V::set(rescale ? m_task.steps[token].rescale : 1);
        F keySums[vectors], querySums[vectors], delta[vectors];
        CORTEX_UNROLL
        for (int v = 0; v < vectors; ++v) {
            keySums[v] = querySums[v] = V::set(0);
            delta[v] = m_delta[v];
        }
        float* state = m_state;
        [[maybe_unused]] const float* next = state + (m_task.keyDim + (update ? m_task.keyDim / 2 : 0)) * m_stride;
        for (int i = 0; i < m_task.keyDim; ++i, state += m_stride) {
            // The next block is asked for in halves, by the first pass and by the last: by one, memory would rest
            // through the other.
            if constexpr (!update || !multiply)
                if (i % 2 == 0)
                    for (int v = 0; v < vectors; v += vectorsPerLine)
                        __builtin_prefetch(next + i / 2 * m_stride + v * V::lanes, 1, 2);
            CORTEX_UNROLL
            for (int v = 0; v < vectors; ++v) {
                F s = V::load(state + v * V::lanes);
                if constexpr (update)
                    s = V::fma(V::set(written[i]), delta[v], s);
                if constexpr (rescale)
                    s = V::mul(s, factor);
                if constexpr (update || rescale)
                    V::store(state + v * V::lanes, s);
                if constexpr (multiply) {
                    keySums[v] = V::fma(V::set(key[i]), s, keySums[v]);
                    querySums[v] = V::fma(V::set(query[i]), s, querySums[v]);
                }
            }
        }
        CORTEX_UNROLL
        for (int v = 0; v < vectors; ++v) {
            m_keySums[v] = keySums[v];
            m_querySums[v] = querySums[v];
        }
    }

    /// d = β (v − e^g Sᵀk), o = e^g Sᵀq + d (k·q).
    void settle(int token)
    {
        const DeltaStep& step = m_task.steps[token];
        const float* values = m_task.values + token * m_task.valueStride + m_column;
        float* outs = m_task.outs + token * m_task.valueStride + m_column;
        const F scale = V::set(step.scale);
        CORTEX_UNROLL
        for (int v = 0; v < vectors; ++v) {
            const F recalled = V::mul(scale, m_keySums[v]);
            const F d = V::mul(V::set(step.beta), V::sub(V::load(values + v * V::lanes), recalled));
            V::store(outs + v * V::lanes, V::fma(d, V::set(step.keyQuery), V::mul(scale, m_querySums[v])));
            m_delta[v] = V::mul(d, V::set(step.inverse));
        }
    }

    const DeltaTask& m_task;
    float* m_state;
    int64_t m_stride;
    int64_t m_column;
    F m_keySums[vectors], m_querySums[vectors], m_delta[vectors] = {};
};

template <class V>
void runDelta(const DeltaTask& task)
{
    constexpr int vectors = V::lanes == 4 ? 4 : 32 / V::lanes;
    constexpr int halfVectors = 16 / V::lanes;
    const int64_t columns = paddedHead(task.valueDim);
    for (int64_t block = 0; block < columns; block += DeltaTask::blockColumns) {
        float* state = task.state + block * task.keyDim;
        const int64_t left = columns - block;
        const int64_t stride = left < DeltaTask::blockColumns ? left : int64_t(DeltaTask::blockColumns);
        int64_t column = 0;
        for (; column + vectors * V::lanes <= stride; column += vectors * V::lanes)
            DeltaColumns<V, vectors>(task, state + column, stride, block + column).run();
        for (; column < stride; column += halfVectors * V::lanes)
            DeltaColumns<V, halfVectors>(task, state + column, stride, block + column).run();
    }
}

} // namespace
} // namespace cortex::kernels
