// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/models/attentionlayers.h"
#include "neuron/engine/models/decoderends.h"
#include "neuron/engine/models/families.h"
#include "neuron/engine/models/feedforwardlayers.h"
#include "neuron/engine/models/mixtureconfig.h"
#include "neuron/engine/models/tensornames.h"

#include <algorithm>

namespace cortex::engine {

namespace {

struct Qwen3Config {
    DecoderConfig decoder;
    FeedForwardConfig feedForward;
    std::vector<int> reaches; ///< of each layer
};

/// Qwen3 and Qwen3-MoE. With h the hidden states, for each layer:
///
///     h += attention(rms(h))            q, k normalised per head, then rotated
///     h += mlp(rms(h)) or mixture(rms(h))
class Qwen3Graph final : public ModelGraph {
public:
    explicit Qwen3Graph(Qwen3Config config)
        : m_config(std::move(config))
        , m_shape(shapeOf(m_config.decoder))
        , m_ends(m_config.decoder)
        , m_attention(m_config.decoder.attention)
        , m_feedForward(m_config.feedForward)
    {
        m_feedForward.describe(m_shape);
    }

    const ModelShape& shape() const override { return m_shape; }

    void loadWeights(WeightLoader& loader) override
    {
        m_ends.load(loader);
        m_attention.loadShared(loader);
        m_feedForward.startLoading();
        m_norms.clear();
        for (int i = 0; i < m_config.decoder.layers; ++i) {
            Norms norms;
            norms.attention = loader.vector(names::AttentionNorm, i, {m_config.decoder.hiddenSize});
            m_attention.load(loader, i, m_config.reaches[size_t(i)]);
            norms.feedForward = loader.vector(names::FeedForwardNorm, i, {m_config.decoder.hiddenSize});
            m_feedForward.load(loader, i);
            m_norms.push_back(std::move(norms));
        }
    }

    void placeActivations(ActivationLayout& layout, const StepLimits& limits) override
    {
        m_ends.placeHidden(layout, limits);
        const size_t position = layout.position();
        m_attention.place(layout, limits);
        layout.goBack(position);
        m_feedForward.place(layout, limits);
        layout.goBack(position);
        m_ends.placeLogits(layout, limits);
    }

    kernels::Tensor forward(kernels::Device& device, const kernels::Batch& batch, const SequenceMemory& memory) override
    {
        const float epsilon = m_config.decoder.normEpsilon;
        const kernels::Tensor h = m_ends.embed(device, batch);
        for (int i = 0; i < m_config.decoder.layers; ++i) {
            const Norms& norms = m_norms[size_t(i)];
            m_attention.forward(device, i, {h, norms.attention.get(), epsilon}, {h}, batch, memory.cache);
            m_feedForward.forward(device, i, {h, norms.feedForward.get(), epsilon}, h);
        }
        return m_ends.logits(device, h, batch);
    }

private:
    struct Norms {
        kernels::WeightPtr attention, feedForward; ///< [hidden]
    };

    Qwen3Config m_config;
    ModelShape m_shape;
    DecoderEnds m_ends;
    AttentionLayers m_attention;
    FeedForwardLayers m_feedForward;
    std::vector<Norms> m_norms; ///< of each layer
};

/// Without feed-forward.
Qwen3Config readConfig(const ConfigReader& reader, const DecoderDefaults& defaults)
{
    if (!reader.checkpoint().gguf())
        requireActivation(reader, "hidden_act", "silu");
    Qwen3Config config;
    config.decoder = readDecoderConfig(reader, defaults, false);
    config.decoder.attention.headNorms = true;
    return config;
}

MlpConfig readMlp(const ConfigReader& reader, const DecoderConfig& decoder)
{
    return {decoder.hiddenSize, readFeedForwardSize(reader), kernels::Activation::Silu};
}

} // namespace

std::unique_ptr<ModelGraph> createQwen3(const Checkpoint& checkpoint)
{
    const ConfigReader reader(checkpoint);
    Qwen3Config config = readConfig(reader, {.headDim = 128, .contextLimit = 32768});
    config.reaches = addReaches(config.decoder, readRope(reader, config.decoder, "full_attention"),
                                readSlidingWindows(reader, config.decoder));
    config.feedForward.mlp = readMlp(reader, config.decoder);
    config.feedForward.mixtureLayers.assign(size_t(config.decoder.layers), false);
    return std::make_unique<Qwen3Graph>(std::move(config));
}

std::unique_ptr<ModelGraph> createQwen3Moe(const Checkpoint& checkpoint)
{
    const ConfigReader reader(checkpoint);
    Qwen3Config config = readConfig(reader, {.kvHeads = 4, .contextLimit = 32768});
    // Here the window, where it is used, is that of all layers.
    SlidingWindows windows = readSlidingWindows(reader, config.decoder);
    windows.layers.assign(size_t(config.decoder.layers), true);
    config.reaches = addReaches(config.decoder, readRope(reader, config.decoder, "full_attention"), windows);

    FeedForwardConfig& feedForward = config.feedForward;
    feedForward.mixture = readMixtureConfig(reader, config.decoder, {.renormalise = false});
    feedForward.mixtureLayers = readMixtureLayers(reader, config.decoder);
    if (std::find(feedForward.mixtureLayers.begin(), feedForward.mixtureLayers.end(), false)
        != feedForward.mixtureLayers.end())
        feedForward.mlp = readMlp(reader, config.decoder);
    return std::make_unique<Qwen3Graph>(std::move(config));
}

} // namespace cortex::engine
