// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/models/activationlayout.h"
#include "neuron/engine/models/modelgraph.h"

#include <algorithm>

namespace cortex::engine {

struct MixtureConfig {
    int hiddenSize = 0;
    int experts = 0;
    int expertsPerRow = 0;
    int expertSize = 0; ///< inner width of one expert
    int sharedSize = 0; ///< inner width of the expert that every row goes to; 0: there is none
    bool renormalise = true; ///< shares of a row add up to one
};

/// The mixture-of-experts layers of a decoder, numbered among themselves. With x the input, normalised:
///
///     p = softmax(x·Wrouterᵀ); the expertsPerRow greatest, divided by their sum where `renormalise`
///     result = Σ p_e · expert_e(x) + σ(x·Wshareᵀ) · shared(x)
///     expert(x) = (silu(x·Wgateᵀ) ⊙ x·Wupᵀ)·Wdownᵀ
class MixtureLayers {
public:
    explicit MixtureLayers(const MixtureConfig& config)
        : m_config(config)
    {
    }

    void startLoading() { m_layers.clear(); }
    /// Layer `layer` of the file as the next one of these. Experts stand one by one, or fused.
    void load(WeightLoader& loader, int layer);
    void place(ActivationLayout& layout, const StepLimits& limits);

    /// Adds the result to `out`. `input.norm` is the norm of the layer's input.
    void forward(kernels::Device& device, int index, const kernels::LinearInput& input,
                 const kernels::Tensor& out) const;

    int64_t widestInput() const { return std::max({m_config.hiddenSize, m_config.expertSize, m_config.sharedSize}); }
    const MixtureConfig& config() const { return m_config; }

private:
    struct Layer {
        kernels::WeightPtr router; ///< [experts, hidden]
        std::vector<kernels::WeightPtr> gates, ups; ///< each [expertSize, hidden]
        std::vector<kernels::WeightPtr> downs; ///< each [hidden, expertSize]
        kernels::WeightPtr share; ///< [1, hidden]
        kernels::WeightPtr sharedGate, sharedUp; ///< [sharedSize, hidden]
        kernels::WeightPtr sharedDown; ///< [hidden, sharedSize]
    };

    void loadExpert(WeightLoader& loader, int number, int expert, Layer& layer) const;
    void loadShared(WeightLoader& loader, int number, Layer& layer) const;
    void addShared(kernels::Device& device, const Layer& layer, const kernels::Tensor& x,
                   const kernels::Tensor& out) const;

    MixtureConfig m_config;
    std::vector<Layer> m_layers;

    kernels::Tensor m_input; ///< [rows, hidden], normalised
    kernels::Tensor m_routing; ///< [rows, experts]
    kernels::Tensor m_experts; ///< [rows, expertsPerRow], I32
    kernels::Tensor m_shares; ///< [rows, expertsPerRow]
    kernels::Tensor m_inner; ///< [rows · expertsPerRow, expertSize]
    kernels::Tensor m_share; ///< [rows, 1]
    kernels::Tensor m_sharedInner; ///< [rows, sharedSize]
};

} // namespace cortex::engine
