// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/models/rope.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace cortex::engine;

TEST_CASE("plain and linear frequencies")
{
    RopeConfig config;
    config.dimensions = 8;
    config.base = 10000;
    const auto plain = ropeFrequencies(config);
    REQUIRE(plain.size() == 4);
    CHECK(plain[0] == 1);
    CHECK(plain[1] == doctest::Approx(0.1));
    CHECK(plain[3] == doctest::Approx(0.001));
    config.scaling = {.kind = RopeScaling::Kind::Linear, .factor = 4};
    CHECK(ropeFrequencies(config)[1] == doctest::Approx(0.025));
    CHECK(ropeMagnitude(config) == 1);
}

TEST_CASE("llama3 keeps short waves, stretches long ones, and joins them smoothly")
{
    // The figures of Llama 3.1.
    RopeConfig config;
    config.dimensions = 128;
    config.base = 500000;
    RopeConfig plain = config;
    config.scaling = {.kind = RopeScaling::Kind::Llama3,
                      .factor = 8,
                      .originalContext = 8192,
                      .lowFrequencyFactor = 1,
                      .highFrequencyFactor = 4};
    const auto scaled = ropeFrequencies(config), unscaled = ropeFrequencies(plain);
    CHECK(scaled.front() == unscaled.front());
    CHECK(scaled.back() == doctest::Approx(unscaled.back() / 8));
    for (size_t i = 1; i < scaled.size(); ++i)
        CHECK(scaled[i] < scaled[i - 1]);
}

TEST_CASE("yarn keeps fast pairs, stretches slow ones, and raises the magnitude")
{
    RopeConfig config;
    config.dimensions = 128;
    config.base = 10000;
    RopeConfig plain = config;
    config.scaling = {.kind = RopeScaling::Kind::Yarn, .factor = 16, .originalContext = 4096};
    const auto scaled = ropeFrequencies(config), unscaled = ropeFrequencies(plain);
    CHECK(scaled.front() == unscaled.front());
    CHECK(scaled.back() == doctest::Approx(unscaled.back() / 16));
    CHECK(ropeMagnitude(config) == doctest::Approx(0.1 * std::log(16.0) + 1));
    config.scaling.attentionFactor = 1.25;
    CHECK(ropeMagnitude(config) == 1.25f);
}
