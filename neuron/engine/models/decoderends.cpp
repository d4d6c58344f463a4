// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/models/decoderends.h"

#include "neuron/engine/models/tensornames.h"

namespace cortex::engine {

using kernels::Tensor;
using kernels::WeightUse;

DecoderEnds::DecoderEnds(const DecoderConfig& config, float scale)
    : m_hiddenSize(config.hiddenSize)
    , m_vocabularySize(config.vocabularySize)
    , m_scale(scale)
    , m_normEpsilon(config.normEpsilon)
    , m_normTransform(config.normTransform)
    , m_tied(config.tiedEmbeddings)
{
}

void DecoderEnds::load(WeightLoader& loader)
{
    m_embedding = loader.matrix(names::TokenEmbedding, {}, m_vocabularySize, m_hiddenSize,
                                m_tied ? WeightUse::Both : WeightUse::Embedding);
    m_norm = loader.vector(names::OutputNorm, {}, {m_hiddenSize}, m_normTransform);
    if (!m_tied)
        m_output = loader.matrix(names::Output, {}, m_vocabularySize, m_hiddenSize);
}

void DecoderEnds::placeHidden(ActivationLayout& layout, const StepLimits& limits)
{
    m_hidden = layout.place({limits.rows, m_hiddenSize});
}

void DecoderEnds::placeLogits(ActivationLayout& layout, const StepLimits& limits)
{
    m_last = layout.place({limits.outputs, m_hiddenSize});
    m_logits = layout.place({limits.outputs, m_vocabularySize});
}

Tensor DecoderEnds::embed(kernels::Device& device, const kernels::Batch& batch) const
{
    const Tensor hidden = m_hidden.first(batch.rows());
    device.embed(hidden, *m_embedding, batch, m_scale);
    return hidden;
}

Tensor DecoderEnds::logits(kernels::Device& device, const Tensor& hidden, const kernels::Batch& batch) const
{
    if (batch.outputs() == 0)
        return {};
    const Tensor last = m_last.first(batch.outputs());
    const Tensor logits = m_logits.first(batch.outputs());
    device.gatherOutputs(last, hidden, batch);
    const kernels::LinearOutput output{m_output ? m_output.get() : m_embedding.get(), logits, nullptr, false};
    device.linear({last, m_norm.get(), m_normEpsilon}, {&output, 1});
    return logits;
}

} // namespace cortex::engine
