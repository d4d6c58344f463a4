// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/quantize/quantmix.h"

#include "neuron/engine/error.h"
#include "neuron/engine/formats/quotedname.h"

#include <algorithm>
#include <charconv>
#include <map>

namespace cortex::engine {

namespace {

using kernels::Type;
using Extra = QuantMix::Extra;

constexpr QuantMix mixes[]{
    {"f32", Type::F32, Extra::None, 0},         {"f16", Type::F16, Extra::None, 1},
    {"bf16", Type::BF16, Extra::None, 32},      {"q8_0", Type::Q8_0, Extra::None, 7},
    {"q6_k", Type::Q6_K, Extra::None, 18},      {"q5_k_m", Type::Q5_K, Extra::Medium, 17},
    {"q5_k", Type::Q5_K, Extra::None, 16},      {"q5_0", Type::Q5_0, Extra::None, 8},
    {"q5_1", Type::Q5_1, Extra::None, 9},       {"q4_k_m", Type::Q4_K, Extra::Medium, 15},
    {"q4_k_s", Type::Q4_K, Extra::Small, 14},   {"q4_k", Type::Q4_K, Extra::None, 14},
    {"q4_0", Type::Q4_0, Extra::None, 2},       {"q4_1", Type::Q4_1, Extra::None, 3},
    {"iq4_nl", Type::IQ4_NL, Extra::Small, 25}, {"iq4_xs", Type::IQ4_XS, Extra::Small, 30},
    {"mxfp4", Type::MXFP4, Extra::None, 38},    {"q3_k_m", Type::Q3_K, Extra::Medium, 12},
    {"q3_k", Type::Q3_K, Extra::None, 11},      {"q2_k", Type::Q2_K, Extra::Medium, 10},
};

/// Names of tensors that are matrices, but too small or too delicate to lose bits.
constexpr std::string_view keptNames[]{"_norm.weight", "ffn_gate_inp.weight",  "ffn_gate_inp_shexp.weight",
                                       "ssm_conv1d",   "shortconv.conv",       "altup",
                                       "laurel",       "per_layer_model_proj", "position_embd",
                                       "token_types",  "attn_rel_b",           "time_mix_"};

bool contains(std::string_view text, std::string_view part)
{
    return text.find(part) != std::string_view::npos;
}

/// N of "blk.N.…"; −1 for tensors of no layer.
int layerOf(std::string_view name)
{
    int layer = -1;
    if (name.starts_with("blk."))
        std::from_chars(name.data() + 4, name.data() + name.size(), layer);
    return layer;
}

/// Which a tensor is, among those that the mixes tell apart.
enum class Role { Output, Embedding, Value, Key, AttentionOutput, Down, Other };

Role roleOf(std::string_view name)
{
    if (name == "output.weight")
        return Role::Output;
    if (name == "token_embd.weight")
        return Role::Embedding;
    if (contains(name, "attn_v.weight") || contains(name, "attn_qkv.weight") || contains(name, "attn_kv_b.weight"))
        return Role::Value;
    if (contains(name, "attn_k.weight"))
        return Role::Key;
    if (contains(name, "attn_output.weight"))
        return Role::AttentionOutput;
    return contains(name, "ffn_down") ? Role::Down : Role::Other;
}

bool isKept(std::string_view name)
{
    return !name.ends_with("weight")
        || std::ranges::any_of(keptNames, [name](std::string_view kept) { return contains(name, kept); });
}

bool isQuantizable(const GgufTensor& tensor)
{
    const auto extents = std::ranges::count_if(tensor.shape, [](int64_t extent) { return extent > 1; });
    return extents >= 2 && !isKept(tensor.name);
}

/// Of the output matrix, or of the embedding that serves as it.
Type outputType(Type base, int64_t columns)
{
    const bool whole = columns % kernels::traits(base).blockElements == 0;
    return !whole || base == Type::Q8_0 ? Type::Q8_0 : Type::Q6_K;
}

/// The first and last eighth of the layers, and every third between.
bool isDelicate(int layer, int layers)
{
    return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
}

/// A type that rows of `columns` can have.
Type fallBack(Type type, int64_t columns)
{
    const auto fits = [columns](Type t) { return columns % kernels::traits(t).blockElements == 0; };
    if (fits(type))
        return type;
    switch (type) {
    case Type::Q2_K:
    case Type::Q3_K:
        type = Type::Q4_0;
        break;
    case Type::Q4_K:
        type = Type::Q5_0;
        break;
    case Type::Q5_K:
        type = Type::Q5_1;
        break;
    case Type::Q6_K:
        type = Type::Q8_0;
        break;
    case Type::IQ4_XS:
        type = Type::IQ4_NL;
        break;
    default:
        break;
    }
    return fits(type) ? type : Type::F16;
}

class TypeChooser {
public:
    TypeChooser(const GgufFile& file, const QuantMix& mix);

