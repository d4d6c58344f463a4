// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/models/feedforwardlayers.h"

#include <algorithm>

namespace cortex::engine {

FeedForwardLayers::FeedForwardLayers(FeedForwardConfig config)
    : m_config(std::move(config))
{
    int dense = 0, mixtures = 0;
    for (bool mixture : m_config.mixtureLayers)
        m_index.push_back(mixture ? mixtures++ : dense++);
    if (dense > 0)
        m_mlp.emplace(m_config.mlp.value());
    if (mixtures > 0)
        m_mixture.emplace(m_config.mixture.value());
}

void FeedForwardLayers::startLoading()
{
    if (m_mlp)
        m_mlp->startLoading();
    if (m_mixture)
        m_mixture->startLoading();
}

void FeedForwardLayers::load(WeightLoader& loader, int layer)
{
    if (m_config.mixtureLayers[size_t(layer)])
        m_mixture->load(loader, layer);
    else
        m_mlp->load(loader, layer);
}

void FeedForwardLayers::place(ActivationLayout& layout, const StepLimits& limits)
{
    const size_t position = layout.position();
    if (m_mlp)
        m_mlp->place(layout, limits);
    layout.goBack(position);
    if (m_mixture)
        m_mixture->place(layout, limits);
}

void FeedForwardLayers::forward(kernels::Device& device, int layer, const kernels::LinearInput& input,
                                const kernels::Tensor& out) const
{
    const int index = m_index[size_t(layer)];
    if (m_config.mixtureLayers[size_t(layer)])
        m_mixture->forward(device, index, input, out);
    else
        m_mlp->forward(device, index, input, {out});
}

void FeedForwardLayers::describe(ModelShape& shape) const
{
    if (m_mlp)
        shape.widestInput = std::max(shape.widestInput, m_mlp->widestInput());
    if (m_mixture) {
        shape.widestInput = std::max(shape.widestInput, m_mixture->widestInput());
        shape.experts = m_config.mixture->experts;
        shape.expertsPerRow = m_config.mixture->expertsPerRow;
    }
}

} // namespace cortex::engine
