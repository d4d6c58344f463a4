// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/models/attentionlayers.h"
#include "neuron/engine/models/decoderends.h"
#include "neuron/engine/models/deltalayers.h"
#include "neuron/engine/models/families.h"
#include "neuron/engine/models/feedforwardlayers.h"
#include "neuron/engine/models/mixtureconfig.h"
#include "neuron/engine/models/tensornames.h"

#include <algorithm>

namespace cortex::engine {

namespace {

struct Qwen35Config {
    DecoderConfig decoder;
    DeltaConfig delta;
    FeedForwardConfig feedForward;
    std::vector<bool> recurrent; ///< of each layer: whether it mixes with Gated DeltaNet
};

/// Qwen3.5 (and 3.6, 3.8), dense and MoE, and Qwen3-Next. With h the hidden states, for each layer:
///
///     h += gatedDeltaNet(rms(h)) or attention(rms(h))    q, k normalised per head, a part of them rotated; output gate
///     h += mlp(rms(h)) or mixture(rms(h))                the mixture has a shared expert
///
/// Norms multiply by 1 + w, but for the one within Gated DeltaNet.
class Qwen35Graph final : public ModelGraph {
public:
    explicit Qwen35Graph(Qwen35Config config)
        : m_config(std::move(config))
        , m_shape(shapeOf(m_config.decoder))
        , m_ends(m_config.decoder)
        , m_attention(m_config.decoder.attention)
        , m_delta(m_config.delta)
        , m_feedForward(m_config.feedForward)
    {
        const int recurrent = int(std::count(m_config.recurrent.begin(), m_config.recurrent.end(), true));
        m_shape.attentionLayers = m_shape.layers - recurrent;
        m_shape.state = m_config.delta.dimensions;
        m_shape.state.layers = recurrent;
        m_shape.widestInput = std::max(m_shape.widestInput, m_delta.widestInput());
        m_feedForward.describe(m_shape);
    }

    const ModelShape& shape() const override { return m_shape; }

