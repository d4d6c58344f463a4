// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/models/mlplayers.h"

#include "neuron/engine/models/tensornames.h"

namespace cortex::engine {

void MlpLayers::load(WeightLoader& loader, int number)
{
    Layer layer;
    layer.gate = loader.matrix(names::Gate, number, m_config.innerSize, m_config.hiddenSize);
    layer.up = loader.matrix(names::Up, number, m_config.innerSize, m_config.hiddenSize);
    layer.down = loader.matrix(names::Down, number, m_config.hiddenSize, m_config.innerSize);
    m_layers.push_back(std::move(layer));
}

void MlpLayers::place(ActivationLayout& layout, const StepLimits& limits)
{
    m_inner = layout.place({limits.rows, m_config.innerSize});
}

void MlpLayers::forward(kernels::Device& device, int index, const kernels::LinearInput& input,
                        const Destination& destination) const
{
    const Layer& layer = m_layers[size_t(index)];
    const kernels::Tensor inner = m_inner.first(input.x.rows());
    device.gatedLinear(input, *layer.gate, *layer.up, m_config.activation, inner);
    const kernels::LinearOutput output{layer.down.get(), destination.out, nullptr, destination.accumulate};
    device.linear({inner}, {&output, 1});
}

} // namespace cortex::engine
