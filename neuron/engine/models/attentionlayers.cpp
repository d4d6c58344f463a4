// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/models/attentionlayers.h"

#include "neuron/engine/models/tensornames.h"

#include <array>

namespace cortex::engine {

using kernels::LinearOutput;
using kernels::Tensor;

AttentionLayers::AttentionLayers(AttentionConfig config)
    : m_config(std::move(config))
{
}

void AttentionLayers::loadShared(WeightLoader& loader)
{
    m_layers.clear();
    m_frequencies.clear();
    for (const AttentionReach& reach : m_config.reaches)
        m_frequencies.push_back(loader.computed(ropeFrequencies(reach.rope)));
}

void AttentionLayers::load(WeightLoader& loader, int number, int reach)
{
    const int64_t hidden = m_config.hiddenSize;
    const int64_t queries = int64_t(m_config.heads) * m_config.headDim;
    const int64_t keys = int64_t(m_config.kvHeads) * m_config.headDim;
    Layer layer;
    layer.reach = reach;
    loadQueries(loader, number, layer);
    layer.key = loader.matrix(names::Key, number, keys, hidden);
    layer.keyBias = loader.optionalVector(names::KeyBias, number, {keys});
    layer.value = loader.matrix(names::Value, number, keys, hidden);
    layer.valueBias = loader.optionalVector(names::ValueBias, number, {keys});
    if (m_config.headNorms) {
        layer.queryNorm = loader.vector(names::QueryNorm, number, {m_config.headDim}, m_config.normTransform);
        layer.keyNorm = loader.vector(names::KeyNorm, number, {m_config.headDim}, m_config.normTransform);
    }
    layer.output = loader.matrix(names::AttentionOutput, number, hidden, queries);
    layer.outputBias = loader.optionalVector(names::AttentionOutputBias, number, {hidden});
    m_layers.push_back(std::move(layer));
}

/// With an output gate the projection's rows are [query | gate] for each head.
void AttentionLayers::loadQueries(WeightLoader& loader, int number, Layer& layer) const
{
    const int64_t hidden = m_config.hiddenSize, heads = m_config.heads, headDim = m_config.headDim;
    if (!m_config.outputGate) {
        layer.query = loader.matrix(names::Query, number, heads * headDim, hidden);
        layer.queryBias = loader.optionalVector(names::QueryBias, number, {heads * headDim});
        return;
    }
    const auto half = [&](int64_t first) {
        return loader.matrixRows(names::Query, number, {2 * heads * headDim, hidden},
                                 {{first, headDim, heads, 2 * headDim}});
    };
    layer.query = half(0);
    layer.gate = half(headDim);
}

void AttentionLayers::place(ActivationLayout& layout, const StepLimits& limits)
{
    m_query = layout.place({limits.rows, m_config.heads, m_config.headDim});
    m_key = layout.place({limits.rows, m_config.kvHeads, m_config.headDim});
    m_value = layout.place({limits.rows, m_config.kvHeads, m_config.headDim});
    m_attended = layout.place({limits.rows, m_config.heads, m_config.headDim});
    if (m_config.outputGate)
        m_gate = layout.place({limits.rows, m_config.heads * m_config.headDim});
}

void AttentionLayers::forward(kernels::Device& device, int index, const kernels::LinearInput& input,
                              const Destination& destination, const kernels::Batch& batch, kernels::KvPool& cache) const
{
    const Layer& layer = m_layers[size_t(index)];
    const AttentionReach& reach = m_config.reaches[size_t(layer.reach)];
    const int rows = batch.rows();
    const Tensor query = m_query.first(rows);
    const Tensor attended = m_attended.first(rows);

    project(device, layer, input, rows);
    kernels::HeadPreparation preparation;
    preparation.queryNorm = layer.queryNorm.get();
    preparation.keyNorm = layer.keyNorm.get();
    preparation.epsilon = m_config.normEpsilon;
    preparation.rope = {m_frequencies[size_t(layer.reach)].get(), m_config.ropePairing, ropeMagnitude(reach.rope)};
    device.prepareHeads(query, m_key.first(rows), m_value.first(rows), preparation, cache, index, batch);

    device.attention(attended, query, cache, index, {m_config.scale, reach.window}, batch);
    if (layer.gate)
        device.gateSigmoid(flattened(attended), m_gate.first(rows));
    const LinearOutput output{layer.output.get(), destination.out, layer.outputBias.get(), destination.accumulate};
    device.linear({flattened(attended)}, {&output, 1});
}

void AttentionLayers::project(kernels::Device& device, const Layer& layer, const kernels::LinearInput& input,
                              int rows) const
{
    std::array<LinearOutput, 4> outputs{{
        {layer.query.get(), flattened(m_query.first(rows)), layer.queryBias.get(), false},
        {layer.key.get(), flattened(m_key.first(rows)), layer.keyBias.get(), false},
        {layer.value.get(), flattened(m_value.first(rows)), layer.valueBias.get(), false},
        {},
    }};
    if (layer.gate)
        outputs[3] = {layer.gate.get(), m_gate.first(rows), nullptr, false};
    device.linear(input, std::span(outputs).first(layer.gate ? 4 : 3));
}

} // namespace cortex::engine
