// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/error.h"
#include "neuron/engine/models/attentionlayers.h"
#include "neuron/engine/models/decoderends.h"
#include "neuron/engine/models/families.h"
#include "neuron/engine/models/mlplayers.h"
#include "neuron/engine/models/tensornames.h"

#include <cmath>
#include <limits>

namespace cortex::engine {

namespace {

struct Gemma3Config {
    DecoderConfig decoder;
    MlpConfig mlp;
    std::vector<int> reaches; ///< of each layer: 0 sees everything, 1 a window
};

/// Gemma 3. With h the hidden states, which begin as √hidden · E[tokens], for each layer:
///
///     h += rms(attention(rms(h)))       q, k normalised per head, then rotated; window layers have a base of their own
///     h += rms(mlp(rms(h)))             gelu
///
/// Norms multiply by 1 + w.
class Gemma3Graph final : public ModelGraph {
public:
    explicit Gemma3Graph(Gemma3Config config)
        : m_config(std::move(config))
        , m_shape(shapeOf(m_config.decoder))
        , m_ends(m_config.decoder, std::sqrt(float(m_config.decoder.hiddenSize)))
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
            const auto norm = [&](const TensorName& name) {
                return loader.vector(name, i, {m_config.decoder.hiddenSize}, m_config.decoder.normTransform);
            };
            Norms norms;
            norms.attention = norm(names::AttentionNorm);
            m_attention.load(loader, i, m_config.reaches[size_t(i)]);
            norms.attended = norm(names::PostAttentionNorm);
            norms.feedForward = norm(names::PreFeedForwardNorm);
            m_mlp.load(loader, i);
            norms.fedForward = norm(names::PostFeedForwardNorm);
            m_norms.push_back(std::move(norms));
        }
    }

    void placeActivations(ActivationLayout& layout, const StepLimits& limits) override
    {
        m_ends.placeHidden(layout, limits);
        const size_t position = layout.position();
        m_branch = layout.place({limits.rows, m_config.decoder.hiddenSize});
        const size_t parts = layout.position();
        m_attention.place(layout, limits);
        layout.goBack(parts);
        m_mlp.place(layout, limits);
        layout.goBack(position);
        m_ends.placeLogits(layout, limits);
    }

    kernels::Tensor forward(kernels::Device& device, const kernels::Batch& batch, const SequenceMemory& memory) override
    {
        const float epsilon = m_config.decoder.normEpsilon;
        const kernels::Tensor h = m_ends.embed(device, batch);
        const kernels::Tensor branch = m_branch.first(batch.rows());
        const auto addNormalised = [&](const kernels::WeightPtr& norm) {
            device.rmsNorm(branch, branch, *norm, epsilon);
            device.add(h, branch);
        };
        for (int i = 0; i < m_config.decoder.layers; ++i) {
            const Norms& norms = m_norms[size_t(i)];
            m_attention.forward(device, i, {h, norms.attention.get(), epsilon}, {branch, false}, batch, memory.cache);
            addNormalised(norms.attended);
            m_mlp.forward(device, i, {h, norms.feedForward.get(), epsilon}, {branch, false});
            addNormalised(norms.fedForward);
        }
        return m_ends.logits(device, h, batch);
    }

private:
    /// Before and after attention and feed-forward; each [hidden].
    struct Norms {
        kernels::WeightPtr attention, attended, feedForward, fedForward;
    };

    Gemma3Config m_config;
    ModelShape m_shape;
    DecoderEnds m_ends;
    AttentionLayers m_attention;
    MlpLayers m_mlp;
    std::vector<Norms> m_norms; ///< of each layer
    kernels::Tensor m_branch; ///< [rows, hidden]
};

constexpr double GlobalBase = 1e6, LocalBase = 1e4;
constexpr double MostBase = std::numeric_limits<float>::max();
constexpr int Pattern = 6; ///< every sixth layer sees everything

