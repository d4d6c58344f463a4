// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/error.h"
#include "neuron/engine/models/attentionlayers.h"
#include "neuron/engine/models/decoderends.h"
#include "neuron/engine/models/families.h"
#include "neuron/engine/models/mlplayers.h"
#include "neuron/engine/models/tensornames.h"

#include <algorithm>

namespace cortex::engine {

namespace {

struct LlamaConfig {
    DecoderConfig decoder;
    MlpConfig mlp;
    std::vector<int> reaches; ///< of each layer
};

/// The Llama decoder (Llama, SmolLM2; Mistral, with sliding windows; Qwen2, with biases on q, k and v). With h the
/// hidden states, for each layer:
///
///     h += attention(rms(h))        q, k rotated
///     h += mlp(rms(h))              silu
class LlamaGraph final : public ModelGraph {
public:
    explicit LlamaGraph(LlamaConfig config)
        : m_config(std::move(config))
        , m_shape(shapeOf(m_config.decoder))
        , m_ends(m_config.decoder)
        , m_attention(m_config.decoder.attention)
        , m_mlp(m_config.mlp)
    {
        m_shape.widestInput = std::max(m_shape.widestInput, m_mlp.widestInput());
    }

    const ModelShape& shape() const override { return m_shape; }

    void loadWeights(WeightLoader& loader) override
    {
        m_ends.load(loader);
        m_attention.loadShared(loader);
        m_mlp.startLoading();
        m_norms.clear();
        for (int i = 0; i < m_config.decoder.layers; ++i) {
            Norms norms;
            norms.attention = loader.vector(names::AttentionNorm, i, {m_config.decoder.hiddenSize});
            m_attention.load(loader, i, m_config.reaches[size_t(i)]);
            norms.feedForward = loader.vector(names::FeedForwardNorm, i, {m_config.decoder.hiddenSize});
            m_mlp.load(loader, i);
            m_norms.push_back(std::move(norms));
        }
    }

    void placeActivations(ActivationLayout& layout, const StepLimits& limits) override
    {
        m_ends.placeHidden(layout, limits);
        const size_t position = layout.position();
        m_attention.place(layout, limits);
        layout.goBack(position);
        m_mlp.place(layout, limits);
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
            m_mlp.forward(device, i, {h, norms.feedForward.get(), epsilon}, {h});
        }
        return m_ends.logits(device, h, batch);
    }

private:
    struct Norms {
        kernels::WeightPtr attention, feedForward; ///< [hidden]
    };

    LlamaConfig m_config;
    ModelShape m_shape;
    DecoderEnds m_ends;
    AttentionLayers m_attention;
    MlpLayers m_mlp;
    std::vector<Norms> m_norms; ///< of each layer
};

/// What all of them have in common; without reaches.
LlamaConfig readConfig(const ConfigReader& reader, const DecoderDefaults& defaults)
{
    const Checkpoint& checkpoint = reader.checkpoint();
    LlamaConfig config;
    if (!checkpoint.gguf()) {
        requireActivation(reader, "hidden_act", "silu");
        if (reader.optionalBoolean("mlp_bias").value_or(false))
            throw Error(ErrorKind::Unsupported, checkpoint.path().string() + ": mlp_bias is not supported");
    } else if (reader.optionalInteger("expert_count", 0, limits::Experts).value_or(0) > 0) {
        throw Error(ErrorKind::Unsupported,
                    checkpoint.path().string() + ": mixture-of-experts models of the architecture \""
                        + checkpoint.architecture() + "\" are not supported");
    }
    config.decoder = readDecoderConfig(reader, defaults, false);
    config.mlp = {config.decoder.hiddenSize, readFeedForwardSize(reader), kernels::Activation::Silu};
    return config;
}

/// Llama and Mistral; `window` of all layers, 0: none. GGUF's converter permutes the rows of their queries and keys for
/// interleaved pairs.
std::unique_ptr<ModelGraph> createWithWindow(const ConfigReader& reader, const DecoderDefaults& defaults, int window)
{
    LlamaConfig config = readConfig(reader, defaults);
    if (reader.checkpoint().gguf())
        config.decoder.attention.ropePairing = kernels::RopePairing::Interleaved;
    config.decoder.attention.reaches = {{readRope(reader, config.decoder, "full_attention"), window}};
    config.reaches.assign(size_t(config.decoder.layers), 0);
    return std::make_unique<LlamaGraph>(std::move(config));
}

} // namespace

std::unique_ptr<ModelGraph> createLlama(const Checkpoint& checkpoint)
{
    return createWithWindow(ConfigReader(checkpoint), {}, 0);
}

std::unique_ptr<ModelGraph> createMistral(const Checkpoint& checkpoint)
{
    const ConfigReader reader(checkpoint);
    const int window =
        reader.has("sliding_window") ? reader.optionalInteger("sliding_window", 0, limits::Context).value_or(0) : 4096;
    return createWithWindow(reader, {.kvHeads = 8, .contextLimit = 131072}, window);
}

std::unique_ptr<ModelGraph> createQwen2(const Checkpoint& checkpoint)
{
    const ConfigReader reader(checkpoint);
    LlamaConfig config = readConfig(reader, {.contextLimit = 32768});
    config.reaches = addReaches(config.decoder, readRope(reader, config.decoder, "full_attention"),
                                readSlidingWindows(reader, config.decoder));
    return std::make_unique<LlamaGraph>(std::move(config));
}

} // namespace cortex::engine
