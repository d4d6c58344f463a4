// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/quantize/exportgguf.h"

#include "kernels/quantize.h"
#include "neuron/engine/error.h"
#include "neuron/engine/formats/quotedname.h"
#include "neuron/engine/models/configreader.h"
#include "neuron/engine/models/decoderconfig.h"
#include "neuron/engine/models/ropeconfig.h"
#include "neuron/engine/models/tensornames.h"
#include "neuron/engine/models/weightloader.h"
#include "neuron/engine/quantize/exporttensors.h"
#include "neuron/engine/quantize/exporttokenizer.h"

namespace cortex::engine {

namespace {

using kernels::Type;

constexpr ExportFamily Families[] = {
    {.safetensors = "llama", .gguf = "llama", .interleavedPairs = true},
    {.safetensors = "mistral", .gguf = "llama", .interleavedPairs = true},
    {.safetensors = "qwen2", .gguf = "qwen2"},
    {.safetensors = "qwen3", .gguf = "qwen3"},
    {.safetensors = "qwen3_5", .gguf = "qwen35", .offsetNorms = true, .hybrid = true},
    {.safetensors = "qwen3_5_text", .gguf = "qwen35", .offsetNorms = true, .hybrid = true},
};

constexpr uint32_t QuantizationVersion = 2;

[[noreturn]] void refuse(const Checkpoint& checkpoint, const std::string& cause)
{
    throw Error(ErrorKind::Unsupported,
                checkpoint.path().string() + ": cannot be written as GGUF: " + cause
                    + ". Load it with --quant instead, or convert it with another program");
}

const ExportFamily& familyOf(const Checkpoint& checkpoint)
{
    std::string known;
    for (const ExportFamily& family : Families) {
        if (family.safetensors == checkpoint.architecture())
            return family;
        known += (known.empty() ? "" : ", ") + std::string(family.safetensors);
    }
    refuse(checkpoint, "the architecture is " + quotedName(checkpoint.architecture()) + ", and can be: " + known);
}

/// general.file_type of a file whose matrices are of this type.
uint32_t fileType(Type type)
{
    return type == Type::F32 ? 0 : type == Type::F16 ? 1 : 32;
}

void requireNoWindow(const Checkpoint& checkpoint, const ConfigReader& reader, const ModelShape& shape)
{
    const bool maybe = reader.optionalBoolean("use_sliding_window").value_or(checkpoint.architecture() == "mistral");
    const auto window = maybe ? reader.optionalInteger("sliding_window", 0, limits::Context) : std::nullopt;
    if (window && *window < shape.contextLimit)
        refuse(checkpoint, "it has a sliding window, which the format has no key for");
}

/// Metadata of one model, under its architecture's prefix.
class Header {
public:
    Header(const Checkpoint& checkpoint, const ExportFamily& family, const ModelShape& shape, GgufWriter& writer)
        : m_checkpoint(checkpoint)
        , m_family(family)
        , m_shape(shape)
        , m_reader(checkpoint)
        , m_writer(writer)
    {
    }

    void write(Type type)
    {
        m_writer.addString("general.architecture", m_family.gguf);
        m_writer.addString("general.type", "model");
        m_writer.addString("general.name", m_checkpoint.name());
        m_writer.addInteger("general.file_type", fileType(type));
        m_writer.addInteger("general.quantization_version", QuantizationVersion);
        integer("block_count", m_shape.layers);
        integer("context_length", m_shape.contextLimit);
        integer("embedding_length", m_shape.hiddenSize);
        integer("feed_forward_length", readFeedForwardSize(m_reader));
        integer("vocab_size", m_shape.vocabularySize);
        integer("attention.head_count", m_shape.heads);
        integer("attention.head_count_kv", m_shape.kvHeads);
        integer("attention.key_length", m_shape.headDim);
        integer("attention.value_length", m_shape.headDim);
        number("attention.layer_norm_rms_epsilon", m_reader.optionalNumber("rms_norm_eps", 0, 1).value_or(1e-6));
        if (m_family.hybrid)
            writeHybrid();
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
                refuse(m_checkpoint, "its yarn scaling has settings that the format has no keys for");
            m_writer.addString(key("rope.scaling.type"), "yarn");
            number("rope.scaling.factor", scaling.factor);
            integer("rope.scaling.original_context_length", int(scaling.originalContext));
            number("rope.scaling.yarn_beta_fast", scaling.betaFast);
            number("rope.scaling.yarn_beta_slow", scaling.betaSlow);
        }
        if (m_family.hybrid) {
            // For text all three sections turn alike; only their sum matters.
            std::vector<int32_t> sections{rope.dimensions / 2, 0, 0, 0};
            if (const auto part = m_reader.part("rope_parameters")) {
                if (const auto given = part->optionalIntegers("mrope_section"); given && given->size() == 3)
                    std::copy(given->begin(), given->end(), sections.begin());
            }
            m_writer.addIntegers(key("rope.dimension_sections"), sections);
        }
    }

private:
    void writeHybrid()
    {
        const kernels::StateLayout& heads = m_shape.state;
        integer("ssm.conv_kernel", heads.kernelWidth);
        integer("ssm.state_size", heads.keyDim);
        integer("ssm.group_count", heads.keyHeads);
        integer("ssm.time_step_rank", heads.valueHeads);
        integer("ssm.inner_size", heads.valueHeads * heads.valueDim);
        integer("full_attention_interval", fullAttentionInterval());
    }

