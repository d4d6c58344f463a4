// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/models/gemma3config.h"

#include "neuron/engine/error.h"

#include <cmath>
#include <limits>

namespace cortex::engine {

namespace {

constexpr double GlobalBase = 1e6, LocalBase = 1e4;
constexpr double MostBase = std::numeric_limits<float>::max();

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
    const int pattern = reader.optionalInteger(key, 1, limits::Layers).value_or(Gemma3Pattern);
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

float readScale(const ConfigReader& reader, const DecoderConfig& decoder)
{
    if (reader.checkpoint().gguf())
        return gemma3GgufScale(decoder);
    return float(1 / std::sqrt(reader.optionalNumber("query_pre_attn_scalar", 1e-3, 1e6).value_or(256)));
}

} // namespace

float gemma3GgufScale(const DecoderConfig& decoder)
{
    constexpr int LayersOf27B = 62;
    const bool hiddenPerHead = decoder.layers == LayersOf27B;
    const int scalar = hiddenPerHead ? decoder.hiddenSize / decoder.attention.heads : decoder.attention.headDim;
    return float(1 / std::sqrt(double(scalar)));
}

Gemma3Config readGemma3Config(const Checkpoint& checkpoint)
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
    return config;
}

} // namespace cortex::engine
