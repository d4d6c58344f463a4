// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/models/decoderconfig.h"

#include "neuron/engine/error.h"
#include "neuron/engine/models/tensornames.h"

#include <algorithm>
#include <cmath>

namespace cortex::engine {

namespace {

[[noreturn]] void refuse(const Checkpoint& checkpoint, ErrorKind kind, const std::string& cause)
{
    throw Error(kind, checkpoint.path().string() + ": " + cause);
}

/// The embedding's rows.
int ggufVocabularySize(const Checkpoint& checkpoint)
{
    const auto embedding = checkpoint.find(names::TokenEmbedding);
    if (!embedding || embedding->shape.size() != 2 || embedding->shape[0] < 1
        || embedding->shape[0] > limits::Vocabulary)
        refuse(checkpoint, ErrorKind::BadFile,
               "tensor \"" + checkpoint.spell(names::TokenEmbedding)
                   + "\" is missing or not a matrix [vocabulary, embedding_length]");
    return int(embedding->shape[0]);
}

DecoderConfig readGguf(const ConfigReader& reader)
{
    DecoderConfig config;
    AttentionConfig& attention = config.attention;
    // Layers for speculation are counted among the blocks, and come last.
    const int predicting = reader.optionalInteger("nextn_predict_layers", 0, limits::Layers).value_or(0);
    config.layers = reader.integer("block_count", 1 + predicting, limits::Layers) - predicting;
    config.hiddenSize = reader.integer("embedding_length", 1, limits::Width);
    config.vocabularySize = ggufVocabularySize(reader.checkpoint());
    config.contextLimit = reader.integer("context_length", 1, limits::Context);
    config.normEpsilon = float(reader.number("attention.layer_norm_rms_epsilon", 0, 1));
    config.tiedEmbeddings = !reader.checkpoint().find(names::Output);
    attention.heads = reader.integer("attention.head_count", 1, limits::Heads);
    attention.kvHeads = reader.optionalInteger("attention.head_count_kv", 1, limits::Heads).value_or(attention.heads);
    attention.headDim = reader.optionalInteger("attention.key_length", 1, limits::HeadDim)
                            .value_or(config.hiddenSize / attention.heads);
    const int valueDim =
        reader.optionalInteger("attention.value_length", 1, limits::HeadDim).value_or(attention.headDim);
    if (valueDim != attention.headDim)
        reader.fail("attention.value_length", "differs from key_length, which is not supported");
    return config;
}

DecoderConfig readJson(const ConfigReader& reader, const DecoderDefaults& defaults)
{
    const auto integer = [&reader](std::string_view key, int most, int otherwise) {
        return otherwise > 0 ? reader.optionalInteger(key, 1, most).value_or(otherwise) : reader.integer(key, 1, most);
    };
    if (const auto quantization = reader.part("quantization_config");
        quantization && quantization->optionalString("quant_method").value_or("") != "fp8")
        refuse(reader.checkpoint(), ErrorKind::Unsupported,
               "quantized safetensors checkpoints (\"quantization_config\" in config.json) are not supported but for "
               "FP8; use a GGUF file or the original weights");
    DecoderConfig config;
    AttentionConfig& attention = config.attention;
    config.layers = reader.integer("num_hidden_layers", 1, limits::Layers);
    config.hiddenSize = reader.integer("hidden_size", 1, limits::Width);
    config.vocabularySize = integer("vocab_size", limits::Vocabulary, defaults.vocabularySize);
    config.contextLimit = integer("max_position_embeddings", limits::Context, defaults.contextLimit);
    config.normEpsilon = float(reader.optionalNumber("rms_norm_eps", 0, 1).value_or(1e-6));
    config.tiedEmbeddings = reader.optionalBoolean("tie_word_embeddings").value_or(defaults.tiedEmbeddings)
        || !reader.checkpoint().find(names::Output);
    attention.heads = integer("num_attention_heads", limits::Heads, defaults.heads);
    attention.kvHeads =
        integer("num_key_value_heads", limits::Heads, defaults.kvHeads > 0 ? defaults.kvHeads : attention.heads);
    attention.headDim =
        integer("head_dim", limits::HeadDim,
                defaults.headDim > 0 ? defaults.headDim : std::max(1, config.hiddenSize / attention.heads));
    return config;
}

void checkRope(const Checkpoint& checkpoint, const RopeConfig& rope, int headDim)
{
    if (rope.dimensions < 2 || rope.dimensions % 2 != 0 || rope.dimensions > headDim)
        refuse(checkpoint, ErrorKind::BadFile,
               std::to_string(rope.dimensions) + " rotated dimensions do not fit a head of " + std::to_string(headDim));
}

} // namespace

DecoderConfig readDecoderConfig(const ConfigReader& reader, const DecoderDefaults& defaults, bool offsetNorms)
{
    const Checkpoint& checkpoint = reader.checkpoint();
    const bool gguf = checkpoint.gguf() != nullptr;
    DecoderConfig config = gguf ? readGguf(reader) : readJson(reader, defaults);
    AttentionConfig& attention = config.attention;
    if (attention.headDim % 2 != 0)
        refuse(checkpoint, ErrorKind::BadFile,
               "a head of " + std::to_string(attention.headDim) + " dimensions cannot be rotated in pairs");
    if (attention.heads % attention.kvHeads != 0)
        refuse(checkpoint, ErrorKind::BadFile,
               std::to_string(attention.heads) + " query heads cannot share " + std::to_string(attention.kvHeads)
                   + " key/value heads evenly");
    config.normTransform = offsetNorms && !gguf ? Transform::PlusOne : Transform::None;
    attention.hiddenSize = config.hiddenSize;
    attention.scale = 1 / std::sqrt(float(attention.headDim));
    attention.normEpsilon = config.normEpsilon;
    attention.normTransform = config.normTransform;
    return config;
}

ModelShape shapeOf(const DecoderConfig& config)
{
    ModelShape shape;
    shape.layers = config.layers;
    shape.hiddenSize = config.hiddenSize;
    shape.vocabularySize = config.vocabularySize;
    shape.contextLimit = config.contextLimit;
    shape.attentionLayers = config.layers;
    shape.heads = config.attention.heads;
    shape.kvHeads = config.attention.kvHeads;
    shape.headDim = config.attention.headDim;
    shape.widestInput = std::max(config.hiddenSize, config.attention.heads * config.attention.headDim);
    return shape;
}

void requireActivation(const ConfigReader& reader, std::string_view key, std::string_view supported)
{
    if (const auto activation = reader.optionalString(key); activation && *activation != supported)
        refuse(reader.checkpoint(), ErrorKind::Unsupported,
               std::string(key) + " \"" + *activation
                   + "\" is not supported for this architecture (supported: " + std::string(supported) + ")");
}

int readFeedForwardSize(const ConfigReader& reader)
{
    return reader.integer(reader.checkpoint().gguf() ? "feed_forward_length" : "intermediate_size", 1,
                          limits::FeedForward);
}

RopeConfig readRope(const ConfigReader& reader, const DecoderConfig& config, std::string_view layerType, double base,
                    double partial)
{
    const RopeDefaults defaults{config.attention.headDim, config.contextLimit, base, partial};
    RopeConfig rope =
        reader.checkpoint().gguf() ? readGgufRope(reader, defaults) : readJsonRope(reader, defaults, layerType);
    checkRope(reader.checkpoint(), rope, config.attention.headDim);
    return rope;
}

RopeConfig plainRope(const DecoderConfig& config, double base)
{
    RopeConfig rope;
    rope.dimensions = config.attention.headDim;
    rope.base = base;
    return rope;
}

std::optional<std::vector<bool>> readLayerTypes(const ConfigReader& reader, const DecoderConfig& config,
                                                std::string_view type, std::initializer_list<std::string_view> known)
{
    const auto types = reader.optionalStrings("layer_types");
    if (!types)
        return std::nullopt;
    if (types->size() != size_t(config.layers))
        reader.fail("layer_types",
                    "has " + std::to_string(types->size()) + " entries for " + std::to_string(config.layers)
                        + " layers");
    std::vector<bool> layers;
    for (const std::string& name : *types) {
        if (std::find(known.begin(), known.end(), name) == known.end())
            reader.fail("layer_types", "has a layer of the unknown type \"" + name + "\"");
        layers.push_back(name == type);
    }
    return layers;
}

SlidingWindows readSlidingWindows(const ConfigReader& reader, const DecoderConfig& config)
{
    SlidingWindows windows;
    windows.layers.assign(size_t(config.layers), false);
    if (reader.checkpoint().gguf() || !reader.optionalBoolean("use_sliding_window").value_or(false))
        return windows;
    if (reader.has("sliding_window"))
        windows.window = reader.optionalInteger("sliding_window", 1, limits::Context).value_or(0);
    else
        windows.window = 4096;
    const int first = reader.optionalInteger("max_window_layers", 0, limits::Layers).value_or(28);
    for (int i = first; i < config.layers; ++i)
        windows.layers[size_t(i)] = true;
    if (auto types = readLayerTypes(reader, config, "sliding_attention", {"sliding_attention", "full_attention"}))
        windows.layers = std::move(*types);
    return windows;
}

std::vector<int> addReaches(DecoderConfig& config, const RopeConfig& rope, const SlidingWindows& windows)
{
    config.attention.reaches = {{rope, 0}};
    if (windows.window == 0)
        return std::vector<int>(size_t(config.layers), 0);
    config.attention.reaches.push_back({rope, windows.window});
    return {windows.layers.begin(), windows.layers.end()};
}

} // namespace cortex::engine
