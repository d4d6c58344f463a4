// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/models/activationlayout.h"
#include "neuron/engine/models/destination.h"
#include "neuron/engine/models/modelgraph.h"

#include <algorithm>

namespace cortex::engine {

struct DeltaConfig {
    int hiddenSize = 0;
    float normEpsilon = 0;
    kernels::StateLayout dimensions; ///< heads and widths; layers and slots do not matter here
    kernels::KeyHeadOrder keyHeadOrder = kernels::KeyHeadOrder::Grouped;
    Transform decayTransform = Transform::None; ///< of the stored decay rate, so that it becomes −exp(A_log)
};

/// The Gated DeltaNet layers of a decoder, numbered among themselves as they are in the state pool. With x the input:
///
///     mixed = x·Wqkvᵀ;  z = x·Wzᵀ;  b = x·Wbᵀ;  a = x·Waᵀ
///     result = gatedDelta(mixed, z, b, a; state)·Woutᵀ         (see Device::gatedDelta)
class DeltaLayers {
public:
    explicit DeltaLayers(const DeltaConfig& config)
        : m_config(config)
    {
    }

    void startLoading() { m_layers.clear(); }
    /// Layer `layer` of the file as the next one of these. Projections stand apart, or packed per key head.
    void load(WeightLoader& loader, int layer);
    void place(ActivationLayout& layout, const StepLimits& limits);

    void forward(kernels::Device& device, int index, const kernels::LinearInput& input, const Destination& destination,
                 const kernels::Batch& batch, kernels::StatePool& state) const;

    int64_t widestInput() const { return std::max(m_config.hiddenSize, m_config.dimensions.valueChannels()); }

private:
    struct Layer {
        kernels::WeightPtr mixed; ///< [channels, hidden]: queries, keys, values
        kernels::WeightPtr gate; ///< [valueChannels, hidden]
        kernels::WeightPtr beta, decay; ///< [valueHeads, hidden]
        kernels::WeightPtr convolution; ///< [channels · kernelWidth]
        kernels::WeightPtr decayRate, decayBias; ///< [valueHeads]
        kernels::WeightPtr norm; ///< [valueDim]
        kernels::WeightPtr output; ///< [hidden, valueChannels]
    };

    void loadProjections(WeightLoader& loader, int number, Layer& layer) const;
    void loadBetaDecay(WeightLoader& loader, int number, Layer& layer) const;

    DeltaConfig m_config;
    std::vector<Layer> m_layers;

    kernels::Tensor m_mixed; ///< [rows, channels]
    kernels::Tensor m_gate, m_out; ///< [rows, valueChannels]
    kernels::Tensor m_beta, m_decay; ///< [rows, valueHeads]
};

} // namespace cortex::engine
