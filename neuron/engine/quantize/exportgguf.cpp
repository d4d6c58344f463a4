// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/quantize/exportgguf.h"

#include "kernels/quantize.h"
#include "neuron/engine/error.h"
#include "neuron/engine/formats/quotedname.h"
#include "neuron/engine/models/configreader.h"
#include "neuron/engine/models/tensornames.h"
#include "neuron/engine/models/weightloader.h"
#include "neuron/engine/quantize/exportmetadata.h"
#include "neuron/engine/quantize/exporttokenizer.h"

namespace cortex::engine {

namespace {

using kernels::Type;
using Delta = ExportFamily::Delta;

constexpr ExportFamily Families[] = {
    {.safetensors = "llama", .gguf = "llama", .interleavedPairs = true},
    {.safetensors = "mistral", .gguf = "llama", .interleavedPairs = true},
    {.safetensors = "qwen2", .gguf = "qwen2"},
    {.safetensors = "qwen3", .gguf = "qwen3"},
    {.safetensors = "qwen3_moe", .gguf = "qwen3moe", .experts = true},
    {.safetensors = "qwen3_next",
     .gguf = "qwen3next",
     .offsetNorms = true,
     .delta = Delta::Grouped,
     .experts = true,
     .sharedExpert = true},
    {.safetensors = "qwen3_5", .gguf = "qwen35", .offsetNorms = true, .delta = Delta::Tiled},
    {.safetensors = "qwen3_5_moe",
     .gguf = "qwen35moe",
     .offsetNorms = true,
     .delta = Delta::Tiled,
     .experts = true,
     .sharedExpert = true},
    {.safetensors = "gemma3", .gguf = "gemma3", .offsetNorms = true, .normsBehind = true},
};

const ExportFamily& familyOf(const Checkpoint& checkpoint)
{
    std::string known;
    for (const ExportFamily& family : Families) {
        // The text part of a composite model may say that it is one.
        if (checkpoint.architecture() == family.safetensors
            || checkpoint.architecture() == std::string(family.safetensors) + "_text")
            return family;
        known += (known.empty() ? "" : ", ") + std::string(family.safetensors);
    }
    refuseExport(checkpoint, "the architecture is " + quotedName(checkpoint.architecture()) + ", and can be: " + known);
}

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
    return {std::string(names::RopeDivisors.gguf), Type::F32, {count}, [divisors, count] {
                return std::vector{kernels::WeightSource{Type::F32, 1, count, divisors->data(), divisors}};
            }};
}

void writeRows(const Checkpoint& checkpoint, const std::string& name, const kernels::WeightSource& source,
               GgufWriter& writer)
{
    const size_t rowBytes = kernels::rowBytes(source.type, source.columns);
    if (!source.readRow)
        return writer.write({static_cast<const std::byte*>(source.data), rowBytes * size_t(source.rows)});
    std::vector<float> values(static_cast<size_t>(source.columns));
    std::vector<std::byte> bytes(rowBytes);
    for (int64_t row = 0; row < source.rows; ++row) {
        source.readRow(row, values.data());
        if (!kernels::allFinite(values.data(), source.columns))
            throw Error(ErrorKind::Unsupported,
                        checkpoint.path().string() + ": what becomes tensor " + quotedName(name)
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
    const bool tied = ConfigReader(checkpoint).optionalBoolean("tie_word_embeddings").value_or(family.normsBehind)
        || !checkpoint.find(names::Output);
    const RopeConfig rope = exportedRope(checkpoint, family, shape);

    std::vector<ExportTensor> tensors = exportTensors(checkpoint, shape, family, tied);
    const Type type = tensors.front().type;
    if (rope.scaling.kind == RopeScaling::Kind::Llama3)
        tensors.insert(tensors.begin(), divisorsOf(rope));

    GgufWriter writer(destination);
    exportMetadata(checkpoint, family, shape, rope, type, writer);
    exportTokenizer(checkpoint, shape.vocabularySize, writer);
    for (const ExportTensor& tensor : tensors)
        writer.addTensor(tensor.name, tensor.type, tensor.shape);
    writer.begin();
    for (size_t i = 0; i < tensors.size(); ++i) {
        for (const kernels::WeightSource& part : tensors[i].open())
            writeRows(checkpoint, tensors[i].name, part, writer);
        if (progress && !progress(double(i + 1) / double(tensors.size()), tensors[i].name))
            throw Error(ErrorKind::Cancelled, destination.string() + ": was not written; interrupted");
    }
    writer.finish();
}

} // namespace cortex::engine
