// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/memoryplan.h"
#include "neuron/engine/schedule/worker.h"

namespace cortex::engine {

/// A model on its device: runs the scheduler's steps. Lives on the engine's thread.
class ModelRunner : public StepRunner {
public:
    /// Loads the weights and takes all memory that steps need. `progress` may throw to stop. `quant`: as
    /// WeightLoader has it, for the load and the layout alike. Throws Error.
    ModelRunner(std::shared_ptr<const Checkpoint> checkpoint, std::unique_ptr<kernels::Device> device,
                std::unique_ptr<ModelGraph> graph, const MemoryLayout& layout,
                const std::function<void(size_t fileBytes)>& progress, std::optional<kernels::Type> quant);

    int vocabularySize() const override { return m_graph->shape().vocabularySize; }
    std::span<float> run(const kernels::BatchPlan& plan) override;

    /// As Engine::logits, with a cache of its own that lasts for the call.
    void logits(const std::vector<int32_t>& tokens,
                const std::function<void(std::span<const float> rows, int firstRow)>& receive);

private:
    std::span<float> forward(const kernels::BatchPlan& plan, const SequenceMemory& memory);

    std::shared_ptr<const Checkpoint> m_checkpoint;
    MemoryLayout m_layout;
    // Destroyed in reverse order: what the device holds goes before the device.
    std::unique_ptr<kernels::Device> m_device;
    std::unique_ptr<ModelGraph> m_graph;
    std::unique_ptr<kernels::Buffer> m_activations;
    std::unique_ptr<kernels::KvPool> m_cache;
    std::unique_ptr<kernels::StatePool> m_state; ///< null where the model has no recurrent layers
    std::unique_ptr<kernels::Batch> m_batch;
    std::vector<float> m_logits; ///< [outputs, vocabulary]; empty where the host reads the device's own
};

} // namespace cortex::engine
