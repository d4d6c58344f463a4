// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/models/llamaconfig.h"

#include "neuron/engine/error.h"
#include "neuron/engine/models/configreader.h"
#include "neuron/engine/models/tensornames.h"

#include <limits>

namespace cortex::engine {

namespace {

// Far beyond any known model, and small enough that no product of them overflows.
constexpr int MostLayers = 1024;
constexpr int MostHeads = 1024;
constexpr int MostHeadDim = 1024;
constexpr int MostWidth = 1 << 18;
constexpr int MostFeedForward = 1 << 20;
constexpr int MostVocabulary = 1 << 22;
constexpr int MostContext = 1 << 26;
constexpr double Largest = std::numeric_limits<float>::max();

/// rope_freqs.weight, where a GGUF file has it.
std::vector<float> readRopeDivisors(const Checkpoint& checkpoint, int pairs)
{
    const auto tensor = checkpoint.find(names::RopeDivisors);
    if (!checkpoint.gguf() || !tensor)
        return {};
    const std::string what = checkpoint.path().string() + ": tensor \"" + tensor->name + "\"";
    if (tensor->shape != std::vector<int64_t>{pairs} || tensor->type != kernels::Type::F32)
        throw Error(ErrorKind::BadFile, what + " should hold " + std::to_string(pairs) + " float32 values");
    std::vector<float> divisors(size_t(pairs), 0.0f);
    kernels::dequantize(kernels::Type::F32, checkpoint.weight(*tensor).data, divisors.data(), pairs);
    for (float divisor : divisors) {
        if (!(divisor > 0) || divisor > Largest)
            throw Error(ErrorKind::BadFile,
                        what + " holds " + std::to_string(divisor) + ", which is not a positive number");
    }
    return divisors;
}

[[noreturn]] void refuseScaling(const Checkpoint& checkpoint, const std::string& kind)
{
    throw Error(ErrorKind::Unsupported,
                checkpoint.path().string() + ": rope scaling \"" + kind
                    + "\" is not supported (supported: linear, llama3, yarn)");
}

RopeScaling readGgufScaling(const Checkpoint& checkpoint, const ConfigReader& reader, int contextLimit)
{
    RopeScaling scaling;
    const std::string kind = reader.optionalString("rope.scaling.type").value_or("none");
    const double oldFactor = reader.optionalNumber("rope.scale_linear", 1e-3, 1e6).value_or(1); // files of 2023
    scaling.factor = reader.optionalNumber("rope.scaling.factor", 1e-3, 1e6).value_or(oldFactor);
    if (kind == "none" && oldFactor == 1)
        return scaling;
    if (kind == "linear" || kind == "none") {
        scaling.kind = RopeScaling::Kind::Linear;
    } else if (kind == "yarn") {
        scaling.kind = RopeScaling::Kind::Yarn;
        scaling.originalContext =
            reader.optionalInteger("rope.scaling.original_context_length", 1, MostContext).value_or(contextLimit);
        scaling.betaFast = reader.optionalNumber("rope.scaling.yarn_beta_fast", 1e-3, 1e6).value_or(32);
        scaling.betaSlow = reader.optionalNumber("rope.scaling.yarn_beta_slow", 1e-3, 1e6).value_or(1);
    } else {
        refuseScaling(checkpoint, kind);
    }
    return scaling;
}

RopeScaling readJsonScaling(const Checkpoint& checkpoint, const ConfigReader& rope, int contextLimit)
{
    RopeScaling scaling;
    const std::string kind = rope.optionalString("rope_type").value_or(rope.optionalString("type").value_or("default"));
    if (kind == "default")
        return scaling;
    scaling.factor = rope.number("factor", 1e-3, 1e6);
    scaling.originalContext =
        rope.optionalInteger("original_max_position_embeddings", 1, MostContext).value_or(contextLimit);
    if (kind == "linear") {
        scaling.kind = RopeScaling::Kind::Linear;
    } else if (kind == "llama3") {
        scaling.kind = RopeScaling::Kind::Llama3;
        scaling.lowFrequencyFactor = rope.number("low_freq_factor", 1e-3, 1e6);
        scaling.highFrequencyFactor = rope.number("high_freq_factor", 1e-3, 1e6);
        if (scaling.highFrequencyFactor <= scaling.lowFrequencyFactor)
            rope.fail("high_freq_factor", "is not above low_freq_factor");
    } else if (kind == "yarn") {
        scaling.kind = RopeScaling::Kind::Yarn;
        scaling.betaFast = rope.optionalNumber("beta_fast", 1e-3, 1e6).value_or(32);
        scaling.betaSlow = rope.optionalNumber("beta_slow", 1e-3, 1e6).value_or(1);
        scaling.attentionFactor = rope.optionalNumber("attention_factor", 0, 1e3).value_or(0);
    } else {
        refuseScaling(checkpoint, kind);
    }
    return scaling;
}

LlamaConfig readGguf(const Checkpoint& checkpoint)
{
    const ConfigReader reader(checkpoint);
    if (reader.optionalInteger("expert_count", 0, 1 << 20).value_or(0) > 0)
        throw Error(ErrorKind::Unsupported,
                    checkpoint.path().string()
                        + ": mixture-of-experts models of the llama architecture are not supported");
    LlamaConfig config;
    config.layers = reader.integer("block_count", 1, MostLayers);
    config.hiddenSize = reader.integer("embedding_length", 1, MostWidth);
    config.feedForwardSize = reader.integer("feed_forward_length", 1, MostFeedForward);
    config.heads = reader.integer("attention.head_count", 1, MostHeads);
    config.kvHeads = reader.optionalInteger("attention.head_count_kv", 1, MostHeads).value_or(config.heads);
    config.headDim =
        reader.optionalInteger("attention.key_length", 1, MostHeadDim).value_or(config.hiddenSize / config.heads);
    config.contextLimit = reader.integer("context_length", 1, MostContext);
    config.normEpsilon = float(reader.number("attention.layer_norm_rms_epsilon", 0, 1));
    config.tiedEmbeddings = !checkpoint.find(names::Output);
    const auto embedding = checkpoint.find(names::TokenEmbedding);
    if (!embedding || embedding->shape.size() != 2 || embedding->shape[0] < 1 || embedding->shape[0] > MostVocabulary)
        throw Error(ErrorKind::BadFile,
                    checkpoint.path().string() + ": tensor \"" + checkpoint.spell(names::TokenEmbedding)
                        + "\" is missing or not a matrix [vocabulary, embedding_length]");
    config.vocabularySize = int(embedding->shape[0]);

    // The converter permutes the rows of queries and keys for interleaved pairs.
    config.ropePairing = kernels::RopePairing::Interleaved;
    config.rope.dimensions = reader.optionalInteger("rope.dimension_count", 1, MostHeadDim).value_or(config.headDim);
    config.rope.base = reader.optionalNumber("rope.freq_base", 1, Largest).value_or(10000);
    config.rope.scaling = readGgufScaling(checkpoint, reader, config.contextLimit);
    if (config.rope.scaling.kind == RopeScaling::Kind::Yarn) {
        // This format's factor multiplies the magnitude that follows from the scaling.
        const double factor = reader.optionalNumber("rope.scaling.attn_factor", 1e-3, 1e3).value_or(1);
        config.rope.scaling.attentionFactor = factor * double(ropeMagnitude(config.rope));
    }
    return config;
}

LlamaConfig readJson(const Checkpoint& checkpoint)
{
    const ConfigReader reader(checkpoint);
    if (reader.part("quantization_config"))
        throw Error(ErrorKind::Unsupported,
                    checkpoint.path().string()
                        + ": quantized safetensors checkpoints "
                          "(\"quantization_config\" in config.json) are not supported; use a GGUF file or the original "
                          "weights");
    if (reader.optionalString("hidden_act").value_or("silu") != "silu")
        throw Error(ErrorKind::Unsupported,
                    checkpoint.path().string() + ": hidden_act \"" + *reader.optionalString("hidden_act")
                        + "\" is not supported for this architecture (supported: silu)");
    if (reader.optionalBoolean("mlp_bias").value_or(false))
        throw Error(ErrorKind::Unsupported, checkpoint.path().string() + ": mlp_bias is not supported");
    LlamaConfig config;
    config.layers = reader.integer("num_hidden_layers", 1, MostLayers);
    config.hiddenSize = reader.integer("hidden_size", 1, MostWidth);
    config.feedForwardSize = reader.integer("intermediate_size", 1, MostFeedForward);
    config.heads = reader.integer("num_attention_heads", 1, MostHeads);
    config.kvHeads = reader.optionalInteger("num_key_value_heads", 1, MostHeads).value_or(config.heads);
    config.headDim = reader.optionalInteger("head_dim", 1, MostHeadDim).value_or(config.hiddenSize / config.heads);
    config.vocabularySize = reader.integer("vocab_size", 1, MostVocabulary);
    config.contextLimit = reader.optionalInteger("max_position_embeddings", 1, MostContext).value_or(2048);
    config.normEpsilon = float(reader.optionalNumber("rms_norm_eps", 0, 1).value_or(1e-6));
    config.tiedEmbeddings = reader.optionalBoolean("tie_word_embeddings").value_or(false);
    if (checkpoint.architecture() == "mistral")
        config.slidingWindow = reader.optionalInteger("sliding_window", 0, MostContext).value_or(0);

    config.ropePairing = kernels::RopePairing::HalfSplit;
    config.rope.dimensions = config.headDim;
    config.rope.base = reader.optionalNumber("rope_theta", 1, Largest).value_or(10000);
    auto rope = reader.part("rope_parameters"); // transformers 5; before it, rope_scaling and rope_theta
    if (!rope)
        rope = reader.part("rope_scaling");
    if (rope) {
        config.rope.base = rope->optionalNumber("rope_theta", 1, Largest).value_or(config.rope.base);
        config.rope.scaling = readJsonScaling(checkpoint, *rope, config.contextLimit);
    }
    return config;
}

} // namespace

LlamaConfig readLlamaConfig(const Checkpoint& checkpoint)
{
    LlamaConfig config = checkpoint.gguf() ? readGguf(checkpoint) : readJson(checkpoint);
    const auto refuse = [&](const std::string& cause) {
        throw Error(ErrorKind::BadFile, checkpoint.path().string() + ": " + cause);
    };
    if (config.headDim < 2 || config.headDim % 2 != 0)
        refuse("a head of " + std::to_string(config.headDim) + " dimensions cannot be rotated in pairs");
    if (config.heads % config.kvHeads != 0)
        refuse(std::to_string(config.heads) + " query heads cannot share " + std::to_string(config.kvHeads)
               + " key/value heads evenly");
    if (config.rope.dimensions % 2 != 0 || config.rope.dimensions > config.headDim)
        refuse(std::to_string(config.rope.dimensions) + " rotated dimensions do not fit a head of "
               + std::to_string(config.headDim));
    config.rope.divisors = readRopeDivisors(checkpoint, config.rope.dimensions / 2);
    return config;
}

} // namespace cortex::engine
