// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/models/llama.h"

#include "neuron/engine/models/activationlayout.h"
#include "neuron/engine/models/tensornames.h"

#include <algorithm>
#include <cmath>

namespace cortex::engine {

using kernels::Batch;
using kernels::Device;
using kernels::KvPool;
using kernels::LinearInput;
using kernels::LinearOutput;
using kernels::Tensor;
using kernels::WeightUse;

LlamaGraph::LlamaGraph(LlamaConfig config)
    : m_config(std::move(config))
{
    m_shape.layers = m_config.layers;
    m_shape.hiddenSize = m_config.hiddenSize;
    m_shape.vocabularySize = m_config.vocabularySize;
    m_shape.contextLimit = m_config.contextLimit;
    m_shape.attentionLayers = m_config.layers;
    m_shape.heads = m_config.heads;
    m_shape.kvHeads = m_config.kvHeads;
    m_shape.headDim = m_config.headDim;
    m_shape.widestInput = std::max({m_config.hiddenSize, m_config.feedForwardSize, m_config.heads * m_config.headDim});
}

void LlamaGraph::loadWeights(WeightLoader& loader)
{
    const int64_t hidden = m_config.hiddenSize;
    const int64_t queries = int64_t(m_config.heads) * m_config.headDim;
    const int64_t keys = int64_t(m_config.kvHeads) * m_config.headDim;
    const int64_t inner = m_config.feedForwardSize;

    m_frequencies = loader.computed(ropeFrequencies(m_config.rope));
    m_embedding = loader.matrix(names::TokenEmbedding, -1, m_config.vocabularySize, hidden,
                                m_config.tiedEmbeddings ? WeightUse::Both : WeightUse::Embedding);
    m_layers.clear();
    for (int i = 0; i < m_config.layers; ++i) {
        Layer layer;
        layer.attentionNorm = loader.vector(names::AttentionNorm, i, hidden);
        layer.query = loader.matrix(names::Query, i, queries, hidden, WeightUse::Product);
        layer.queryBias = loader.optionalVector(names::QueryBias, i, queries);
        layer.key = loader.matrix(names::Key, i, keys, hidden, WeightUse::Product);
        layer.keyBias = loader.optionalVector(names::KeyBias, i, keys);
        layer.value = loader.matrix(names::Value, i, keys, hidden, WeightUse::Product);
        layer.valueBias = loader.optionalVector(names::ValueBias, i, keys);
        layer.attentionOutput = loader.matrix(names::AttentionOutput, i, hidden, queries, WeightUse::Product);
        layer.attentionOutputBias = loader.optionalVector(names::AttentionOutputBias, i, hidden);
        layer.feedForwardNorm = loader.vector(names::FeedForwardNorm, i, hidden);
        layer.gate = loader.matrix(names::Gate, i, inner, hidden, WeightUse::Product);
        layer.up = loader.matrix(names::Up, i, inner, hidden, WeightUse::Product);
        layer.down = loader.matrix(names::Down, i, hidden, inner, WeightUse::Product);
        m_layers.push_back(std::move(layer));
    }
    m_outputNorm = loader.vector(names::OutputNorm, -1, hidden);
    if (!m_config.tiedEmbeddings)
        m_output = loader.matrix(names::Output, -1, m_config.vocabularySize, hidden, WeightUse::Product);
}

size_t LlamaGraph::activationBytes(const StepLimits& limits) const
{
    size_t bytes = 0;
    layOut(limits, nullptr, bytes);
    return bytes;
}

void LlamaGraph::allocate(Device& device, const StepLimits& limits)
{
    size_t bytes = 0;
    m_buffer = device.allocate(activationBytes(limits));
    m_activations = layOut(limits, m_buffer.get(), bytes);
}

LlamaGraph::Activations LlamaGraph::layOut(const StepLimits& limits, kernels::Buffer* buffer, size_t& bytes) const
{
    ActivationLayout layout(buffer);
    Activations a;
    a.hidden = layout.place({limits.rows, m_config.hiddenSize});
    a.query = layout.place({limits.rows, m_config.heads, m_config.headDim});
    a.key = layout.place({limits.rows, m_config.kvHeads, m_config.headDim});
    a.value = layout.place({limits.rows, m_config.kvHeads, m_config.headDim});
    a.attended = layout.place({limits.rows, m_config.heads, m_config.headDim});
    a.feedForward = layout.place({limits.rows, m_config.feedForwardSize});
    a.last = layout.place({limits.outputs, m_config.hiddenSize});
    a.logits = layout.place({limits.outputs, m_config.vocabularySize});
    bytes = layout.bytes();
    return a;
}

Tensor LlamaGraph::forward(Device& device, const Batch& batch, SequenceMemory memory)
{
    const Tensor hidden = m_activations.hidden.first(batch.rows());
    device.embed(hidden, *m_embedding, batch);
    for (int i = 0; i < m_config.layers; ++i) {
        attend(device, m_layers[size_t(i)], i, batch, memory.cache);
        feedForward(device, m_layers[size_t(i)], batch.rows());
    }
    if (batch.outputs() == 0)
        return {};

    const Tensor last = m_activations.last.first(batch.outputs());
    const Tensor logits = m_activations.logits.first(batch.outputs());
    device.gatherOutputs(last, hidden, batch);
    const LinearOutput output{m_output ? m_output.get() : m_embedding.get(), logits, nullptr, false};
    device.linear({last, m_outputNorm.get(), m_config.normEpsilon}, {&output, 1});
    return logits;
}

void LlamaGraph::attend(Device& device, const Layer& layer, int index, const Batch& batch, KvPool& pool)
{
    const Tensor hidden = m_activations.hidden.first(batch.rows());
    const Tensor query = m_activations.query.first(batch.rows());
    const Tensor key = m_activations.key.first(batch.rows());
    const Tensor value = m_activations.value.first(batch.rows());
    const Tensor attended = m_activations.attended.first(batch.rows());

    const LinearOutput projections[] = {
        {layer.query.get(), flattened(query), layer.queryBias.get(), false},
        {layer.key.get(), flattened(key), layer.keyBias.get(), false},
        {layer.value.get(), flattened(value), layer.valueBias.get(), false},
    };
    device.linear({hidden, layer.attentionNorm.get(), m_config.normEpsilon}, projections);

    kernels::HeadPreparation preparation;
    preparation.rope = {m_frequencies.get(), m_config.ropePairing, ropeMagnitude(m_config.rope)};
    device.prepareHeads(query, key, value, preparation, pool, index, batch);

    const kernels::AttentionOptions options{1 / std::sqrt(float(m_config.headDim)), m_config.slidingWindow};
    device.attention(attended, query, pool, index, options, batch);

    const LinearOutput residual{layer.attentionOutput.get(), hidden, layer.attentionOutputBias.get(), true};
    device.linear({flattened(attended)}, {&residual, 1});
}

void LlamaGraph::feedForward(Device& device, const Layer& layer, int rows)
{
    const Tensor hidden = m_activations.hidden.first(rows);
    const Tensor inner = m_activations.feedForward.first(rows);
    device.gatedLinear({hidden, layer.feedForwardNorm.get(), m_config.normEpsilon}, *layer.gate, *layer.up,
                       kernels::Activation::Silu, inner);
    const LinearOutput residual{layer.down.get(), hidden, nullptr, true};
    device.linear({inner}, {&residual, 1});
}

} // namespace cortex::engine
