// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/models/activationlayout.h"
#include "neuron/engine/models/decoderconfig.h"
#include "neuron/engine/models/modelgraph.h"

namespace cortex::engine {

/// Both ends of a decoder: tokens to hidden states, and hidden states, normalised, to logits:
///
///     h = scale · E[tokens];  logits = rms(h)·Woutputᵀ, where Woutput may be E
class DecoderEnds {
public:
    DecoderEnds(const DecoderConfig& config, float scale = 1);

    void load(WeightLoader& loader);
    /// The hidden states, which stay.
    void placeHidden(ActivationLayout& layout, const StepLimits& limits);
    /// What is in use only after the last layer.
    void placeLogits(ActivationLayout& layout, const StepLimits& limits);

    /// The hidden states [batch.rows(), hidden] of the batch's tokens.
    kernels::Tensor embed(kernels::Device& device, const kernels::Batch& batch) const;
    /// Of the rows that want them; empty where none does. See ModelGraph::forward.
    kernels::Tensor logits(kernels::Device& device, const kernels::Tensor& hidden, const kernels::Batch& batch) const;

private:
    int64_t m_hiddenSize;
    int64_t m_vocabularySize;
    float m_scale;
    float m_normEpsilon;
    Transform m_normTransform;
    bool m_tied;

    kernels::WeightPtr m_embedding; ///< [vocabulary, hidden]
    kernels::WeightPtr m_norm; ///< [hidden]
    kernels::WeightPtr m_output; ///< [vocabulary, hidden]; null where it is the embedding

    kernels::Tensor m_hidden; ///< [rows, hidden]
    kernels::Tensor m_last; ///< [outputs, hidden]
    kernels::Tensor m_logits; ///< [outputs, vocabulary]
};

} // namespace cortex::engine
