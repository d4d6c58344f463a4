// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/cpu/cpubatch.h"
#include "kernels/cpu/cpukvpool.h"
#include "kernels/cpu/cpuweight.h"
#include "kernels/cpu/memory.h"
#include "kernels/cpu/path.h"
#include "kernels/cpu/threadpool.h"
#include "kernels/device.h"

#include <array>
#include <vector>

namespace cortex::kernels {

/// The CPU side. Operations run at once, on the caller and the pool's workers, and have finished on return.
/// cpudevice.cpp: memory and loading; linear.cpp: products; heads.cpp: heads and attention; gateddelta.cpp: recurrent
/// layers; experts.cpp: mixtures of experts; rows.cpp: the rest.
class CpuDevice final : public Device {
public:
    CpuDevice(int threads, const CpuPath& path);

    const DeviceInfo& info() const override { return m_info; }
    size_t freeBytes() const override { return freeHostBytes(); }

    std::unique_ptr<Buffer> allocate(size_t bytes) override;
    size_t weightBytes(Type type, int64_t rows, int64_t columns, WeightUse use) const override;
    WeightPtr loadWeight(const WeightSource& source, WeightUse use) override;
    size_t kvPoolBytes(const KvLayout& layout) const override;
    std::unique_ptr<KvPool> createKvPool(const KvLayout& layout) override;
    size_t statePoolBytes(const StateLayout& layout) const override;
    std::unique_ptr<StatePool> createStatePool(const StateLayout& layout) override;
    std::unique_ptr<Batch> createBatch(const BatchLimits& limits) override;
    size_t workspaceBytes(const WorkspaceLimits& limits) const override;
    void reserveWorkspace(const WorkspaceLimits& limits) override;
    void upload(const Tensor& destination, const void* source) override;
    void download(void* destination, const Tensor& source) override;
    void* hostData(const Tensor& tensor) override;
    void synchronize() override { }

    void embed(const Tensor& out, const Weight& table, const Batch& batch, float scale) override;
    void linear(const LinearInput& input, std::span<const LinearOutput> outputs) override;
    void gatedLinear(const LinearInput& input, const Weight& gate, const Weight& up, Activation activation,
                     const Tensor& out) override;
    void rmsNorm(const Tensor& out, const Tensor& x, const Weight& weight, float epsilon) override;
    void gateSigmoid(const Tensor& x, const Tensor& gate) override;
    void add(const Tensor& x, const Tensor& y) override;
    void prepareHeads(const Tensor& q, const Tensor& k, const Tensor& v, const HeadPreparation& preparation,
                      KvPool& pool, int layer, const Batch& batch) override;
    void attention(const Tensor& out, const Tensor& q, const KvPool& pool, int layer, const AttentionOptions& options,
                   const Batch& batch) override;
    void gatedDelta(const Tensor& out, const GatedDeltaInput& input, const GatedDeltaWeights& weights, StatePool& pool,
                    int layer, const Batch& batch) override;
    void copyState(StatePool& pool, int fromSlot, int toSlot) override;
    void routeExperts(const ExpertChoice& choice, const Tensor& logits, bool renormalise) override;
    void expertFeedForward(const LinearInput& input, const ExpertWeights& weights, const ExpertChoice& choice,
                           Activation activation, const Tensor& inner, const Tensor& out) override;
    void gatherOutputs(const Tensor& out, const Tensor& x, const Batch& batch) override;

private:
    /// The formats that the weights of an operation read its input in.
    class Formats {
    public:
        void add(ActivationFormat format) { m_bits |= 1u << unsigned(format); }
        bool has(ActivationFormat format) const { return (m_bits >> unsigned(format) & 1) != 0; }
        int64_t rowBytes(int64_t columns) const; ///< of the largest: a product reads one

    private:
        unsigned m_bits = 0;
    };
    /// Rows that are multiplied together; see rowGroup.
    struct Group {
        int64_t first;
        int rows;
    };
    /// A layer input as the products read it, by format, in those that are not null; see ActivationFormat for the
    /// arrangement.
    struct Activations {
        std::array<std::byte*, std::size(activationFormats)> units{};
        int64_t columns = 0;

