// SPDX-License-Identifier: GPL-3.0-only
// Models in fewer bits: GGUF files into others, checkpoints into GGUF files, dense weights rounded at load, FP8
// checkpoints.
#include "ggufbuilder.h"
#include "kernels/quantize.h"
#include "neuron/engine/engine.h"
#include "neuron/engine/formats/safetensors.h"
#include "neuron/engine/quantize/exportgguf.h"
#include "neuron/engine/quantize/quantizegguf.h"
#include "tinyllama.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>

#include <sys/stat.h>

using namespace cortex::engine;
using namespace cortex::engine::tests;
namespace fs = std::filesystem;
using cortex::kernels::Type;

namespace {

std::vector<float> logitsOf(const fs::path& model, const std::string& quant = {})
{
    LoadOptions options;
    options.model = model;
    options.quant = quant;
    options.threads = 2;
    options.text = false; // golden checkpoints have no tokenizer
    const auto engine = Engine::load(options);
    std::vector<float> logits;
    engine->logits(tinyllama::tokens(),
                   [&](std::span<const float> rows, int) { logits.insert(logits.end(), rows.begin(), rows.end()); });
    return logits;
}

/// Of the prompt of tests/golden, with keys and values in float32.
std::vector<float> goldenLogitsOf(const fs::path& model)
{
    LoadOptions options;
    options.model = model;
    options.threads = 2;
    options.contextTokens = 256;
    options.text = false;
    options.cacheType = Type::F32;
    const auto tokens = nlohmann::json::parse(readFile(fs::path(CORTEX_GOLDEN) / "tokens.json"));
    const auto engine = Engine::load(options);
    std::vector<float> logits;
    engine->logits(tokens.get<std::vector<int32_t>>(),
                   [&](std::span<const float> rows, int) { logits.insert(logits.end(), rows.begin(), rows.end()); });
    return logits;
}

/// Root of the mean square of what differs; the logits themselves have about 3.
double difference(const std::vector<float>& a, const std::vector<float>& b)
{
    REQUIRE(a.size() == b.size());
    double squares = 0;
    for (size_t i = 0; i < a.size(); ++i)
        squares += (double(a[i]) - double(b[i])) * (double(a[i]) - double(b[i]));
    return std::sqrt(squares / double(a.size()));
}

/// The greatest difference at any position, as a share of the greatest logit.
double greatestDifference(const std::vector<float>& a, const std::vector<float>& b)
{
    REQUIRE(a.size() == b.size());
    double worst = 0, greatest = 0;
    for (size_t i = 0; i < a.size(); ++i) {
        worst = std::max(worst, std::abs(double(a[i]) - double(b[i])));
        greatest = std::max(greatest, std::abs(double(b[i])));
    }
    return worst / greatest;
}

QuantizeResult quantizeFile(const fs::path& from, const fs::path& to, std::string_view mix)
{
    return quantizeGguf(GgufFile(from), to, *findQuantMix(mix), 2, {});
}

std::vector<float> valuesOf(const GgufFile& file, const GgufTensor& tensor)
{
    const cortex::kernels::WeightSource source = file.weight(tensor);
    std::vector<float> values(size_t(source.rows * source.columns));
    cortex::kernels::dequantize(source.type, source.data, values.data(), source.rows * source.columns);
    return values;
}

/// The message of the Error that `run` throws, which must be of `kind`.
template <typename Run>
std::string messageOf(ErrorKind kind, Run run)
{
    try {
        run();
    } catch (const Error& error) {
        CHECK(error.kind() == kind);
        return error.what();
    }
    FAIL("no error");
    return {};
}

bool contains(const std::string& text, const std::string& part)
{
    return text.find(part) != std::string::npos;
}

/// Names in a folder, hidden ones included.
size_t entriesOf(const fs::path& folder)
{
    return size_t(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

} // namespace

TEST_CASE("a file of another type has the same metadata and tensors, each rounded to its type")
{
    const TemporaryDirectory directory;
    const fs::path dense = directory.path() / "dense.gguf";
    tinyllama::write(0, dense);
    const GgufFile source(dense);
    for (const char* mix : {"q8_0", "q4_k_m", "q4_0", "iq4_nl", "bf16"}) {
        CAPTURE(mix);
        const fs::path path = directory.path() / "out.gguf";
        const QuantizeResult result = quantizeFile(dense, path, mix);
        const GgufFile file(path);
        CHECK(file.integer("general.file_type") == findQuantMix(mix)->fileType);
        CHECK(file.integer("general.quantization_version") == 2);
        for (const auto& [key, value] : source.metadata()) {
            CAPTURE(key);
            const GgufValue* copy = file.find(key);
            REQUIRE(copy);
            if (key != "general.file_type" && key != "general.quantization_version")
                CHECK(*copy == value);
        }
        REQUIRE(file.tensors().size() == source.tensors().size());
        size_t bytes = 0;
        for (size_t i = 0; i < file.tensors().size(); ++i) {
            const GgufTensor& before = source.tensors()[i];
            const GgufTensor& after = file.tensors()[i];
            CAPTURE(after.name);
            CHECK(after.name == before.name);
            CHECK(after.shape == before.shape);
            CHECK((after.type != before.type) == (before.shape.size() > 1));
            bytes += after.bytes;
            std::vector<float> expected = valuesOf(source, before);
            std::vector<std::byte> rounded(after.bytes);
            cortex::kernels::quantize(*after.type, expected.data(), rounded.data(), int64_t(expected.size()));
            CHECK(std::memcmp(file.weight(after).data, rounded.data(), after.bytes) == 0);
        }
        CHECK(bytes == result.bytesAfter);
        CHECK(difference(logitsOf(path), tinyllama::expectedLogits(0)) < (contains(mix, "8") ? 0.2 : 1.5));
        fs::remove(path);
    }
    // And back: floats that are what the quantized file means.
    quantizeFile(dense, directory.path() / "q8.gguf", "q8_0");
    quantizeFile(directory.path() / "q8.gguf", directory.path() / "again.gguf", "f32");
    const GgufFile q8(directory.path() / "q8.gguf"), again(directory.path() / "again.gguf");
    for (size_t i = 0; i < q8.tensors().size(); ++i)
        CHECK(valuesOf(q8, q8.tensors()[i]) == valuesOf(again, again.tensors()[i]));
}

TEST_CASE("the mixes give the bits to the tensors that llama.cpp gives them to")
{
    constexpr int layers = 32;
    GgufBuilder builder;
    builder.string("general.architecture", "llama");
    builder.value("llama.block_count", GgufBuilder::uint32Type, uint32_t(layers));
    builder.value("llama.attention.head_count", GgufBuilder::uint32Type, uint32_t(8));
    builder.value("llama.attention.head_count_kv", GgufBuilder::uint32Type, uint32_t(2));
    const auto add = [&](const std::string& name, const std::vector<uint64_t>& columnsFirst) {
        builder.tensor(name, 1, columnsFirst, 0);
    };
    add("token_embd.weight", {256, 8});
    add("output.weight", {256, 8});
    add("output_norm.weight", {256});
    for (int layer = 0; layer < layers; ++layer) {
        const std::string block = "blk." + std::to_string(layer) + ".";
        for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_down"})
            add(block + name + ".weight", {256, 8});
        add(block + "ffn_up.weight", {96, 8}); // no whole blocks of 256
        add(block + "attn_norm.weight", {256});
        add(block + "ffn_gate_inp.weight", {256, 8});
        add(block + "ssm_conv1d.weight", {4, 8});
    }
    const std::string bytes = builder.build(std::string(256 * 8 * 2, '\0'));
    const GgufFile file(MappedFile::fromBytes("mix.gguf", std::as_bytes(std::span(bytes.data(), bytes.size()))));

    /// How many layers have that type for the matrix `name`.
    const auto count = [&](const char* mix, const std::string& name, Type type) {
        const auto types = chooseTypes(file, *findQuantMix(mix));
        int found = 0;
        for (size_t i = 0; i < types.size(); ++i)
            found += ("." + file.tensors()[i].name).ends_with("." + name + ".weight") && types[i] == type ? 1 : 0;
        return found;
    };
    CHECK(count("q4_k_m", "attn_v", Type::Q6_K) == 16);
    CHECK(count("q4_k_m", "attn_v", Type::Q4_K) == 16);
    CHECK(count("q4_k_m", "ffn_down", Type::Q6_K) == 16);
    CHECK(count("q4_k_m", "attn_q", Type::Q4_K) == layers);
    CHECK(count("q4_k_m", "ffn_up", Type::Q5_0) == layers);
    CHECK(count("q4_k_m", "output", Type::Q6_K) == 1);
    CHECK(count("q4_k_m", "token_embd", Type::Q4_K) == 1);
    CHECK(count("q5_k_m", "attn_v", Type::Q6_K) == 16);
    CHECK(count("q5_k_m", "ffn_up", Type::Q5_1) == layers);
    CHECK(count("q4_k_s", "attn_v", Type::Q5_K) == 4);
    CHECK(count("q4_k_s", "ffn_down", Type::Q5_K) == 4);
    CHECK(count("q4_k", "attn_v", Type::Q4_K) == layers);
    CHECK(count("q6_k", "ffn_up", Type::Q8_0) == layers);
    CHECK(count("iq4_nl", "attn_v", Type::Q5_K) == layers); // four heads share a value
    CHECK(count("iq4_xs", "ffn_down", Type::Q5_K) == 4);
    CHECK(count("q2_k", "attn_output", Type::Q3_K) == layers);
    CHECK(count("q2_k", "attn_v", Type::Q4_K) == layers);
    CHECK(count("q3_k_m", "attn_v", Type::Q5_K) == 2);
    CHECK(count("q8_0", "output", Type::Q8_0) == 1);
    CHECK(count("f16", "attn_q", Type::F16) == layers);
    for (const char* mix : {"q8_0", "q4_k_m", "bf16"}) {
        const auto types = chooseTypes(file, *findQuantMix(mix));
        for (size_t i = 0; i < types.size(); ++i)
            for (const char* kept : {"norm.weight", "ffn_gate_inp.weight", "ssm_conv1d.weight"})
                if (file.tensors()[i].name.ends_with(kept))
                    CHECK_FALSE(types[i].has_value());
    }
    CHECK(findQuantMix("Q4_K_M")->name == "q4_k_m");
    CHECK_FALSE(findQuantMix("q9"));
    CHECK_FALSE(findQuantMix(""));
}

TEST_CASE("what cannot be written is refused, and nothing is left behind")
{
    const TemporaryDirectory directory;
    const fs::path dense = directory.path() / "dense.gguf", link = directory.path() / "link.gguf";
    tinyllama::write(0, dense);
    fs::create_symlink(dense, link);
    const std::string before = readFile(dense);
    for (const fs::path& same : {dense, link})
        CHECK(contains(messageOf(ErrorKind::BadRequest, [&] { quantizeFile(dense, same, "q8_0"); }), "another name"));
    CHECK(readFile(dense) == before);
    CHECK(contains(messageOf(ErrorKind::BadRequest, [&] { quantizeFile(dense, "/nowhere/out.gguf", "q8_0"); }),
                   "/nowhere"));

    const fs::path out = directory.path() / "out.gguf";
    writeFile(out, "what stood here");
    const auto stop = [](double, const std::string&) { return false; };
    messageOf(ErrorKind::Cancelled, [&] { quantizeGguf(GgufFile(dense), out, *findQuantMix("q8_0"), 1, stop); });
    CHECK(readFile(out) == "what stood here");
    CHECK(entriesOf(directory.path()) == 3);

    const auto refused = [&](uint32_t type, const std::string& data) {
        GgufBuilder builder;
        builder.string("general.architecture", "llama");
        builder.tensor("blk.0.attn_q.weight", type, {256, 2}, 0);
        writeFile(directory.path() / "bad.gguf", builder.build(data));
        return messageOf(ErrorKind::Unsupported, [&] { quantizeFile(directory.path() / "bad.gguf", out, "q4_0"); });
    };
    CHECK(contains(refused(0, std::string(1024, '\0') + std::string(1020, '\0') + std::string("\0\0\x80\x7f", 4)),
                   "NaN"));
    CHECK(contains(refused(34, std::string(4096, 'x')), "TQ1_0"));
    CHECK(contains(refused(41, std::string(4096, 'x')), "Q1_0"));
    CHECK(readFile(out) == "what stood here");
    CHECK(entriesOf(directory.path()) == 4);
}

TEST_CASE("only a file is replaced, and what is none is refused before any work")
{
    const TemporaryDirectory directory;
    const fs::path dense = directory.path() / "dense.gguf", pipe = directory.path() / "pipe";
    const fs::path toPipe = directory.path() / "topipe", out = directory.path() / "out.gguf";
    tinyllama::write(0, dense);
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    fs::create_symlink(pipe, toPipe);
    const auto worked = [](double, const std::string&) -> bool {
        FAIL("worked");
        return false;
    };
    const auto refused = [&](const fs::path& to) {
        return messageOf(ErrorKind::BadRequest,
                         [&] { quantizeGguf(GgufFile(dense), to, *findQuantMix("q8_0"), 1, worked); });
    };
    CHECK(contains(refused(pipe), "no regular file"));
    CHECK(contains(refused(toPipe), "no regular file"));
    CHECK(contains(refused(directory.path()), "is a directory"));
    CHECK(contains(refused(""), "empty name"));
    CHECK(fs::is_fifo(pipe));
    CHECK(fs::is_symlink(toPipe));

    writeFile(directory.path() / "other.gguf", "what stood here");
    fs::create_symlink(directory.path() / "other.gguf", out);
    quantizeFile(dense, out, "q8_0");
    CHECK(GgufFile(out).tensors().size() == GgufFile(dense).tensors().size());
    CHECK(entriesOf(directory.path()) == 5);
}

TEST_CASE("weights rounded at load are those of a file in that type, and the plan knows")
{
    const TemporaryDirectory directory;
    const fs::path dense = directory.path() / "dense.gguf";
    tinyllama::write(0, dense);
    for (const char* quant : {"q8_0", "q4_k", "q6_k", "q4_0", "iq4_nl", "mxfp4"}) {
        CAPTURE(quant);
        const fs::path path = directory.path() / (std::string(quant) + ".gguf");
        quantizeFile(dense, path, quant);
        CHECK(logitsOf(dense, quant) == logitsOf(path));
        LoadOptions options;
        options.model = dense;
        options.quant = quant;
        LoadOptions ofFile;
        ofFile.model = path;
        const MemoryPlan plan = Engine::plan(options);
        CHECK(plan.weightBytes == Engine::plan(ofFile).weightBytes);
        CHECK(plan.weightBytes == Engine::load(options)->memory().weightBytes);
        CHECK(Engine::inspect(dense, quant).quantization == Engine::inspect(path).quantization);
        CHECK(Engine::inspect(dense, quant).weightBytesPerToken == Engine::inspect(path).weightBytesPerToken);
    }
    const auto load = [&](const fs::path& path, const char* quant) {
        return messageOf(ErrorKind::BadRequest, [&] { logitsOf(path, quant); });
    };
    CHECK(contains(load(dense, "q9_k"), "q4_k_m"));
    CHECK(contains(load(dense, "f32"), "F32 already"));
    CHECK(contains(load(directory.path() / "q8_0.gguf", "q4_k"), "Q8_0 already"));

    const fs::path checkpoint = directory.path() / "checkpoint";
    tinyllama::write(2, checkpoint);
    CHECK(difference(logitsOf(checkpoint, "q8_0"), tinyllama::expectedLogits(2)) < 0.2);
    CHECK(difference(logitsOf(checkpoint, "Q4_K_M"), tinyllama::expectedLogits(2)) < 1.5);
}

TEST_CASE("quantized weights expanded at load are those of their file in float32")
{
    const TemporaryDirectory directory;
    const fs::path dense = directory.path() / "dense.gguf", quantized = directory.path() / "quantized.gguf",
                   expanded = directory.path() / "expanded.gguf";
    tinyllama::write(0, dense);
    for (const char* quant : {"q8_0", "q4_1", "q4_k_m", "mxfp4"}) {
        CAPTURE(quant);
        quantizeFile(dense, quantized, quant);
        quantizeFile(quantized, expanded, "f32");
        CHECK(logitsOf(quantized, "f32") == logitsOf(expanded));
        CHECK(logitsOf(quantized, "f32") != logitsOf(quantized));
        LoadOptions options;
        options.model = quantized;
        options.quant = "f32";
        CHECK(Engine::plan(options).weightBytes == Engine::load(options)->memory().weightBytes);
        CHECK(Engine::inspect(quantized, "f32").quantization == "F32");
    }
}

namespace {

/// A checkpoint of the same tensors as another one, its projections rewritten.
class Rewriter {
public:
    explicit Rewriter(const fs::path& from)
        : m_from(from)
        , m_files(from)
    {
    }

    void add(const std::string& name, const char* dtype, const std::vector<int64_t>& shape, const std::string& bytes)
    {
        m_header[name] = {
            {"dtype", dtype}, {"shape", shape}, {"data_offsets", {m_data.size(), m_data.size() + bytes.size()}}};
        m_data += bytes;
    }
    void copy(const SafeTensor& tensor)
    {
        add(tensor.name, tensor.dtype.c_str(), tensor.shape,
            {static_cast<const char*>(m_files.weight(tensor).data), tensor.bytes});
    }
    const SafetensorsFiles& files() const { return m_files; }

    void write(const fs::path& to, const nlohmann::json& quantizationConfig)
    {
        nlohmann::json config = nlohmann::json::parse(readFile(m_from / "config.json"));
        config["quantization_config"] = quantizationConfig;
        writeFile(to / "config.json", config.dump());
        std::string text = m_header.dump();
        text.resize((text.size() + 7) / 8 * 8, ' ');
        const uint64_t length = text.size();
        writeFile(to / "model.safetensors",
                  std::string(reinterpret_cast<const char*>(&length), sizeof length) + text + m_data);
    }

private:
    fs::path m_from;
    SafetensorsFiles m_files;
    nlohmann::json m_header = nlohmann::json::object();
    std::string m_data;
};

template <typename T>
std::string bytesOf(const std::vector<T>& values)
{
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

/// What FP8 checkpoints keep in FP8: projections, those of experts too, but none with a row for each head alone.
bool isCoded(const SafeTensor& tensor)
{
    return tensor.shape.size() >= 2 && tensor.shape.size() <= 3 && contains(tensor.name, "proj")
        && !contains(tensor.name, "in_proj_a") && !contains(tensor.name, "in_proj_b");
}

/// Writes checkpoint `from` with random FP8 codes and scales for its projections, in blocks of `rows` × `columns` (0:
/// one scale for all), and a second checkpoint of what that means in BF16. Experts that are stacked in one tensor have
/// their blocks each for itself.
void writeFp8(const fs::path& from, const fs::path& fp8, const fs::path& expanded, int64_t rows, int64_t columns)
{
    Rewriter coded(from), plain(from);
    uint32_t state = 1;
    const auto next = [&state] { return state = state * 1664525u + 1013904223u, state >> 16; };
    for (const SafeTensor& tensor : coded.files().tensors()) {
        if (!isCoded(tensor)) {
            coded.copy(tensor);
            plain.copy(tensor);
            continue;
        }
        const int64_t stacked = tensor.shape.size() > 2 ? tensor.shape[0] : 1;
        const int64_t tall = tensor.shape[tensor.shape.size() - 2], wide = tensor.shape.back();
        const int64_t height = rows > 0 ? rows : tall, width = columns > 0 ? columns : wide;
        const int64_t across = (wide + width - 1) / width, down = (tall + height - 1) / height;
        std::vector<float> scales(size_t(stacked * across * down));
        for (float& scale : scales)
            scale = float(100 + next() % 100) / 100000;
        std::vector<uint8_t> codes(size_t(stacked * tall * wide));
        std::vector<uint16_t> values(codes.size());
        for (size_t i = 0; i < codes.size(); ++i) {
            codes[i] = uint8_t(next() % 255);
            if ((codes[i] & 0x7f) == 0x7f)
                codes[i] = 0;
            const int64_t row = int64_t(i) / wide, column = int64_t(i) % wide;
            const int64_t block = row / tall * down + row % tall / height;
            const float scale = scales[size_t(block * across + column / width)];
            values[i] = cortex::kernels::floatToBfloat(cortex::kernels::e4m3ToFloat(codes[i]) * scale);
        }
        coded.add(tensor.name, "F8_E4M3", tensor.shape, bytesOf(codes));
        if (rows > 0 && tensor.shape.size() > 2)
            coded.add(tensor.name + "_scale_inv", "F32", {stacked, down, across}, bytesOf(scales));
        else if (rows > 0)
            coded.add(tensor.name + "_scale_inv", "F32", {down, across}, bytesOf(scales));
        else
            coded.add(tensor.name + "_scale", "F32", {}, bytesOf(scales));
        plain.add(tensor.name, "BF16", tensor.shape, bytesOf(values));
    }
    coded.write(fp8, {{"quant_method", "fp8"}, {"weight_block_size", {rows, columns}}});
    plain.write(expanded, nullptr);
}

} // namespace

TEST_CASE("FP8 checkpoints are what their codes and scales mean in BF16")
{
    const TemporaryDirectory directory;
    const fs::path source = directory.path() / "source";
    tinyllama::write(2, source);
    const std::pair<int64_t, int64_t> blocks[] = {{16, 32}, {128, 128}, {24, 40}, {0, 0}};
    for (const auto& [rows, columns] : blocks) {
        CAPTURE(rows);
        const fs::path fp8 = directory.path() / "fp8", expanded = directory.path() / "expanded";
        writeFp8(source, fp8, expanded, rows, columns);
        if (rows == 0) { // not a block size: leave it out of the configuration
            nlohmann::json config = nlohmann::json::parse(readFile(fp8 / "config.json"));
            config.erase("quantization_config");
            writeFile(fp8 / "config.json", config.dump());
        }
        CHECK(logitsOf(fp8) == logitsOf(expanded));
        LoadOptions options;
        options.model = fp8;
        const MemoryPlan plan = Engine::plan(options);
        options.model = expanded;
        CHECK(plan.weightBytes == Engine::plan(options).weightBytes);
        CHECK(difference(logitsOf(fp8, "q8_0"), logitsOf(expanded, "q8_0")) < 0.1);
        fs::remove_all(fp8);
        fs::remove_all(expanded);
    }
    writeFp8(source, directory.path() / "fp8", directory.path() / "expanded", 16, 32);
    nlohmann::json config = nlohmann::json::parse(readFile(directory.path() / "fp8" / "config.json"));
    config["quantization_config"]["weight_block_size"] = {32, 32};
    writeFile(directory.path() / "fp8" / "config.json", config.dump());
    CHECK(contains(messageOf(ErrorKind::BadFile, [&] { logitsOf(directory.path() / "fp8"); }), "_scale_inv"));
    config["quantization_config"]["weight_block_size"] = {0, "x"};
    writeFile(directory.path() / "fp8" / "config.json", config.dump());
    CHECK(contains(messageOf(ErrorKind::BadFile, [&] { logitsOf(directory.path() / "fp8"); }), "weight_block_size"));
}

TEST_CASE("FP8 checkpoints of hybrid models and of experts, stacked or one by one, in any packing")
{
    const TemporaryDirectory directory;
    const fs::path fp8 = directory.path() / "fp8", expanded = directory.path() / "expanded";
    for (const char* name : {"qwen3_5", "qwen3_5_moe", "qwen3_5_moe-separate", "qwen3_next", "qwen3_moe"}) {
        CAPTURE(name);
        for (const auto& [rows, columns] : {std::pair<int64_t, int64_t>(128, 128), {8, 16}, {24, 40}}) {
            CAPTURE(rows);
            writeFp8(fs::path(CORTEX_GOLDEN) / name, fp8, expanded, rows, columns);
            const std::vector<float> logits = logitsOf(fp8);
            CHECK(std::ranges::all_of(logits, [](float logit) { return std::isfinite(logit); }));
            CHECK(logits == logitsOf(expanded));
        }
    }
}

TEST_CASE("a checkpoint written as GGUF has the tensors and figures that llama.cpp's converter writes")
{
    const TemporaryDirectory directory;
    const fs::path golden = CORTEX_GOLDEN;
    for (const std::string name : {"llama-llama3", "llama-yarn", "mistral-v0.3", "qwen2", "qwen3", "qwen3_5",
                                   "gemma3_text", "qwen3_moe", "qwen3_next", "qwen3_5_moe", "qwen3_5_moe-separate"}) {
        CAPTURE(name);
        const fs::path path = directory.path() / "out.gguf";
        exportGguf(Checkpoint(golden / name), path, {});
        const GgufFile ours(path), theirs(golden / (name.substr(0, name.find("-separate")) + ".gguf"));
        // Theirs has the prediction head as a last block.
        const int64_t layers = ours.integer(ours.requireString("general.architecture") + ".block_count").value_or(0);
        const std::string head = "blk." + std::to_string(layers) + ".";
        size_t shared = 0;
        for (const GgufTensor& tensor : theirs.tensors()) {
            if (tensor.name.starts_with(head))
                continue;
            CAPTURE(tensor.name);
            const GgufTensor* mine = ours.findTensor(tensor.name);
            REQUIRE(mine);
            CHECK(mine->type == tensor.type);
            CHECK(mine->shape == tensor.shape);
            CHECK(valuesOf(ours, *mine) == valuesOf(theirs, tensor));
            ++shared;
        }
        CHECK(ours.tensors().size() == shared);
        for (const auto& [key, value] : theirs.metadata()) {
            CAPTURE(key);
            if (key == "general.size_label" || key.ends_with("nextn_predict_layers") || key.ends_with("block_count"))
                continue;
            REQUIRE(ours.find(key));
            if (key == "general.name")
                CHECK(ours.requireString(key) == name);
            else
                CHECK(*ours.find(key) == value);
        }
        const std::vector<float> before = goldenLogitsOf(golden / name), after = goldenLogitsOf(path);
        CHECK(greatestDifference(after, before) <= 1e-5);
    }
}

TEST_CASE("Gemma's windows at another interval and its scaled positions come through")
{
    const TemporaryDirectory directory;
    const fs::path copy = directory.path() / "copy", path = directory.path() / "out.gguf";
    fs::copy(fs::path(CORTEX_GOLDEN) / "gemma3", copy);
    nlohmann::json config = nlohmann::json::parse(readFile(copy / "config.json"));
    nlohmann::json& text = config["text_config"];
    text["query_pre_attn_scalar"] = text["head_dim"];
    const auto written = [&] {
        writeFile(copy / "config.json", config.dump());
        exportGguf(Checkpoint(copy), path, {});
        CHECK(greatestDifference(goldenLogitsOf(path), goldenLogitsOf(copy)) <= 1e-5);
        return GgufFile(path);
    };
    {
        const GgufFile file = written();
        CHECK(file.integer("gemma3.attention.sliding_window_pattern") == 2);
        CHECK(file.requireString("gemma3.rope.scaling.type") == "linear");
        CHECK(file.integer("gemma3.attention.sliding_window") == 40);
    }
    text["layer_types"] = {"sliding_attention", "sliding_attention", "sliding_attention"};
    CHECK(written().integer("gemma3.attention.sliding_window_pattern") == 4);
    text["layer_types"] = {"full_attention", "full_attention", "full_attention"};
    CHECK_FALSE(written().find("gemma3.attention.sliding_window"));

    const auto refused = [&] {
        writeFile(copy / "config.json", config.dump());
        return messageOf(ErrorKind::Unsupported, [&] { exportGguf(Checkpoint(copy), path, {}); });
    };
    text["layer_types"] = {"full_attention", "sliding_attention", "sliding_attention"};
    CHECK(contains(refused(), "no fixed interval"));
    text["layer_types"] = {"sliding_attention", "full_attention", "sliding_attention"};
    text["rope_scaling"] = {{"rope_type", "yarn"}, {"factor", 4.0}};
    CHECK(contains(refused(), "rotate positions"));
}

TEST_CASE("a checkpoint written as GGUF says what it said before: same tokens, same logits, same end")
{
    const TemporaryDirectory directory;
    const fs::path builtin = fs::path(CORTEX_GOLDEN) / "../../resources/builtin",
                   path = directory.path() / "builtin.gguf";
    exportGguf(Checkpoint(builtin), path, {});
    const Checkpoint before(builtin), after(path);
    const auto read = before.tokenizer(), written = after.tokenizer();
    const std::string text = "<|im_start|>user\nWhat is Cortex?  12 \u00e9\u4e16 don't\n\n<|im_end|>";
    CHECK(written->encode(text, {}) == read->encode(text, {}));
    CHECK(written->vocabularySize() == read->vocabularySize());
    CHECK(written->eos() == read->eos());
    CHECK(written->wantsBos() == read->wantsBos());
    CHECK(after.chatTemplateSource() == before.chatTemplateSource());
    CHECK(difference(logitsOf(path), logitsOf(builtin)) < 1e-4);
    CHECK(entriesOf(directory.path()) == 1);

    for (const char* name : {"qwen3_5", "qwen3_moe", "qwen3_5_moe", "qwen3_5_moe-separate", "qwen3_next"}) {
        CAPTURE(name);
        const fs::path fp8 = directory.path() / "fp8", expanded = directory.path() / "expanded";
        writeFp8(fs::path(CORTEX_GOLDEN) / name, fp8, expanded, 24, 40);
        exportGguf(Checkpoint(fp8), path, {});
        CHECK(greatestDifference(goldenLogitsOf(path), goldenLogitsOf(fp8)) <= 1e-5);
        const GgufFile file(path);
        for (const GgufTensor& tensor : file.tensors())
            if (contains(tensor.name, "ffn_down"))
                CHECK(tensor.type == Type::BF16);
        fs::remove_all(fp8);
        fs::remove_all(expanded);
    }
}

TEST_CASE("checkpoints that GGUF cannot hold are refused, and nothing is written")
{
    const TemporaryDirectory directory;
    const fs::path path = directory.path() / "out.gguf";
    const auto refused = [&](const fs::path& checkpoint) {
        return messageOf(ErrorKind::Unsupported, [&] { exportGguf(Checkpoint(checkpoint), path, {}); });
    };
    const fs::path golden = CORTEX_GOLDEN;
    CHECK(contains(refused(golden / "mistral"), "sliding window"));
    CHECK(contains(refused(golden / "gemma3"), "query_pre_attn_scalar"));

    const auto refusedWith = [&](const char* name, const nlohmann::json& changes) {
        const fs::path changed = directory.path() / "changed";
        fs::copy(golden / name, changed);
        nlohmann::json config = nlohmann::json::parse(readFile(changed / "config.json"));
        config.merge_patch(changes);
        writeFile(changed / "config.json", config.dump());
        const std::string message = refused(changed);
        fs::remove_all(changed);
        return message;
    };
    CHECK(contains(refusedWith("qwen3_moe", {{"norm_topk_prob", false}}), "norm_topk_prob"));
    CHECK(contains(refusedWith("qwen3_next", {{"norm_topk_prob", false}}), "norm_topk_prob"));
    CHECK(contains(refusedWith("qwen3_moe", {{"use_sliding_window", true}, {"sliding_window", 32}}), "window"));

    // Two packings, of which the graph reads one, and the format holds the other.
    const fs::path two = directory.path() / "two";
    fs::create_directory(two);
    Rewriter rewriter(golden / "qwen3_5");
    for (const SafeTensor& tensor : rewriter.files().tensors()) {
        const size_t place = tensor.name.find("in_proj_qkv.weight");
        if (place == std::string::npos) {
            rewriter.copy(tensor);
            continue;
        }
        const std::string layer = tensor.name.substr(0, place);
        const SafeTensor& gate = *rewriter.files().findTensor(layer + "in_proj_z.weight");
        const int64_t rows = tensor.shape[0] + gate.shape[0], columns = tensor.shape[1];
        rewriter.add(layer + "in_proj_qkvz.weight", "F32", {rows, columns}, std::string(size_t(rows * columns * 4), 0));
        rewriter.add(tensor.name, "F32", {2, columns}, std::string(size_t(2 * columns * 4), 0));
    }
    rewriter.write(two, nullptr);
    CHECK(contains(refused(two), "is 2 wide"));
    fs::remove_all(two);

    // A layer of full attention that has a tensor of Gated DeltaNet, too.
    fs::create_directory(two);
    Rewriter both(golden / "qwen3_5");
    for (const SafeTensor& tensor : both.files().tensors()) {
        both.copy(tensor);
        if (const size_t place = tensor.name.find("self_attn.q_norm.weight"); place != std::string::npos)
            both.add(tensor.name.substr(0, place) + "linear_attn.norm.weight", "F32", {1}, std::string(4, 0));
    }
    both.write(two, nullptr);
    refused(two);
    fs::remove_all(two);

    // A pre-tokenizer that no GGUF reader knows.
    const fs::path copy = directory.path() / "copy";
    fs::copy(golden / "../../resources/builtin", copy);
    nlohmann::json tokenizer = nlohmann::json::parse(readFile(copy / "tokenizer.json"));
    tokenizer["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "[a-z]+";
    writeFile(copy / "tokenizer.json", tokenizer.dump());
    CHECK(contains(refused(copy), "pre-tokenizer"));

    const auto stop = [](double, const std::string&) { return false; };
    messageOf(ErrorKind::Cancelled, [&] { exportGguf(Checkpoint(golden / "qwen3"), path, stop); });
    CHECK(entriesOf(directory.path()) == 1);
}
