// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/models/activationlayout.h"
#include "neuron/engine/models/decoderconfig.h"
#include "neuron/engine/models/destination.h"
#include "neuron/engine/models/modelgraph.h"

namespace cortex::engine {

/// The attention layers of a decoder, numbered among themselves as they are in the cache. With x the input:
///
///     q, k, v = x·(Wq, Wk, Wv)ᵀ (+ biases);  q, k normalised per head (where the family does), then rotated
///     k, v into the cache;  a = attention(q, K, V)
///     result = (a ⊙ σ(x·Wgateᵀ))·Woᵀ (+ bias), the gate where the family has one
class AttentionLayers {
public:
    explicit AttentionLayers(AttentionConfig config);

    /// Starts anew: what the layers share. Then one load after the other.
    void loadShared(WeightLoader& loader);
    /// Layer `layer` of the file as the next one of these; `reach` is one of AttentionConfig::reaches.
    void load(WeightLoader& loader, int layer, int reach = 0);
    void place(ActivationLayout& layout, const StepLimits& limits);

    void forward(kernels::Device& device, int index, const kernels::LinearInput& input, const Destination& destination,
                 const kernels::Batch& batch, kernels::KvPool& cache) const;

private:
    struct Layer {
        int reach = 0;
        kernels::WeightPtr query, queryBias; ///< [heads · headDim, hidden]; biases are null where there are none
        kernels::WeightPtr gate; ///< [heads · headDim, hidden]; null without output gate
        kernels::WeightPtr key, keyBias; ///< [kvHeads · headDim, hidden]
        kernels::WeightPtr value, valueBias; ///< [kvHeads · headDim, hidden]
        kernels::WeightPtr queryNorm, keyNorm; ///< [headDim]; null without head norms
        kernels::WeightPtr output, outputBias; ///< [hidden, heads · headDim]
    };

    void loadQueries(WeightLoader& loader, int number, Layer& layer) const;
    void project(kernels::Device& device, const Layer& layer, const kernels::LinearInput& input, int rows) const;

    AttentionConfig m_config;
    std::vector<kernels::WeightPtr> m_frequencies; ///< one for each reach, [rotated dimensions / 2]
    std::vector<Layer> m_layers;

    kernels::Tensor m_query, m_attended; ///< [rows, heads, headDim]
    kernels::Tensor m_gate; ///< [rows, heads · headDim]
    kernels::Tensor m_key, m_value; ///< [rows, kvHeads, headDim]
};

} // namespace cortex::engine