    std::optional<Type> choose(const GgufTensor& tensor) const;

private:
    int64_t setting(std::string_view key) const;
    Type valueType(std::string_view name) const;
    Type downType(int layer) const;
    Type attentionOutputType() const;

    const GgufFile& m_file;
    const QuantMix& m_mix;
    bool m_tied;
    int m_layers;
    int64_t m_experts;
    int64_t m_headsPerValue;
    std::map<std::string, int, std::less<>> m_values; ///< value projections by name, counted layer by layer
};

TypeChooser::TypeChooser(const GgufFile& file, const QuantMix& mix)
    : m_file(file)
    , m_mix(mix)
    , m_tied(file.findTensor("output.weight") == nullptr)
    , m_layers(int(setting(".block_count")))
    , m_experts(setting(".expert_count"))
{
    const int64_t sharing = setting(".attention.head_count_kv");
    m_headsPerValue = sharing > 0 ? setting(".attention.head_count") / sharing : 1;

    std::vector<std::pair<int, std::string>> values;
    for (const GgufTensor& tensor : file.tensors())
        if (roleOf(tensor.name) == Role::Value)
            values.emplace_back(layerOf(tensor.name), tensor.name);
    std::ranges::sort(values);
    for (const auto& [layer, name] : values)
        m_values.emplace(name, int(m_values.size()));
}

/// An integer of the architecture's; the largest where each layer has its own; 0 where there is none.
int64_t TypeChooser::setting(std::string_view key) const
{
    const std::string* architecture = m_file.string("general.architecture");
    const std::string name = (architecture ? *architecture : std::string()) + std::string(key);
    if (const auto* each = m_file.integers(name); each && !each->empty())
        return *std::ranges::max_element(*each);
    return m_file.integer(name).value_or(0);
}

std::optional<Type> TypeChooser::choose(const GgufTensor& tensor) const
{
    if (!isQuantizable(tensor))
        return std::nullopt;
    if (!kernels::traits(m_mix.base).isQuantized())
        return m_mix.base;
    Type type = m_mix.base;
    switch (roleOf(tensor.name)) {
    case Role::Output:
        type = outputType(m_mix.base, tensor.shape.back());
        break;
    case Role::Embedding:
        if (m_tied)
            type = outputType(m_mix.base, tensor.shape.back());
        break;
    case Role::Value:
        type = valueType(tensor.name);
        break;
    case Role::Key:
        if (m_experts == 8)
            type = Type::Q8_0;
        break;
    case Role::Down:
        type = downType(layerOf(tensor.name));
        break;
    case Role::AttentionOutput:
        type = attentionOutputType();
        break;
    case Role::Other:
        break;
    }
    return fallBack(type, tensor.shape.back());
}

Type TypeChooser::valueType(std::string_view name) const
{
    const auto index = m_values.find(name)->second;
    if (m_experts == 8)
        return Type::Q8_0;
    switch (m_mix.base) {
    case Type::Q5_K:
    case Type::Q4_K:
        if (m_mix.extra == Extra::Medium && isDelicate(index, int(m_values.size())))
            return Type::Q6_K;
        return m_mix.extra == Extra::Small && index < 4 ? Type::Q5_K : m_mix.base;
    case Type::IQ4_NL:
    case Type::IQ4_XS:
        return m_headsPerValue >= 4 ? Type::Q5_K : m_mix.base;
    case Type::Q3_K:
        return m_mix.extra == Extra::None ? Type::Q3_K : index < 2 ? Type::Q5_K : Type::Q4_K;
    case Type::Q2_K:
        return m_headsPerValue >= 4 ? Type::Q4_K : Type::Q3_K;
    default:
        return m_mix.base;
    }
}

Type TypeChooser::downType(int layer) const
{
    const bool early = layer < m_layers / 8;
    switch (m_mix.base) {
    case Type::Q5_K:
    case Type::Q4_K:
        if (m_mix.extra == Extra::Medium && isDelicate(layer, m_layers))
            return Type::Q6_K;
        return m_mix.extra == Extra::Small && early ? Type::Q5_K : m_mix.base;
    case Type::IQ4_NL:
    case Type::IQ4_XS:
        return early ? Type::Q5_K : m_mix.base;
    case Type::Q3_K:
        return m_mix.extra == Extra::None ? Type::Q3_K : layer < m_layers / 16 ? Type::Q5_K : Type::Q4_K;
    case Type::Q2_K:
        return Type::Q3_K;
    default:
        return m_mix.base;
    }
}

Type TypeChooser::attentionOutputType() const
{
    const Type base = m_mix.base;
    const bool small =
        base == Type::Q2_K || base == Type::Q3_K || base == Type::Q4_K || base == Type::IQ4_NL || base == Type::IQ4_XS;
    if (m_experts == 8)
        return small ? Type::Q5_K : base;
    if (base == Type::Q2_K)
        return Type::Q3_K;
    return base == Type::Q3_K && m_mix.extra == Extra::Medium ? Type::Q4_K : base;
}

} // namespace

std::optional<Type> typeAtLoad(Type wanted, std::string_view gguf, Type stored, int64_t columns, kernels::WeightUse use)
{
    const bool matrix = use == kernels::WeightUse::Product || use == kernels::WeightUse::Both;
    const bool expanded = wanted == Type::F32;
    if (!matrix || (kernels::traits(stored).isQuantized() && !expanded) || isKept(gguf))
        return std::nullopt;
    if (!kernels::traits(wanted).isQuantized())
        return wanted;
    const Role role = roleOf(gguf);
    const bool output = role == Role::Output || role == Role::Embedding;
    return fallBack(output ? outputType(wanted, columns) : wanted, columns);
}

std::optional<Type> quantTypeAtLoad(std::string_view name)
{
    if (name.empty())
        return std::nullopt;
    if (const std::optional<QuantMix> mix = findQuantMix(name))
        return mix->base;
    throw Error(ErrorKind::BadRequest,
                "weights cannot be quantized to " + quotedName(name) + " at load; the types are " + quantMixNames());
}

std::optional<QuantMix> findQuantMix(std::string_view name)
{
    const auto same = [name](const QuantMix& mix) {
        return std::ranges::equal(mix.name, name, {}, {},
                                  [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
    };
    const auto* found = std::ranges::find_if(mixes, same);
    return found == std::end(mixes) ? std::nullopt : std::optional(*found);
}

std::string quantMixNames()
{
    std::string names;
    for (const QuantMix& mix : mixes)
        names += (names.empty() ? "" : ", ") + std::string(mix.name);
    return names;
}

std::vector<std::optional<Type>> chooseTypes(const GgufFile& file, const QuantMix& mix)
{
    const TypeChooser chooser(file, mix);
    std::vector<std::optional<Type>> types;
    for (const GgufTensor& tensor : file.tensors())
        types.push_back(chooser.choose(tensor));
    return types;
}

} // namespace cortex::engine
