// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/models/deltalayers.h"

#include "neuron/engine/models/tensornames.h"

namespace cortex::engine {

using kernels::LinearOutput;
using kernels::StateLayout;
using kernels::Tensor;

void DeltaLayers::load(WeightLoader& loader, int number)
{
    const StateLayout& d = m_config.dimensions;
    Layer layer;
    loadProjections(loader, number, layer);
    loadBetaDecay(loader, number, layer);
    layer.convolution = loader.vector(names::DeltaConvolution, number, {d.channels(), d.kernelWidth});
    layer.decayRate = loader.vector(names::DeltaDecayRate, number, {d.valueHeads}, m_config.decayTransform);
    layer.decayBias = loader.vector(names::DeltaDecayBias, number, {d.valueHeads});
    layer.norm = loader.vector(names::DeltaNorm, number, {d.valueDim});
    layer.output = loader.matrix(names::DeltaOutput, number, m_config.hiddenSize, d.valueChannels());
    m_layers.push_back(std::move(layer));
}

void DeltaLayers::loadProjections(WeightLoader& loader, int number, Layer& layer) const
{
    const StateLayout& d = m_config.dimensions;
    const int64_t hidden = m_config.hiddenSize;
    if (!loader.has(names::DeltaMixedGate, number)) {
        layer.mixed = loader.matrix(names::DeltaMixed, number, d.channels(), hidden);
        layer.gate = loader.matrix(names::DeltaGate, number, d.valueChannels(), hidden);
        return;
    }
    // Packed, for each key head: query, key, the values of its value heads, their gates.
    const int64_t keys = d.keyDim, values = d.valueChannels() / d.keyHeads, group = 2 * (keys + values);
    const auto runs = [&](int64_t first, int64_t length) { return RowRuns{first, length, d.keyHeads, group}; };
    const auto rows = [&](std::initializer_list<RowRuns> list) {
        return loader.matrixRows(names::DeltaMixedGate, number, {d.keyHeads * group, hidden}, list);
    };
    layer.mixed = rows({runs(0, keys), runs(keys, keys), runs(2 * keys, values)});
    layer.gate = rows({runs(2 * keys + values, values)});
}

void DeltaLayers::loadBetaDecay(WeightLoader& loader, int number, Layer& layer) const
{
    const StateLayout& d = m_config.dimensions;
    const int64_t hidden = m_config.hiddenSize;
    if (!loader.has(names::DeltaBetaDecay, number)) {
        layer.beta = loader.matrix(names::DeltaBeta, number, d.valueHeads, hidden);
        layer.decay = loader.matrix(names::DeltaDecay, number, d.valueHeads, hidden);
        return;
    }
    // Packed, for each key head: b of its value heads, then a of them.
    const int64_t ratio = d.valueHeads / d.keyHeads;
    const auto rows = [&](int64_t first) {
        return loader.matrixRows(names::DeltaBetaDecay, number, {2 * d.valueHeads, hidden},
                                 {{first, ratio, d.keyHeads, 2 * ratio}});
    };
    layer.beta = rows(0);
    layer.decay = rows(ratio);
}

void DeltaLayers::place(ActivationLayout& layout, const StepLimits& limits)
{
    const StateLayout& d = m_config.dimensions;
    m_mixed = layout.place({limits.rows, d.channels()});
    m_gate = layout.place({limits.rows, d.valueChannels()});
    m_beta = layout.place({limits.rows, d.valueHeads});
    m_decay = layout.place({limits.rows, d.valueHeads});
    m_out = layout.place({limits.rows, d.valueChannels()});
}

void DeltaLayers::forward(kernels::Device& device, int index, const kernels::LinearInput& input,
                          const Destination& destination, const kernels::Batch& batch, kernels::StatePool& state) const
{
    const Layer& layer = m_layers[size_t(index)];
    const int rows = batch.rows();
    const kernels::GatedDeltaInput mixer{m_mixed.first(rows), m_gate.first(rows), m_beta.first(rows),
                                         m_decay.first(rows)};
    const LinearOutput projections[] = {
        {layer.mixed.get(), mixer.mixed, nullptr, false},
        {layer.gate.get(), mixer.gate, nullptr, false},
        {layer.beta.get(), mixer.beta, nullptr, false},
        {layer.decay.get(), mixer.decay, nullptr, false},
    };
    device.linear(input, projections);

    const kernels::GatedDeltaWeights weights{layer.convolution.get(), layer.decayRate.get(), layer.decayBias.get(),
                                             layer.norm.get(),        m_config.normEpsilon,  m_config.keyHeadOrder};
    const Tensor out = m_out.first(rows);
    device.gatedDelta(out, mixer, weights, state, index, batch);
    const LinearOutput output{layer.output.get(), destination.out, nullptr, destination.accumulate};
    device.linear({out}, {&output, 1});
}

} // namespace cortex::engine
