// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/cpu/cpudevice.h"

#include <algorithm>
#include <cassert>

namespace cortex::kernels {

namespace {

/// A view of [rows, heads, headDim].
struct Heads {
    float* data;
    int64_t rowStride;
    int64_t headStride;

    explicit Heads(const Tensor& tensor)
        : data(floats(tensor))
        , rowStride(tensor.strides[0])
        , headStride(tensor.strides[1])
    {
        assert(tensor.rank == 3);
    }
    float* head(int64_t row, int64_t head) const { return data + row * rowStride + head * headStride; }
};

/// Work that makes a chunk worth handing to another thread, in elements.
constexpr int64_t chunkElements = 4096;

} // namespace

void CpuDevice::prepareHeads(const Tensor& q, const Tensor& k, const Tensor& v, const HeadPreparation& preparation,
                             KvPool& pool, int layer, const Batch& batch)
{
    const CpuBatch& rows = cpu(batch);
    const CpuKvPool& cache = static_cast<const CpuKvPool&>(pool);
    const KvLayout& layout = cache.layout();
    const int64_t headDim = layout.headDim;
    const int64_t pairs = preparation.rope.frequencies ? preparation.rope.frequencies->columns() : 0;
    assert(q.shape[0] == rows.rows() && k.shape[0] == rows.rows() && v.shape[0] == rows.rows());
    assert(q.shape[2] == headDim && k.shape[2] == headDim && v.shape[2] == headDim);
    assert(k.shape[1] == layout.heads && v.shape[1] == layout.heads && 2 * pairs <= headDim);
    const float* rotations =
        pairs ? rows.rotations(cpu(*preparation.rope.frequencies), preparation.rope.magnitude, m_pool) : nullptr;
    const Heads queries(q), keys(k), values(v);

    const auto prepare = [&](float* head, const Weight* norm, int row) {
        if (norm)
            m_path.normalize(head, head, cpu(*norm).floats(), headDim, preparation.epsilon);
        if (pairs) {
            const float* cosines = rotations + row * 2 * pairs;
            m_path.rotate(head, cosines, cosines + pairs, pairs, preparation.rope.pairing);
        }
    };
    const auto store = [&](int row, int head, float* scratch) {
        const float* key = keys.head(row, head);
        const float* value = values.head(row, head);
        const int position = rows.position(row);
        const int block = rows.blockTable(rows.slot(row))[position / layout.blockTokens];
        const int inBlock = position % layout.blockTokens;
        std::byte* piece = cache.piece(layer, block, head);
        if (!cache.isExact()) {
            std::byte* tile = piece + size_t(inBlock / KvTile::positions) * KvTile::bytes(headDim);
            m_path.keep(tile, inBlock % KvTile::positions, key, value, headDim, scratch);
            return;
        }
        auto* floats = reinterpret_cast<float*>(piece);
        for (int64_t d = 0; d < headDim; ++d)
            floats[d * cache.keyStride() + inBlock] = key[d];
        std::copy_n(value, headDim, floats + cache.valueOffset() + inBlock * cache.valueStride());
    };
    const int64_t grain = std::max<int64_t>(1, chunkElements / (headDim * (q.shape[1] + 2 * layout.heads)));
    m_pool.forEach(rows.rows(), grain, [&](int row, int worker) {
        for (int head = 0; head < q.shape[1]; ++head)
            prepare(queries.head(row, head), preparation.queryNorm, row);
        for (int head = 0; head < layout.heads; ++head) {
            prepare(keys.head(row, head), preparation.keyNorm, row);
            store(row, head, m_scratch[size_t(worker)].attention);
        }
    });
}

void CpuDevice::attention(const Tensor& out, const Tensor& q, const KvPool& pool, int layer,
                          const AttentionOptions& options, const Batch& batch)
{
    const CpuBatch& rows = cpu(batch);
    const CpuKvPool& cache = static_cast<const CpuKvPool&>(pool);
    const KvLayout& layout = cache.layout();
    assert(q.shape[0] == rows.rows() && out.shape[0] == rows.rows() && q.shape[1] == out.shape[1]);
    assert(q.shape[2] == layout.headDim && out.shape[2] == layout.headDim && q.shape[1] % layout.heads == 0);
    assert(layout.headDim <= m_limits.headDim);
    const int group = int(q.shape[1]) / layout.heads;
    const Heads queries(q), outs(out);

    // A task is up to maxVectors of the rows × group query vectors of one sequence and KV head, in row order.
    const auto tasksOf = [&](const BatchSequence& sequence) {
        const int vectors = sequence.rows * group;
        return layout.heads * ((vectors + AttentionTask::maxVectors - 1) / AttentionTask::maxVectors);
    };
    const auto makeTask = [&](int index, int worker) {
        const BatchSequence* sequence = rows.sequences().data();
        for (; index >= tasksOf(*sequence); ++sequence)
            index -= tasksOf(*sequence);
        const int head = index % layout.heads;
        const int first = index / layout.heads * AttentionTask::maxVectors;

        AttentionTask task;
        task.cache = cache.piece(layer, 0, head);
        task.blockStride = cache.blockStride();
        task.valueOffset = cache.valueOffset();
        task.blockTable = rows.blockTable(sequence->slot);
        task.blockTokens = layout.blockTokens;
        task.keyStride = cache.keyStride();
        task.valueStride = cache.valueStride();
        task.headDim = layout.headDim;
        task.scale = options.scale;
        task.window = options.window;
        task.vectors = std::min(AttentionTask::maxVectors, sequence->rows * group - first);
        for (int i = 0; i < task.vectors; ++i) {
            const int row = (first + i) / group;
            const int queryHead = head * group + (first + i) % group;
            task.queries[i] = queries.head(sequence->firstRow + row, queryHead);
            task.outs[i] = outs.head(sequence->firstRow + row, queryHead);
            task.positions[i] = sequence->firstPosition + row;
        }
        task.scratch = m_scratch[size_t(worker)].attention;
        return task;
    };
    int tasks = 0;
    for (const BatchSequence& sequence : rows.sequences())
        tasks += tasksOf(sequence);
    if (tasks <= int(m_spanTasks.size()) && attendInSpans(layout.type, tasks, makeTask))
        return;
    m_pool.forEach(tasks, 1, [&](int index, int worker) { m_path.attend(layout.type, makeTask(index, worker)); });
}

/// Attention of few tasks over many positions: workers share the spans. False where that is not worth it, or where the
/// workspace was reserved for less.
template <class MakeTask>
bool CpuDevice::attendInSpans(Type type, int tasks, const MakeTask& makeTask)
{
    const int64_t stride = attentionPartial(m_limits.headDim);
    int units = 0;
    int64_t partials = 0;
    for (int i = 0; i < tasks; ++i) {
        SpanTask& shared = m_spanTasks[size_t(i)];
        shared = {makeTask(i, 0), units, m_attentionPartials + partials * stride};
        units += shared.spans();
        partials += int64_t(shared.spans()) * shared.task.vectors;
    }
    if (units == tasks || partials > attentionPartials(m_limits))
        return false;

    m_pool.forEach(units, 1, [&](int unit, int worker) {
        const auto later = [](int value, const SpanTask& shared) { return value < shared.firstUnit; };
        const SpanTask& shared = *(std::upper_bound(m_spanTasks.data(), m_spanTasks.data() + tasks, unit, later) - 1);
        AttentionTask task = shared.task;
        task.scratch = m_scratch[size_t(worker)].attention;
        const int span = unit - shared.firstUnit;
        m_path.attendSpan(type, task, task.firstSpan() + span, shared.partials + span * stride,
                          shared.spans() * stride);
    });
    for (int i = 0; i < tasks; ++i) {
        const SpanTask& shared = m_spanTasks[size_t(i)];
        for (int v = 0; v < shared.task.vectors; ++v)
            m_path.mergeSpans(shared.task.outs[v], shared.partials + v * shared.spans() * stride, shared.spans(),
                              stride, shared.task.headDim, shared.task.scratch);
    }
    return true;
}

} // namespace cortex::kernels
