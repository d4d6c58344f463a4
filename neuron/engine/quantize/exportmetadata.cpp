// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/quantize/exportmetadata.h"

#include "neuron/engine/error.h"
#include "neuron/engine/models/gemma3config.h"
#include "neuron/engine/models/mixtureconfig.h"

#include <algorithm>

namespace cortex::engine {

namespace {

using kernels::Type;
using Delta = ExportFamily::Delta;

constexpr uint32_t QuantizationVersion = 2;

/// general.file_type of a file whose matrices are of this type.
uint32_t fileType(Type type)
{
    return type == Type::F32 ? 0 : type == Type::F16 ? 1 : 32;
}

/// Metadata of one model, under its architecture's prefix.
class Metadata {
public:
    Metadata(const Checkpoint& checkpoint, const ExportFamily& family, const ModelShape& shape, GgufWriter& writer)
        : m_checkpoint(checkpoint)
        , m_family(family)
        , m_shape(shape)
        , m_reader(checkpoint)
        , m_writer(writer)
    {
    }

    void write(const RopeConfig& rope, Type type)
    {
        m_writer.addString("general.architecture", m_family.gguf);
        m_writer.addString("general.type", "model");
        m_writer.addString("general.name", m_checkpoint.name());
        m_writer.addInteger("general.file_type", fileType(type));
        m_writer.addInteger("general.quantization_version", QuantizationVersion);
        writeFigures();
        writeRope(rope);
        if (m_family.normsBehind)
            writeGemma(rope);
        else
            requireNoWindow();
        if (m_family.experts)
            writeExperts();
        if (m_family.delta != Delta::None)
            writeDelta();
        if (m_family.delta == Delta::Tiled)
            writeSections(rope);
    }

private:
    void writeFigures()
    {
        integer("block_count", m_shape.layers);
        integer("context_length", m_shape.contextLimit);
        integer("embedding_length", m_shape.hiddenSize);
        // Where all layers have experts, nothing is said of others.
        if (!m_family.experts || m_reader.has("intermediate_size"))
            integer("feed_forward_length", readFeedForwardSize(m_reader));
        integer("vocab_size", m_shape.vocabularySize);
        integer("attention.head_count", m_shape.heads);
        integer("attention.head_count_kv", m_shape.kvHeads);
        integer("attention.key_length", m_shape.headDim);
        integer("attention.value_length", m_shape.headDim);
        number("attention.layer_norm_rms_epsilon", m_reader.optionalNumber("rms_norm_eps", 0, 1).value_or(1e-6));
    }

    void writeRope(const RopeConfig& rope)
    {
        integer("rope.dimension_count", rope.dimensions);
        number("rope.freq_base", rope.base);
        const RopeScaling& scaling = rope.scaling;
        if (scaling.kind == RopeScaling::Kind::Linear) {
            m_writer.addString(key("rope.scaling.type"), "linear");
            number("rope.scaling.factor", scaling.factor);
        } else if (scaling.kind == RopeScaling::Kind::Yarn) {
            if (scaling.attentionFactor != 0 || !scaling.truncate)
                refuse("its yarn scaling has settings that the format has no keys for");
            m_writer.addString(key("rope.scaling.type"), "yarn");
            number("rope.scaling.factor", scaling.factor);
            integer("rope.scaling.original_context_length", int(scaling.originalContext));
            number("rope.scaling.yarn_beta_fast", scaling.betaFast);
            number("rope.scaling.yarn_beta_slow", scaling.betaSlow);
        }
    }

    /// For text all three sections turn alike; only their sum matters.
    void writeSections(const RopeConfig& rope)
    {
        std::vector<int32_t> sections{rope.dimensions / 2, 0, 0, 0};
        if (const auto part = m_reader.part("rope_parameters")) {
            if (const auto given = part->optionalIntegers("mrope_section"); given && given->size() == 3)
                std::copy(given->begin(), given->end(), sections.begin());
        }
        m_writer.addIntegers(key("rope.dimension_sections"), sections);
    }

    void requireNoWindow() const
    {
        const bool maybe =
            m_reader.optionalBoolean("use_sliding_window").value_or(m_checkpoint.architecture() == "mistral");
        const auto window = maybe ? m_reader.optionalInteger("sliding_window", 0, limits::Context) : std::nullopt;
        if (window && *window < m_shape.contextLimit)
            refuse("it has a sliding window, which the format has no key for");
    }

