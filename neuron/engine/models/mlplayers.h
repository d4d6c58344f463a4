// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/models/activationlayout.h"
#include "neuron/engine/models/destination.h"
#include "neuron/engine/models/modelgraph.h"

#include <algorithm>

namespace cortex::engine {

struct MlpConfig {
    int hiddenSize = 0;
    int innerSize = 0;
    kernels::Activation activation = kernels::Activation::Silu;
};

/// The dense feed-forward layers of a decoder, numbered among themselves. With x the input:
///
///     result = (activation(x·Wgateᵀ) ⊙ x·Wupᵀ)·Wdownᵀ
class MlpLayers {
public:
    explicit MlpLayers(const MlpConfig& config)
        : m_config(config)
    {
    }

    void startLoading() { m_layers.clear(); }
    /// Layer `layer` of the file as the next one of these.
    void load(WeightLoader& loader, int layer);
    void place(ActivationLayout& layout, const StepLimits& limits);

    void forward(kernels::Device& device, int index, const kernels::LinearInput& input,
                 const Destination& destination) const;

    int64_t widestInput() const { return std::max(m_config.hiddenSize, m_config.innerSize); }

private:
    struct Layer {
        kernels::WeightPtr gate, up; ///< [inner, hidden]
        kernels::WeightPtr down; ///< [hidden, inner]
    };

    MlpConfig m_config;
    std::vector<Layer> m_layers;
    kernels::Tensor m_inner; ///< [rows, inner]
};

} // namespace cortex::engine