    /// Every how many layers one is full attention. GGUF readers know no other order.
    int fullAttentionInterval() const
    {
        int interval = 1;
        while (interval <= m_shape.layers && isRecurrent(m_checkpoint, interval - 1))
            ++interval;
        for (int layer = 0; layer < m_shape.layers; ++layer)
            if (isRecurrent(m_checkpoint, layer) != ((layer + 1) % interval != 0))
                refuse(m_checkpoint, "its layers of full attention come at no fixed interval");
        return interval;
    }

    std::string key(std::string_view name) const { return std::string(m_family.gguf) + "." + std::string(name); }
    void integer(std::string_view name, int value) { m_writer.addInteger(key(name), uint32_t(value)); }
    void number(std::string_view name, double value) { m_writer.addNumber(key(name), float(value)); }

    const Checkpoint& m_checkpoint;
    const ExportFamily& m_family;
    const ModelShape& m_shape;
    ConfigReader m_reader;
    GgufWriter& m_writer;
};

/// rope_freqs.weight: what Llama 3's scaling divides each frequency by.
ExportTensor divisorsOf(const RopeConfig& rope)
{
    RopeConfig plain = rope;
    plain.scaling = {};
    const std::vector<float> whole = ropeFrequencies(plain), scaled = ropeFrequencies(rope);
    auto divisors = std::make_shared<std::vector<float>>();
    for (size_t i = 0; i < whole.size(); ++i)
        divisors->push_back(whole[i] / scaled[i]);
    const auto count = int64_t(divisors->size());
    return {std::string(names::RopeDivisors.gguf), {count}, {Type::F32, 1, count, divisors->data(), divisors}};
}

void writeTensor(const Checkpoint& checkpoint, const ExportTensor& tensor, GgufWriter& writer)
{
    const kernels::WeightSource& source = tensor.source;
    const size_t rowBytes = kernels::rowBytes(source.type, source.columns);
    if (!source.readRow)
        return writer.write({static_cast<const std::byte*>(source.data), rowBytes * size_t(source.rows)});
    std::vector<float> values(static_cast<size_t>(source.columns));
    std::vector<std::byte> bytes(rowBytes);
    for (int64_t row = 0; row < source.rows; ++row) {
        source.readRow(row, values.data());
        if (!kernels::allFinite(values.data(), source.columns))
            throw Error(ErrorKind::Unsupported,
                        checkpoint.path().string() + ": what becomes tensor " + quotedName(tensor.name)
                            + " holds infinities or NaN; the model is damaged, fetch it again");
        kernels::quantize(source.type, values.data(), bytes.data(), source.columns);
        writer.write(bytes);
    }
}

} // namespace

void exportGguf(const Checkpoint& checkpoint, const std::filesystem::path& destination,
                const std::function<bool(double, const std::string&)>& progress)
{
    const ExportFamily& family = familyOf(checkpoint);
    const auto graph = createModelGraph(checkpoint);
    WeightLoader check(checkpoint, nullptr);
    graph->loadWeights(check);
    const ModelShape& shape = graph->shape();
    const ConfigReader reader(checkpoint);
    requireNoWindow(checkpoint, reader, shape);
    const bool tied = reader.optionalBoolean("tie_word_embeddings").value_or(false) || !checkpoint.find(names::Output);
    const RopeConfig rope =
        readJsonRope(reader, {shape.headDim, shape.contextLimit, 10000, family.hybrid ? 0.25 : 1.0}, "full_attention");

    std::vector<ExportTensor> tensors = exportTensors(checkpoint, shape, family, tied);
    const Type type = tensors.front().source.type;
    if (rope.scaling.kind == RopeScaling::Kind::Llama3)
        tensors.insert(tensors.begin(), divisorsOf(rope));

    GgufWriter writer(destination);
    Header header(checkpoint, family, shape, writer);
    header.write(type);
    header.writeRope(rope);
    exportTokenizer(checkpoint, shape.vocabularySize, writer);
    for (const ExportTensor& tensor : tensors)
        writer.addTensor(tensor.name, tensor.source.type, tensor.shape);
    writer.begin();
    for (size_t i = 0; i < tensors.size(); ++i) {
        writeTensor(checkpoint, tensors[i], writer);
        if (progress && !progress(double(i + 1) / double(tensors.size()), tensors[i].name))
            throw Error(ErrorKind::Cancelled, destination.string() + ": was not written; interrupted");
    }
    writer.finish();
}

} // namespace cortex::engine