    /// Layers with a window rotate positions in their own way, and never scale them.
    void writeGemma(const RopeConfig& rope)
    {
        const Gemma3Config config = readGemma3Config(m_checkpoint);
        const AttentionConfig& attention = config.decoder.attention;
        const AttentionReach& window = attention.reaches[1];
        if (attention.scale != gemma3GgufScale(config.decoder))
            refuse("its query_pre_attn_scalar is not what readers of the format take for a model of its size");
        const bool scaled =
            rope.scaling.kind != RopeScaling::Kind::None && rope.scaling.kind != RopeScaling::Kind::Linear;
        if (scaled || window.rope.scaling.kind != RopeScaling::Kind::None || window.rope.dimensions != rope.dimensions)
            refuse("its layers rotate positions in ways that the format has no keys for");
        const int interval = fullAttentionInterval([&](int layer) { return config.reaches[size_t(layer)] != 0; });
        if (interval == 1)
            return;
        integer("attention.sliding_window", window.window);
        if (interval != Gemma3Pattern)
            integer("attention.sliding_window_pattern", interval);
        number("rope.freq_base_swa", window.rope.base);
    }

    void writeExperts()
    {
        DecoderConfig decoder;
        decoder.hiddenSize = m_shape.hiddenSize;
        decoder.layers = m_shape.layers;
        const std::vector<bool> layers = readMixtureLayers(m_reader, decoder);
        if (std::find(layers.begin(), layers.end(), false) != layers.end())
            refuse("not all of its layers have experts");
        // Qwen3.5 shares as the format's readers do, whatever its configuration says.
        const bool fixed = m_family.delta == Delta::Tiled;
        const MixtureDefaults defaults{m_shape.expertsPerRow, m_family.delta != Delta::None};
        const MixtureConfig mixture = readMixtureConfig(m_reader, decoder, defaults);
        if (!fixed && !mixture.renormalise)
            refuse("the shares of its experts do not add up to one (\"norm_topk_prob\" is false), for which the format "
                   "has no key");
        integer("expert_count", m_shape.experts);
        integer("expert_used_count", m_shape.expertsPerRow);
        integer("expert_feed_forward_length", mixture.expertSize);
        if (m_family.sharedExpert)
            integer("expert_shared_feed_forward_length", readSharedExpertSize(m_reader, mixture));
    }

    void writeDelta()
    {
        const kernels::StateLayout& heads = m_shape.state;
        const auto recurrent = [this](int layer) { return isRecurrent(m_checkpoint, layer); };
        int recurrentLayers = 0;
        for (int layer = 0; layer < m_shape.layers; ++layer)
            recurrentLayers += recurrent(layer) ? 1 : 0;
        if (recurrentLayers != heads.layers)
            refuse("some of its layers have the tensors of both kinds of mixing");
        integer("ssm.conv_kernel", heads.kernelWidth);
        integer("ssm.state_size", heads.keyDim);
        integer("ssm.group_count", heads.keyHeads);
        integer("ssm.time_step_rank", heads.valueHeads);
        integer("ssm.inner_size", heads.valueHeads * heads.valueDim);
        integer("full_attention_interval", fullAttentionInterval(recurrent));
    }

    /// Every how many layers one is full attention, `other` telling of a layer that it is not; one more than there are
    /// layers where none is. GGUF readers know no other order.
    int fullAttentionInterval(const std::function<bool(int)>& other) const
    {
        int interval = 1;
        while (interval <= m_shape.layers && other(interval - 1))
            ++interval;
        for (int layer = 0; layer < m_shape.layers; ++layer)
            if (other(layer) != ((layer + 1) % interval != 0))
                refuse("its layers of full attention come at no fixed interval");
        return interval;
    }

    [[noreturn]] void refuse(const std::string& cause) const { refuseExport(m_checkpoint, cause); }

    std::string key(std::string_view name) const { return std::string(m_family.gguf) + "." + std::string(name); }
    void integer(std::string_view name, int value) { m_writer.addInteger(key(name), uint32_t(value)); }
    void number(std::string_view name, double value) { m_writer.addNumber(key(name), float(value)); }

    const Checkpoint& m_checkpoint;
    const ExportFamily& m_family;
    const ModelShape& m_shape;
    ConfigReader m_reader;
    GgufWriter& m_writer;
};

} // namespace

void refuseExport(const Checkpoint& checkpoint, const std::string& cause)
{
    throw Error(ErrorKind::Unsupported,
                checkpoint.path().string() + ": cannot be written as GGUF: " + cause
                    + ". Load it with --quant instead, or convert it with another program");
}

RopeConfig exportedRope(const Checkpoint& checkpoint, const ExportFamily& family, const ModelShape& shape)
{
    if (family.normsBehind)
        return readGemma3Config(checkpoint).decoder.attention.reaches[0].rope;
    const double partial = family.delta != Delta::None ? 0.25 : 1.0;
    return readJsonRope(ConfigReader(checkpoint), {shape.headDim, shape.contextLimit, 10000, partial},
                        "full_attention");
}

void exportMetadata(const Checkpoint& checkpoint, const ExportFamily& family, const ModelShape& shape,
                    const RopeConfig& rope, Type type, GgufWriter& writer)
{
    Metadata(checkpoint, family, shape, writer).write(rope, type);
}

} // namespace cortex::engine