/// Refuses what Gemma 3's configuration could say and no published checkpoint does.
void refuseUnused(const ConfigReader& reader)
{
    const auto refuse = [&reader](std::string_view key) {
        throw Error(ErrorKind::Unsupported,
                    reader.checkpoint().path().string() + ": \"" + std::string(key) + "\" is not supported");
    };
    for (std::string_view key : {"final_logit_softcapping", "attn_logit_softcapping"}) {
        if (reader.optionalNumber(key, 0, MostBase).value_or(0) != 0)
            refuse(key);
    }
    if (reader.checkpoint().gguf())
        return;
    requireActivation(reader, "hidden_activation", "gelu_pytorch_tanh");
    if (reader.optionalBoolean("use_bidirectional_attention").value_or(false))
        refuse("use_bidirectional_attention");
}

int readWindow(const ConfigReader& reader)
{
    // GGUF leaves the key out where no layer has a window.
    if (reader.checkpoint().gguf())
        return reader.optionalInteger("attention.sliding_window", 0, limits::Context).value_or(0);
    return reader.optionalInteger("sliding_window", 1, limits::Context).value_or(4096);
}

std::vector<int> readReaches(const ConfigReader& reader, const DecoderConfig& decoder, int window)
{
    if (window == 0)
        return std::vector<int>(size_t(decoder.layers), 0);
    if (const auto types =
            readLayerTypes(reader, decoder, "sliding_attention", {"sliding_attention", "full_attention"}))
        return {types->begin(), types->end()};
    const char* key = reader.checkpoint().gguf() ? "attention.sliding_window_pattern" : "sliding_window_pattern";
    const int pattern = reader.optionalInteger(key, 1, limits::Layers).value_or(Pattern);
    std::vector<int> reaches;
    for (int i = 0; i < decoder.layers; ++i)
        reaches.push_back((i + 1) % pattern != 0);
    return reaches;
}

/// Window layers are not scaled, unless rope_parameters has a part for them that says so.
RopeConfig readWindowRope(const ConfigReader& reader, const DecoderConfig& decoder)
{
    if (reader.checkpoint().gguf())
        return plainRope(decoder, reader.optionalNumber("rope.freq_base_swa", 1, MostBase).value_or(LocalBase));
    const double base = reader.optionalNumber("rope_local_base_freq", 1, MostBase).value_or(LocalBase);
    if (const auto parameters = reader.part("rope_parameters"); parameters && parameters->part("sliding_attention")) {
        RopeConfig rope = readRope(reader, decoder, "sliding_attention");
        if (!parameters->part("sliding_attention")->has("rope_theta"))
            rope.base = base;
        return rope;
    }
    return plainRope(decoder, base);
}

/// 1/√query_pre_attn_scalar; GGUF does not have the figure, but only the model of 62 layers differs from the head's
/// size: there it is hidden / heads.
float readScale(const ConfigReader& reader, const DecoderConfig& decoder)
{
    constexpr int LayersOf27B = 62;
    double scalar = decoder.attention.headDim;
    if (!reader.checkpoint().gguf())
        scalar = reader.optionalNumber("query_pre_attn_scalar", 1e-3, 1e6).value_or(256);
    else if (decoder.layers == LayersOf27B)
        scalar = decoder.hiddenSize / decoder.attention.heads;
    return float(1 / std::sqrt(scalar));
}

} // namespace

std::unique_ptr<ModelGraph> createGemma3(const Checkpoint& checkpoint)
{
    const ConfigReader reader(checkpoint);
    refuseUnused(reader);
    const DecoderDefaults defaults{.heads = 8,
                                   .kvHeads = 4,
                                   .headDim = 256,
                                   .vocabularySize = 262208,
                                   .contextLimit = 131072,
                                   .tiedEmbeddings = true};
    Gemma3Config config;
    DecoderConfig& decoder = config.decoder;
    decoder = readDecoderConfig(reader, defaults, true);
    decoder.attention.headNorms = true;
    decoder.attention.scale = readScale(reader, decoder);
    const int window = readWindow(reader);
    decoder.attention.reaches = {{readRope(reader, decoder, "full_attention", GlobalBase), 0},
                                 {readWindowRope(reader, decoder), window}};
    config.reaches = readReaches(reader, decoder, window);
    config.mlp = {decoder.hiddenSize, readFeedForwardSize(reader), kernels::Activation::GeluTanh};
    return std::make_unique<Gemma3Graph>(std::move(config));
}

} // namespace cortex::engine
