// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/error.h"
#include "neuron/engine/sampling.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numeric>

using cortex::engine::Sampler;
using cortex::engine::SamplingOptions;
using cortex::engine::SamplingScratch;

namespace {

SamplingOptions greedy()
{
    SamplingOptions options;
    options.temperature = 0;
    return options;
}

/// Shares of each token among many draws.
std::vector<double> shares(SamplingOptions options, const std::vector<float>& logits, int draws = 20000)
{
    Sampler sampler(std::move(options), {});
    SamplingScratch scratch;
    std::vector<double> counts(logits.size(), 0.0);
    for (int i = 0; i < draws; ++i) {
        std::vector<float> copy = logits;
        counts[size_t(sampler.sample(copy, scratch))] += 1.0 / draws;
    }
    return counts;
}

int32_t once(SamplingOptions options, std::vector<float> logits, std::vector<int32_t> prompt = {})
{
    SamplingScratch scratch;
    return Sampler(std::move(options), prompt).sample(logits, scratch);
}

constexpr float NaN = std::numeric_limits<float>::quiet_NaN();
constexpr float Infinity = std::numeric_limits<float>::infinity();

} // namespace

TEST_CASE("greedy takes the largest logit, the lowest id among equals")
{
    CHECK(once(greedy(), {1, 5, 3}) == 1);
    CHECK(once(greedy(), {5, 5, 5}) == 0);
}

TEST_CASE("NaN is impossible, infinities are ordered, and nothing but NaN is an error")
{
    CHECK(once(greedy(), {NaN, -3, NaN}) == 1);
    CHECK(once(greedy(), {1, Infinity, 3}) == 1);
    SamplingOptions warm;
    CHECK(once(warm, {NaN, -3, -Infinity}) == 1);
    CHECK(once(warm, {1, Infinity, 3}) == 1);
    CHECK_THROWS_AS(once(greedy(), {NaN, NaN}), cortex::engine::Error);
    CHECK_THROWS_AS(once(warm, {-Infinity, NaN}), cortex::engine::Error);
}

TEST_CASE("draws follow the softmax at the temperature")
{
    for (float temperature : {0.5f, 1.0f, 2.0f}) {
        SamplingOptions options;
        options.temperature = temperature;
        const std::vector<float> logits{2, 1, 0, -1};
        double total = 0;
        for (float logit : logits)
            total += std::exp(logit / temperature);
        const auto measured = shares(options, logits);
        for (size_t i = 0; i < logits.size(); ++i)
            CHECK(measured[i] == doctest::Approx(std::exp(logits[i] / temperature) / total).epsilon(0.05));
    }
}

TEST_CASE("top-k, top-p and min-p cut what they should")
{
    const std::vector<float> logits{std::log(0.4f), std::log(0.1f), std::log(0.3f), std::log(0.2f)};
    const auto possible = [&](const SamplingOptions& options) {
        std::vector<int> tokens;
        const auto measured = shares(options, logits, 3000);
        for (size_t i = 0; i < measured.size(); ++i) {
            if (measured[i] > 0)
                tokens.push_back(int(i));
        }
        return tokens;
    };
    SamplingOptions options;
    CHECK(possible(options) == std::vector<int>{0, 1, 2, 3});
    options.topK = 2;
    CHECK(possible(options) == std::vector<int>{0, 2});
    options.topK = 0;
    options.topP = 0.65f; // 0.4 is not enough, 0.4 + 0.3 is
    CHECK(possible(options) == std::vector<int>{0, 2});
    options.topP = 0; // always at least one
    CHECK(possible(options) == std::vector<int>{0});
    options.topP = 1;
    options.minP = 0.45f; // of 0.4: at least 0.18
    CHECK(possible(options) == std::vector<int>{0, 2, 3});
    options.topK = 3; // renormalised to 4/9, 3/9, 2/9, of which top-p keeps two
    options.minP = 0;
    options.topP = 0.7f;
    CHECK(possible(options) == std::vector<int>{0, 2});
}

TEST_CASE("the nucleus of a large flat vocabulary is found across several growths")
{
    const std::vector<float> logits(5000, 1.0f);
    SamplingOptions options;
    options.topP = 0.5f;
    const auto measured = shares(options, logits, 20000);
    // Equal logits: the first half by id.
    CHECK(std::accumulate(measured.begin(), measured.begin() + 2501, 0.0) == doctest::Approx(1.0));
    CHECK(std::accumulate(measured.begin() + 1250, measured.begin() + 2501, 0.0) == doctest::Approx(0.5).epsilon(0.05));
}

TEST_CASE("bias and penalties")
{
    SamplingOptions options = greedy();
    options.logitBias = {{0, 10.0f}, {99, 5.0f}, {-4, 1.0f}};
    CHECK(once(options, {1, 5, 3}) == 0);

    options = greedy();
    options.repetitionPenalty = 2;
    CHECK(once(options, {3, 5, 1}, {1}) == 0); // 5 / 2 < 3, prompt included
    CHECK(once(options, {-3, -2, -9}, {1}) == 0); // −2 · 2 < −3

    // Presence counts once, frequency per occurrence, both only for what was generated.
    options = greedy();
    options.presencePenalty = 1.5f;
    SamplingScratch scratch;
    Sampler presence(options, std::vector<int32_t>{1});
    std::vector<int32_t> chosen;
    for (int i = 0; i < 4; ++i) {
        std::vector<float> logits{0, 2, 1};
        chosen.push_back(presence.sample(logits, scratch));
    }
    CHECK(chosen == std::vector<int32_t>{1, 2, 1, 1});

    options = greedy();
    options.frequencyPenalty = 0.75f;
    Sampler frequency(options, {});
    chosen.clear();
    for (int i = 0; i < 5; ++i) {
        std::vector<float> logits{-9, 2, 1};
        chosen.push_back(frequency.sample(logits, scratch));
    }
    CHECK(chosen == std::vector<int32_t>{1, 1, 2, 1, 2});
}

TEST_CASE("a draw takes the memory that the account counts, once for all samplers; greedy takes none")
{
    const std::vector<float> logits(50000, 0.0f);
    const auto bytes = [](const SamplingScratch& scratch) {
        return scratch.candidates.capacity() * sizeof(scratch.candidates[0])
            + scratch.probabilities.capacity() * sizeof(scratch.probabilities[0]);
    };
    SamplingScratch scratch;
    const auto draw = [&](const SamplingOptions& options) {
        std::vector<float> copy = logits;
        Sampler(options, {}).sample(copy, scratch);
    };
    draw(greedy());
    CHECK(bytes(scratch) == 0);
    SamplingOptions narrow;
    narrow.topK = 40;
    narrow.topP = 0.9f;
    for (const SamplingOptions& options : {SamplingOptions(), narrow, SamplingOptions()}) {
        draw(options);
        CHECK(bytes(scratch) == logits.size() * SamplingScratch::BytesPerToken);
    }
}

TEST_CASE("equal seeds give equal outputs, other seeds others")
{
    const std::vector<float> logits(1000, 0.0f);
    const auto draw = [&](uint64_t seed) {
        SamplingOptions options;
        options.seed = seed;
        options.topP = 0.9f;
        Sampler sampler(options, {});
        SamplingScratch scratch;
        std::vector<int32_t> tokens;
        for (int i = 0; i < 20; ++i) {
            std::vector<float> copy = logits;
            tokens.push_back(sampler.sample(copy, scratch));
        }
        return tokens;
    };
    CHECK(draw(7) == draw(7));
    CHECK(draw(7) != draw(8));
}