        Activations only(Formats formats, int64_t withColumns) const;
        /// The first unit of the row at `place` in the group that begins with `firstRow`.
        std::byte* at(ActivationFormat format, int64_t firstRow, int64_t place = 0) const;
        /// Copies a row that is in its place to another.
        void copy(Group from, int64_t row, Group to, int64_t copy) const;
    };
    /// One worker's scratch memory for heads of a recurrent layer, for DeltaTask::maxTokens rows.
    struct DeltaScratch {
        float* queries = nullptr; ///< [rows, paddedHead(keyDim)]
        float* keys = nullptr; ///< likewise
        float* values = nullptr; ///< [rows, paddedHead(valueDim)]
        float* outs = nullptr; ///< likewise
        DeltaStep* steps = nullptr;
        const float* zeros = nullptr; ///< an input from before the sequence began
    };
    /// The (row, j) pairs of a mixture layer, sorted by expert; shared by all workers.
    struct ExpertScratch {
        std::byte* units = nullptr; ///< activations of the sorted pairs, in groups of their own for each expert
        int32_t* pairs = nullptr; ///< row · k + j of each sorted pair
        int32_t* places = nullptr; ///< the sorted pair of each row · k + j
        int32_t* begins = nullptr; ///< first sorted pair of each expert, and one past the last
    };
    /// A task of attention whose spans are shared between workers.
    struct SpanTask {
        AttentionTask task;
        int firstUnit; ///< spans of the tasks before it
        float* partials; ///< [vectors][spans]: what is merged lies side by side

        int spans() const { return task.endSpan() - task.firstSpan(); }
    };
    /// One worker's part of the workspace.
    struct Scratch {
        float* row = nullptr;
        Activations single; ///< of an operation on one row, which every worker prepares for itself
        float* attention = nullptr;
        float* shares = nullptr; ///< softmax over the experts
        DeltaScratch delta;
        uint64_t preparedFor = 0; ///< the m_operation that `single` belongs to
    };

    Group groupOf(int64_t row, int64_t begin, int64_t end) const;
    void arrangeRow(const float* x, const Activations& out, Group group, int64_t row) const;
    Activations prepareRows(const LinearInput& input, Formats formats);
    void prepareRow(const LinearInput& input, int64_t row, const Activations& out, float* scratch) const;
    Activations prepareSingle(const LinearInput& input, Formats formats, int worker);
    template <class Consume>
    void forTiles(const LinearInput& input, Formats formats, int64_t tiles, int64_t tileBytes, const Consume& consume);
    void multiplyTiles(const CpuWeight& weight, int64_t tile, int64_t tiles, Group group,
                       const Activations& activations, float* sums) const;
    void askForOutput(const Tensor& out, int64_t tile, int64_t tiles, Group group) const;
    void storeTiles(const LinearOutput& output, const float* sums, int64_t tile, int64_t tiles, Group group) const;
    static int64_t attentionPartials(const WorkspaceLimits& limits);
    template <class MakeTask>
    bool attendInSpans(Type type, int tasks, const MakeTask& makeTask);

    struct DeltaHeads;
    Group groupAt(int expert, int place) const;
    Activations expertActivations(Formats formats, int64_t columns, int64_t pairs) const;
    void sortByExpert(const ExpertChoice& choice, int experts);
    void arrangeInput(const LinearInput& input, const ExpertChoice& choice, const Activations& out);
    template <class Consume>
    void forExpertTiles(int experts, int64_t tiles, size_t tileBytes, int64_t rowBytes, const Consume& consume);
    size_t arrangeWorkspace(const WorkspaceLimits& limits, std::byte* memory, Activations& activations,
                            ExpertScratch& experts, float*& partials, float*& taps,
                            std::vector<Scratch>& workers) const;

    const CpuPath& m_path;
    Formats m_formats; ///< of all types
    ThreadPool m_pool;
    DeviceInfo m_info;
    HostArena m_arena; ///< of the weights
    HostMemory m_workspace;
    WorkspaceLimits m_limits;
    Activations m_activations;
    ExpertScratch m_experts;
    float* m_attentionPartials = nullptr; ///< attentionPartials() of them
    float* m_taps = nullptr; ///< [kernelWidth, channels] of the recurrent layer at hand
    std::vector<SpanTask> m_spanTasks; ///< room for as many as are too few to keep all workers busy
    std::vector<Scratch> m_scratch; ///< per worker
    uint64_t m_operation = 0;
};

/// The first element of a float32 tensor of this device.
inline float* floats(const Tensor& tensor)
{
    return reinterpret_cast<float*>(static_cast<const CpuBuffer*>(tensor.buffer)->data() + tensor.offset);
}

/// Elements between rows of a matrix; a single row has none to step over.
inline int64_t rowStride(const Tensor& tensor)
{
    return tensor.rank < 2 ? tensor.columns() : tensor.strides[size_t(tensor.rank - 2)];
}

inline const CpuWeight& cpu(const Weight& weight)
{
    return static_cast<const CpuWeight&>(weight);
}

inline const CpuBatch& cpu(const Batch& batch)
{
    return static_cast<const CpuBatch&>(batch);
}

} // namespace cortex::kernels
