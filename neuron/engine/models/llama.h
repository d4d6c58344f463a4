// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/models/llamaconfig.h"
#include "neuron/engine/models/modelgraph.h"

namespace cortex::engine {

/// The Llama decoder. With h the hidden state [rows, hidden], per layer:
///
///     q, k, v = rms(h)·(Wq, Wk, Wv)ᵀ;  q, k rotated;  k, v into the cache
///     h += attention(q, K, V)·Woᵀ
///     h += (silu(rms(h)·Wgateᵀ) ⊙ rms(h)·Wupᵀ)·Wdownᵀ
///
/// and logits = rms(h)·Woutputᵀ for the rows that want them.
class LlamaGraph : public ModelGraph {
public:
    explicit LlamaGraph(LlamaConfig config);

    const ModelShape& shape() const override { return m_shape; }
    void loadWeights(WeightLoader& loader) override;
    size_t activationBytes(const StepLimits& limits) const override;
    void allocate(kernels::Device& device, const StepLimits& limits) override;
    kernels::Tensor forward(kernels::Device& device, const kernels::Batch& batch, SequenceMemory memory) override;

private:
    struct Layer {
        kernels::WeightPtr attentionNorm; ///< [hidden]
        kernels::WeightPtr query, queryBias; ///< [heads · headDim, hidden]; biases are null where there are none
        kernels::WeightPtr key, keyBias; ///< [kvHeads · headDim, hidden]
        kernels::WeightPtr value, valueBias; ///< [kvHeads · headDim, hidden]
        kernels::WeightPtr attentionOutput, attentionOutputBias; ///< [hidden, heads · headDim]
        kernels::WeightPtr feedForwardNorm; ///< [hidden]
        kernels::WeightPtr gate, up; ///< [feedForward, hidden]
        kernels::WeightPtr down; ///< [hidden, feedForward]
    };

    /// Float32, for the largest step.
    struct Activations {
        kernels::Tensor hidden; ///< [rows, hidden]
        kernels::Tensor query; ///< [rows, heads, headDim]
        kernels::Tensor key, value; ///< [rows, kvHeads, headDim]
        kernels::Tensor attended; ///< [rows, heads, headDim]
        kernels::Tensor feedForward; ///< [rows, feedForward]
        kernels::Tensor last; ///< [outputs, hidden]
        kernels::Tensor logits; ///< [outputs, vocabulary]
    };

    Activations layOut(const StepLimits& limits, kernels::Buffer* buffer, size_t& bytes) const;
    void attend(kernels::Device& device, const Layer& layer, int index, const kernels::Batch& batch,
                kernels::KvPool& pool);
    void feedForward(kernels::Device& device, const Layer& layer, int rows);

    LlamaConfig m_config;
    ModelShape m_shape;

    kernels::WeightPtr m_embedding; ///< [vocabulary, hidden]
    kernels::WeightPtr m_frequencies; ///< [headDim / 2]
    std::vector<Layer> m_layers;
    kernels::WeightPtr m_outputNorm; ///< [hidden]
    kernels::WeightPtr m_output; ///< [vocabulary, hidden]; null where it is the embedding

    std::unique_ptr<kernels::Buffer> m_buffer;
    Activations m_activations;
};

} // namespace cortex::engine