    void loadWeights(WeightLoader& loader) override
    {
        const DecoderConfig& decoder = m_config.decoder;
        m_ends.load(loader);
        m_attention.loadShared(loader);
        m_delta.startLoading();
        m_feedForward.startLoading();
        m_norms.clear();
        for (int i = 0; i < decoder.layers; ++i) {
            Norms norms;
            norms.mixer = loader.vector(names::AttentionNorm, i, {decoder.hiddenSize}, decoder.normTransform);
            if (m_config.recurrent[size_t(i)])
                m_delta.load(loader, i);
            else
                m_attention.load(loader, i);
            norms.feedForward = loader.vector(names::PostAttentionNorm, i, {decoder.hiddenSize}, decoder.normTransform);
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
        m_delta.place(layout, limits);
        layout.goBack(position);
        m_feedForward.place(layout, limits);
        layout.goBack(position);
        m_ends.placeLogits(layout, limits);
    }

    kernels::Tensor forward(kernels::Device& device, const kernels::Batch& batch, const SequenceMemory& memory) override
    {
        const float epsilon = m_config.decoder.normEpsilon;
        const kernels::Tensor h = m_ends.embed(device, batch);
        int attention = 0, recurrent = 0;
        for (int i = 0; i < m_config.decoder.layers; ++i) {
            const Norms& norms = m_norms[size_t(i)];
            const kernels::LinearInput input{h, norms.mixer.get(), epsilon};
            if (m_config.recurrent[size_t(i)])
                m_delta.forward(device, recurrent++, input, {h}, batch, *memory.state);
            else
                m_attention.forward(device, attention++, input, {h}, batch, memory.cache);
            m_feedForward.forward(device, i, {h, norms.feedForward.get(), epsilon}, h);
        }
        return m_ends.logits(device, h, batch);
    }

private:
    struct Norms {
        kernels::WeightPtr mixer, feedForward; ///< [hidden]
    };

    Qwen35Config m_config;
    ModelShape m_shape;
    DecoderEnds m_ends;
    AttentionLayers m_attention;
    DeltaLayers m_delta;
    FeedForwardLayers m_feedForward;
    std::vector<Norms> m_norms; ///< of each layer
};

kernels::StateLayout readDimensions(const ConfigReader& reader)
{
    kernels::StateLayout d;
    if (reader.checkpoint().gguf()) {
        d.kernelWidth = reader.integer("ssm.conv_kernel", 1, limits::KernelWidth);
        d.keyDim = reader.integer("ssm.state_size", 1, limits::HeadDim);
        d.keyHeads = reader.integer("ssm.group_count", 1, limits::Heads);
        d.valueHeads = reader.integer("ssm.time_step_rank", 1, limits::Heads);
        const int values = reader.integer("ssm.inner_size", 1, limits::Width);
        if (values % d.valueHeads != 0 || values / d.valueHeads > limits::HeadDim)
            reader.fail("ssm.inner_size", "does not fit " + std::to_string(d.valueHeads) + " value heads");
        d.valueDim = values / d.valueHeads;
    } else {
        const auto integer = [&reader](std::string_view key, int most, int otherwise) {
            return reader.optionalInteger(key, 1, most).value_or(otherwise);
        };
        d.kernelWidth = integer("linear_conv_kernel_dim", limits::KernelWidth, 4);
        d.keyDim = integer("linear_key_head_dim", limits::HeadDim, 128);
        d.valueDim = integer("linear_value_head_dim", limits::HeadDim, 128);
        d.keyHeads = integer("linear_num_key_heads", limits::Heads, 16);
        d.valueHeads = integer("linear_num_value_heads", limits::Heads, 32);
    }
    if (d.valueHeads % d.keyHeads != 0)
        reader.fail(reader.checkpoint().gguf() ? "ssm.time_step_rank" : "linear_num_value_heads",
                    "is not a multiple of the key heads, " + std::to_string(d.keyHeads));
    return d;
}

std::vector<bool> readRecurrentLayers(const ConfigReader& reader, const DecoderConfig& decoder)
{
    std::vector<bool> recurrent;
    if (reader.checkpoint().gguf()) {
        if (const auto flags = reader.optionalIntegers("attention.recurrent_layers")) {
            if (flags->size() < size_t(decoder.layers))
                reader.fail("attention.recurrent_layers", "is shorter than the layers");
            for (int i = 0; i < decoder.layers; ++i)
                recurrent.push_back((*flags)[size_t(i)] != 0);
            return recurrent;
        }
    } else if (auto types =
                   readLayerTypes(reader, decoder, "linear_attention", {"linear_attention", "full_attention"})) {
        return *types;
    }
    const int interval = reader.optionalInteger("full_attention_interval", 1, limits::Layers).value_or(4);
    for (int i = 0; i < decoder.layers; ++i)
        recurrent.push_back((i + 1) % interval != 0);
    return recurrent;
}

/// Without feed-forward. GGUF's converter of Qwen3.5 reorders the value heads, that of Qwen3-Next does not.
Qwen35Config readConfig(const ConfigReader& reader, kernels::KeyHeadOrder ggufKeyHeadOrder)
{
    const bool gguf = reader.checkpoint().gguf() != nullptr;
    if (!gguf)
        requireActivation(reader, "hidden_act", "silu");
    Qwen35Config config;
    config.decoder = readDecoderConfig(reader, {.headDim = 256, .contextLimit = 32768}, true);
    AttentionConfig& attention = config.decoder.attention;
    attention.headNorms = true;
    attention.outputGate = true;
    attention.reaches = {{readRope(reader, config.decoder, "full_attention", 10000, 0.25), 0}};
    config.recurrent = readRecurrentLayers(reader, config.decoder);
    config.delta.hiddenSize = config.decoder.hiddenSize;
    config.delta.normEpsilon = config.decoder.normEpsilon;
    config.delta.dimensions = readDimensions(reader);
    config.delta.keyHeadOrder = gguf ? ggufKeyHeadOrder : kernels::KeyHeadOrder::Grouped;
    config.delta.decayTransform = gguf ? Transform::None : Transform::NegativeExponential;
    return config;
}

MlpConfig readMlp(const ConfigReader& reader, const DecoderConfig& decoder)
{
    return {decoder.hiddenSize, readFeedForwardSize(reader), kernels::Activation::Silu};
}

void addMixture(const ConfigReader& reader, const MixtureDefaults& defaults, Qwen35Config& config)
{
    FeedForwardConfig& feedForward = config.feedForward;
    MixtureConfig mixture = readMixtureConfig(reader, config.decoder, defaults);
    mixture.sharedSize = readSharedExpertSize(reader, mixture);
    feedForward.mixture = mixture;
    feedForward.mixtureLayers = readMixtureLayers(reader, config.decoder);
    if (std::find(feedForward.mixtureLayers.begin(), feedForward.mixtureLayers.end(), false)
        != feedForward.mixtureLayers.end())
        feedForward.mlp = readMlp(reader, config.decoder);
}

} // namespace

std::unique_ptr<ModelGraph> createQwen35(const Checkpoint& checkpoint)
{
    const ConfigReader reader(checkpoint);
    Qwen35Config config = readConfig(reader, kernels::KeyHeadOrder::Tiled);
    config.feedForward.mlp = readMlp(reader, config.decoder);
    config.feedForward.mixtureLayers.assign(size_t(config.decoder.layers), false);
    return std::make_unique<Qwen35Graph>(std::move(config));
}

std::unique_ptr<ModelGraph> createQwen35Moe(const Checkpoint& checkpoint)
{
    const ConfigReader reader(checkpoint);
    Qwen35Config config = readConfig(reader, kernels::KeyHeadOrder::Tiled);
    addMixture(reader, {.expertsPerRow = 8}, config);
    config.feedForward.mixture->renormalise = true; // whatever config.json says
    return std::make_unique<Qwen35Graph>(std::move(config));
}

std::unique_ptr<ModelGraph> createQwen3Next(const Checkpoint& checkpoint)
{
    const ConfigReader reader(checkpoint);
    Qwen35Config config = readConfig(reader, kernels::KeyHeadOrder::Grouped);
    addMixture(reader, {.expertsPerRow = 10}, config);
    return std::make_unique<Qwen35Graph>(std::move(config));
}

} // namespace cortex::engine
