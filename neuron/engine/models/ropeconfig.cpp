// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/models/ropeconfig.h"

#include "neuron/engine/error.h"
#include "neuron/engine/models/tensornames.h"

#include <cmath>
#include <limits>

namespace cortex::engine {

namespace {

constexpr double Largest = std::numeric_limits<float>::max();
constexpr int MostDimensions = 1024;
constexpr int MostContext = 1 << 26;

[[noreturn]] void refuseScaling(const Checkpoint& checkpoint, const std::string& kind)
{
    throw Error(ErrorKind::Unsupported,
                checkpoint.path().string() + ": rope scaling \"" + kind
                    + "\" is not supported (supported: linear, dynamic, llama3, yarn)");
}

/// rope_freqs.weight, where the file has it.
std::vector<float> readDivisors(const Checkpoint& checkpoint, int pairs)
{
    const auto tensor = checkpoint.find(names::RopeDivisors);
    if (!tensor)
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

RopeScaling readGgufScaling(const ConfigReader& reader, int contextLimit)
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
        refuseScaling(reader.checkpoint(), kind);
    }
    return scaling;
}

RopeScaling readYarn(const ConfigReader& rope, RopeScaling scaling)
{
    scaling.kind = RopeScaling::Kind::Yarn;
    scaling.betaFast = rope.optionalNumber("beta_fast", 1e-3, 1e6).value_or(32);
    scaling.betaSlow = rope.optionalNumber("beta_slow", 1e-3, 1e6).value_or(1);
    scaling.truncate = rope.optionalBoolean("truncate").value_or(true);
    scaling.attentionFactor = rope.optionalNumber("attention_factor", 0, 1e3).value_or(0);
    const double mscale = rope.optionalNumber("mscale", 0, 1e3).value_or(0);
    const double allDimensions = rope.optionalNumber("mscale_all_dim", 0, 1e3).value_or(0);
    if (scaling.attentionFactor == 0 && mscale > 0 && allDimensions > 0 && scaling.factor > 1) {
        const auto magnitude = [&](double factor) { return 0.1 * factor * std::log(scaling.factor) + 1; };
        scaling.attentionFactor = magnitude(mscale) / magnitude(allDimensions);
    }
    return scaling;
}

RopeScaling readJsonScaling(const ConfigReader& rope, int contextLimit)
{
    RopeScaling scaling;
    const std::string kind = rope.optionalString("rope_type").value_or(rope.optionalString("type").value_or("default"));
    // Dynamic scaling begins beyond the model's own context, where nothing runs here.
    if (kind == "default" || kind == "dynamic")
        return scaling;
    scaling.originalContext =
        rope.optionalInteger("original_max_position_embeddings", 1, MostContext).value_or(contextLimit);
    const auto factor = rope.optionalNumber("factor", 1e-3, 1e6);
    if (!factor && kind != "yarn")
        rope.fail("factor", "is missing");
    scaling.factor = factor.value_or(contextLimit / scaling.originalContext);
    if (kind == "linear") {
        scaling.kind = RopeScaling::Kind::Linear;
    } else if (kind == "llama3") {
        scaling.kind = RopeScaling::Kind::Llama3;
        scaling.lowFrequencyFactor = rope.number("low_freq_factor", 1e-3, 1e6);
        scaling.highFrequencyFactor = rope.number("high_freq_factor", 1e-3, 1e6);
        if (scaling.highFrequencyFactor <= scaling.lowFrequencyFactor)
            rope.fail("high_freq_factor", "is not above low_freq_factor");
    } else if (kind == "yarn") {
        return readYarn(rope, scaling);
    } else {
        refuseScaling(rope.checkpoint(), kind);
    }
    return scaling;
}

} // namespace

RopeConfig readGgufRope(const ConfigReader& reader, const RopeDefaults& defaults)
{
    RopeConfig rope;
    rope.dimensions = reader.optionalInteger("rope.dimension_count", 1, MostDimensions)
                          .value_or(int(defaults.headDim * defaults.partial));
    rope.base = reader.optionalNumber("rope.freq_base", 1, Largest).value_or(defaults.base);
    rope.scaling = readGgufScaling(reader, defaults.contextLimit);
    if (rope.scaling.kind == RopeScaling::Kind::Yarn) {
        // This format's factor multiplies the magnitude that follows from the scaling.
        const double factor = reader.optionalNumber("rope.scaling.attn_factor", 1e-3, 1e3).value_or(1);
        rope.scaling.attentionFactor = factor * double(ropeMagnitude(rope));
    }
    rope.divisors = readDivisors(reader.checkpoint(), rope.dimensions / 2);
    return rope;
}

RopeConfig readJsonRope(const ConfigReader& reader, const RopeDefaults& defaults, std::string_view layerType)
{
    RopeConfig rope;
    rope.base = reader.optionalNumber("rope_theta", 1, Largest).value_or(defaults.base);
    double partial = reader.optionalNumber("partial_rotary_factor", 0, 1).value_or(defaults.partial);
    auto part = reader.part("rope_parameters");
    if (!part)
        part = reader.part("rope_scaling");
    if (part) {
        if (auto own = part->part(layerType))
            part = std::move(own);
        rope.base = part->optionalNumber("rope_theta", 1, Largest).value_or(rope.base);
        partial = part->optionalNumber("partial_rotary_factor", 0, 1).value_or(partial);
        rope.scaling = readJsonScaling(*part, defaults.contextLimit);
    }
    rope.dimensions = int(defaults.headDim * partial);
    return rope;
}

} // namespace cortex::engine
