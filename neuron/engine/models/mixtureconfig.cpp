// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/models/mixtureconfig.h"

namespace cortex::engine {

MixtureConfig readMixtureConfig(const ConfigReader& reader, const DecoderConfig& decoder,
                                const MixtureDefaults& defaults)
{
    MixtureConfig config;
    config.hiddenSize = decoder.hiddenSize;
    if (reader.checkpoint().gguf()) {
        config.experts = reader.integer("expert_count", 1, limits::Experts);
        config.expertsPerRow = reader.integer("expert_used_count", 1, config.experts);
        const auto size = reader.optionalInteger("expert_feed_forward_length", 1, limits::FeedForward);
        config.expertSize = size ? *size : readFeedForwardSize(reader) / config.expertsPerRow;
        config.renormalise = reader.optionalBoolean("expert_weights_norm").value_or(true);
        return config;
    }
    const std::string_view count = reader.has("num_experts") ? "num_experts" : "num_local_experts";
    config.experts = reader.integer(count, 1, limits::Experts);
    config.expertsPerRow =
        reader.optionalInteger("num_experts_per_tok", 1, config.experts).value_or(defaults.expertsPerRow);
    if (config.expertsPerRow > config.experts)
        reader.fail("num_experts_per_tok", "is missing");
    config.expertSize = reader.integer("moe_intermediate_size", 1, limits::FeedForward);
    config.renormalise = reader.optionalBoolean("norm_topk_prob").value_or(defaults.renormalise);
    return config;
}

int readSharedExpertSize(const ConfigReader& reader, const MixtureConfig& mixture)
{
    const auto size = reader.optionalInteger(reader.checkpoint().gguf() ? "expert_shared_feed_forward_length"
                                                                        : "shared_expert_intermediate_size",
                                             1, limits::FeedForward);
    return size.value_or(mixture.expertSize);
}

std::vector<bool> readMixtureLayers(const ConfigReader& reader, const DecoderConfig& decoder)
{
    std::vector<bool> mixture(size_t(decoder.layers), true);
    if (reader.checkpoint().gguf())
        return mixture;
    const int step = reader.optionalInteger("decoder_sparse_step", 1, limits::Layers).value_or(1);
    for (int i = 0; i < decoder.layers; ++i)
        mixture[size_t(i)] = (i + 1) % step == 0;
    for (int64_t layer : reader.optionalIntegers("mlp_only_layers").value_or(std::vector<int64_t>())) {
        if (layer < 0 || layer >= decoder.layers)
            reader.fail("mlp_only_layers", "names layer " + std::to_string(layer) + ", which there is not");
        mixture[size_t(layer)] = false;
    }
    return mixture;
}

} // namespace cortex::engine
