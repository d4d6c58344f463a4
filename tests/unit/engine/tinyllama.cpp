// SPDX-License-Identifier: GPL-3.0-only
#include "tinyllama.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <stdlib.h>

namespace cortex::engine::tests {

namespace fs = std::filesystem;
using kernels::Type;

namespace {

constexpr int Hidden = 64, Layers = 2, Heads = 4, KvHeads = 2, HeadDim = 16, Inner = 96, Tokens = 24;

uint64_t mix(uint64_t z)
{
    z += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/// `count` signed bytes that belong to a name.
std::vector<int> noise(const std::string& name, size_t count)
{
    uint64_t seed = 0xCBF29CE484222325u;
    for (unsigned char byte : name)
        seed = (seed ^ byte) * 0x100000001B3u;
    std::vector<int> values(count);
    for (size_t i = 0; i < count; ++i)
        values[i] = int8_t(uint8_t(mix(seed + i * 0x9E3779B97F4A7C15u) >> 56));
    return values;
}

/// A tensor of the model: its GGUF name, from which its values follow, and its name in safetensors.
struct Entry {
    std::string gguf, safetensors;
    std::vector<int64_t> shape;
    std::vector<float> values;
};

Entry matrix(const std::string& gguf, const std::string& safetensors, int64_t rows, int64_t columns)
{
    Entry entry{gguf, safetensors, {rows, columns}, {}};
    for (int value : noise(gguf, size_t(rows * columns)))
        entry.values.push_back(float(value) / 256);
    return entry;
}

Entry norm(const std::string& gguf, const std::string& safetensors)
{
    Entry entry{gguf, safetensors, {Hidden}, {}};
    for (int value : noise(gguf, Hidden))
        entry.values.push_back(1 + float(std::abs(value) >> 1) / 128);
    return entry;
}

Entry bias(const std::string& gguf, const std::string& safetensors, int64_t rows)
{
    Entry entry = matrix(gguf, safetensors, rows, 1);
    entry.shape = {rows};
    return entry;
}

std::vector<Entry> entries(bool tied, bool biases)
{
    std::vector<Entry> list{
        matrix("token_embd.weight", "model.embed_tokens.weight", tinyllama::Vocabulary, Hidden),
        norm("output_norm.weight", "model.norm.weight"),
    };
    if (!tied)
        list.push_back(matrix("output.weight", "lm_head.weight", tinyllama::Vocabulary, Hidden));
    for (int i = 0; i < Layers; ++i) {
        const std::string g = "blk." + std::to_string(i) + ".", s = "model.layers." + std::to_string(i) + ".";
        const auto project = [&](const std::string& gguf, const std::string& safetensors, int64_t rows,
                                 int64_t columns) {
            list.push_back(matrix(g + gguf + ".weight", s + safetensors + ".weight", rows, columns));
            if (biases)
                list.push_back(bias(g + gguf + ".bias", s + safetensors + ".bias", rows));
        };
        list.push_back(norm(g + "attn_norm.weight", s + "input_layernorm.weight"));
        project("attn_q", "self_attn.q_proj", Heads * HeadDim, Hidden);
        project("attn_k", "self_attn.k_proj", KvHeads * HeadDim, Hidden);
        project("attn_v", "self_attn.v_proj", KvHeads * HeadDim, Hidden);
        project("attn_output", "self_attn.o_proj", Hidden, Heads * HeadDim);
        list.push_back(norm(g + "ffn_norm.weight", s + "post_attention_layernorm.weight"));
        list.push_back(matrix(g + "ffn_gate.weight", s + "mlp.gate_proj.weight", Inner, Hidden));
        list.push_back(matrix(g + "ffn_up.weight", s + "mlp.up_proj.weight", Inner, Hidden));
        list.push_back(matrix(g + "ffn_down.weight", s + "mlp.down_proj.weight", Hidden, Inner));
    }
    return list;
}

template <typename T>
void append(std::string& bytes, T value)
{
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// `values` in `type`, every one exactly (Q8_0 with a scale of 1/256).
std::string encoded(const std::vector<float>& values, Type type)
{
    std::string bytes;
    for (size_t i = 0; i < values.size(); ++i) {
        switch (type) {
        case Type::F32:
            append(bytes, values[i]);
            break;
        case Type::F16:
            append(bytes, kernels::floatToHalf(values[i]));
            break;
        case Type::BF16:
            append(bytes, kernels::floatToBfloat(values[i]));
            break;
        case Type::Q8_0:
            if (i % 32 == 0)
                append(bytes, kernels::floatToHalf(1.0f / 256));
            append(bytes, int8_t(values[i] * 256));
            break;
        default:
            throw std::logic_error("this type is not written");
        }
    }
    return bytes;
}

uint32_t ggmlType(Type type)
{
    return type == Type::F32 ? 0 : type == Type::F16 ? 1 : type == Type::Q8_0 ? 8 : 30;
}

/// The parts of a GGUF file as they are put together.
class GgufWriter {
public:
    void string(const std::string& key, const std::string& value)
    {
        text(m_metadata, key);
        append(m_metadata, uint32_t(8));
        text(m_metadata, value);
        ++m_keys;
    }
    void integer(const std::string& key, uint32_t value) { scalar(key, 4, value); }
    void number(const std::string& key, float value) { scalar(key, 6, value); }
    void tensor(const std::string& name, const std::vector<int64_t>& shape, Type type, const std::vector<float>& values)
    {
        text(m_infos, name);
        append(m_infos, uint32_t(shape.size()));
        for (auto extent = shape.rbegin(); extent != shape.rend(); ++extent)
            append(m_infos, uint64_t(*extent));
        append(m_infos, ggmlType(type));
        append(m_infos, uint64_t(m_data.size()));
        m_data += encoded(values, type);
        m_data.resize((m_data.size() + 31) / 32 * 32);
        ++m_tensors;
    }
    std::string bytes() const
    {
        std::string file = "GGUF";
        append(file, uint32_t(3));
        append(file, m_tensors);
        append(file, m_keys);
        file += m_metadata + m_infos;
        file.resize((file.size() + 31) / 32 * 32);
        return file + m_data;
    }

private:
    template <typename T>
    void scalar(const std::string& key, uint32_t type, T value)
    {
        text(m_metadata, key);
        append(m_metadata, type);
        append(m_metadata, value);
        ++m_keys;
    }
    static void text(std::string& bytes, const std::string& value)
    {
        append(bytes, uint64_t(value.size()));
        bytes += value;
    }
    std::string m_metadata, m_infos, m_data;
    uint64_t m_keys = 0, m_tensors = 0;
};

void writeGguf(const fs::path& path, bool withDivisors, Type type)
{
    GgufWriter writer;
    writer.string("general.architecture", "llama");
    writer.string("general.name", "tiny");
    writer.integer("llama.block_count", Layers);
    writer.integer("llama.context_length", tinyllama::ContextLimit);
    writer.integer("llama.embedding_length", Hidden);
    writer.integer("llama.feed_forward_length", Inner);
    writer.integer("llama.attention.head_count", Heads);
    writer.integer("llama.attention.head_count_kv", KvHeads);
    writer.number("llama.attention.layer_norm_rms_epsilon", 1e-5f);
    writer.number("llama.rope.freq_base", withDivisors ? 500000.0f : 10000.0f);
    if (withDivisors)
        writer.tensor("rope_freqs.weight", {HeadDim / 2}, Type::F32, {1, 2, 3, 4, 5, 6, 7, 8});
    for (const Entry& entry : entries(!withDivisors, false))
        writer.tensor(entry.gguf, entry.shape, entry.shape.size() == 1 ? Type::F32 : type, entry.values);
    writeFile(path, writer.bytes());
}

void writeSafetensors(const fs::path& directory, bool mistral)
{
    using Json = nlohmann::json;
    fs::create_directories(directory);
    Json config = {{"model_type", mistral ? "mistral" : "llama"},
                   {"num_hidden_layers", Layers},
                   {"hidden_size", Hidden},
                   {"intermediate_size", Inner},
                   {"num_attention_heads", Heads},
                   {"num_key_value_heads", KvHeads},
                   {"vocab_size", tinyllama::Vocabulary},
                   {"max_position_embeddings", tinyllama::ContextLimit},
                   {"rms_norm_eps", 1e-5}};
    if (mistral) {
        config["sliding_window"] = 8;
        config["rope_scaling"] = {{"type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 64}};
    } else {
        config["rope_theta"] = 500000.0;
        config["attention_bias"] = true;
        config["rope_scaling"] = {{"rope_type", "llama3"},
                                  {"factor", 8.0},
                                  {"low_freq_factor", 1.0},
                                  {"high_freq_factor", 4.0},
                                  {"original_max_position_embeddings", 64}};
    }
    writeFile(directory / "config.json", config.dump());

    Json header = Json::object();
    std::string data;
    for (const Entry& entry : entries(false, !mistral)) {
        const size_t begin = data.size();
        data += encoded(entry.values, Type::BF16);
        header[entry.safetensors] = {{"dtype", "BF16"}, {"shape", entry.shape}, {"data_offsets", {begin, data.size()}}};
    }
    std::string text = header.dump();
    text.resize((text.size() + 7) / 8 * 8, ' ');
    std::string file;
    append(file, uint64_t(text.size()));
    writeFile(directory / "model.safetensors", file + text + data);
}

} // namespace

std::vector<int32_t> tinyllama::tokens()
{
    std::vector<int32_t> list;
    for (int i = 0; i < Tokens; ++i)
        list.push_back((i * 37 + 11) % Vocabulary);
    return list;
}

std::vector<float> tinyllama::expectedLogits(int variant)
{
    const std::string bytes = readFile(fs::path(CORTEX_ENGINE_TEST_DATA) / "tinyllama.f32");
    std::vector<float> logits(size_t(Tokens) * Vocabulary);
    const size_t size = logits.size() * sizeof(float);
    if (bytes.size() < size * size_t(variant + 1))
        throw std::runtime_error("tinyllama.f32 is too short; run tests/reference/tiny-llama.py");
    std::memcpy(logits.data(), bytes.data() + size * size_t(variant), size);
    return logits;
}

void tinyllama::write(int variant, const fs::path& path, Type type)
{
    if (variant < 2)
        writeGguf(path, variant == 1, type);
    else
        writeSafetensors(path, variant == 3);
}

TemporaryDirectory::TemporaryDirectory()
{
    std::string name = (fs::temp_directory_path() / "cortex-engine-XXXXXX").string();
    if (!::mkdtemp(name.data()))
        throw std::runtime_error("no temporary directory: " + name);
    m_path = name;
}

TemporaryDirectory::~TemporaryDirectory()
{
    std::error_code ignored; // a left-over in /tmp is no reason to fail
    fs::remove_all(m_path, ignored);
}

void writeFile(const fs::path& path, const std::string& bytes)
{
    fs::create_directories(path.parent_path());
    std::ofstream file(path, std::ios::binary);
    file << bytes;
    if (!file.flush())
        throw std::runtime_error("cannot write " + path.string());
}

std::string readFile(const fs::path& path)
{
    std::ifstream file(path, std::ios::binary);
    if (!file)
        throw std::runtime_error("cannot read " + path.string());
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

} // namespace cortex::engine::tests
