// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/models/mixturelayers.h"
#include "neuron/engine/models/mlplayers.h"

#include <optional>

namespace cortex::engine {

struct FeedForwardConfig {
    std::optional<MlpConfig> mlp; ///< nothing where every layer has a mixture
    std::optional<MixtureConfig> mixture; ///< nothing where every layer is dense
    std::vector<bool> mixtureLayers; ///< of each layer of the model: whether it has a mixture
};

/// The feed-forward layers of a decoder in which some are dense and some are mixtures, numbered as the model's layers.
class FeedForwardLayers {
public:
    explicit FeedForwardLayers(FeedForwardConfig config);

    void startLoading();
    void load(WeightLoader& loader, int layer);
    void place(ActivationLayout& layout, const StepLimits& limits);

    /// Adds the result to `out`.
    void forward(kernels::Device& device, int layer, const kernels::LinearInput& input,
                 const kernels::Tensor& out) const;

    /// Widest input and experts.
    void describe(ModelShape& shape) const;

private:
    FeedForwardConfig m_config;
    std::vector<int> m_index; ///< of each layer, among those of its kind
    std::optional<MlpLayers> m_mlp;
    std::optional<MixtureLayers> m_mixture;
};

} // namespace cortex::engine
