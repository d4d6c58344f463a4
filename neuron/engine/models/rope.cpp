// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/models/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace cortex::engine {

namespace {

/// Llama 3.1: wavelengths beyond originalContext / lowFrequencyFactor are stretched by `factor`, those below
/// originalContext / highFrequencyFactor are kept, and between the two it goes over smoothly.
double llama3(double frequency, const RopeScaling& scaling)
{
    const double wavelength = 2 * std::numbers::pi / frequency;
    const double turns = scaling.originalContext / wavelength;
    const double smooth = std::clamp(
        (turns - scaling.lowFrequencyFactor) / (scaling.highFrequencyFactor - scaling.lowFrequencyFactor), 0.0, 1.0);
    return (1 - smooth) * frequency / scaling.factor + smooth * frequency;
}

/// The pair whose dimension makes `turns` turns within the original context.
double yarnPair(double turns, const RopeConfig& config)
{
    return config.dimensions * std::log(config.scaling.originalContext / (turns * 2 * std::numbers::pi))
        / (2 * std::log(config.base));
}

/// Share of a pair that is extrapolated (kept): 1 below the fast corner, 0 above the slow one.
double yarnKept(int pair, const RopeConfig& config)
{
    const bool truncate = config.scaling.truncate;
    const double fast = yarnPair(config.scaling.betaFast, config), slow = yarnPair(config.scaling.betaSlow, config);
    const double low = std::max(0.0, truncate ? std::floor(fast) : fast);
    const double high = std::min(config.dimensions - 1.0, truncate ? std::ceil(slow) : slow);
    return 1 - std::clamp((pair - low) / std::max(0.001, high - low), 0.0, 1.0);
}

double scaled(int pair, double frequency, const RopeConfig& config)
{
    switch (config.scaling.kind) {
    case RopeScaling::Kind::None:
        return frequency;
    case RopeScaling::Kind::Linear:
        return frequency / config.scaling.factor;
    case RopeScaling::Kind::Llama3:
        return llama3(frequency, config.scaling);
    case RopeScaling::Kind::Yarn: {
        const double kept = yarnKept(pair, config);
        return frequency * kept + frequency / config.scaling.factor * (1 - kept);
    }
    }
    return frequency;
}

} // namespace

std::vector<float> ropeFrequencies(const RopeConfig& config)
{
    std::vector<float> frequencies(size_t(config.dimensions / 2));
    for (int pair = 0; pair < config.dimensions / 2; ++pair) {
        double frequency = std::pow(config.base, -2.0 * pair / config.dimensions);
        if (!config.divisors.empty())
            frequency /= config.divisors[size_t(pair)];
        frequencies[size_t(pair)] = float(scaled(pair, frequency, config));
    }
    return frequencies;
}

float ropeMagnitude(const RopeConfig& config)
{
    if (config.scaling.kind != RopeScaling::Kind::Yarn)
        return 1;
    if (config.scaling.attentionFactor > 0)
        return float(config.scaling.attentionFactor);
    return config.scaling.factor > 1 ? float(0.1 * std::log(config.scaling.factor) + 1) : 1;
}

} // namespace cortex::engine
