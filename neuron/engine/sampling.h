// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <span>
#include <vector>

namespace cortex::engine {

/// How the next token is chosen. Defaults are neutral: plain sampling from the softmax.
struct SamplingOptions {
    float temperature = 1; ///< 0: greedy
    int topK = 0; ///< 0: all
    float topP = 1;
    float minP = 0;
    float repetitionPenalty = 1; ///< divides positive, multiplies negative logits of tokens seen (prompt included)
    float presencePenalty = 0; ///< subtracted once from tokens generated
    float frequencyPenalty = 0; ///< subtracted per occurrence among tokens generated
    std::map<int32_t, float> logitBias;
    uint64_t seed = 0; ///< equal seeds give equal outputs
};

/// What drawing a token works in. One serves any number of samplers, one after the other; its memory, BytesPerToken for
/// each token of the vocabulary, is taken at the first draw and kept.
struct SamplingScratch {
    static constexpr size_t BytesPerToken = sizeof(int32_t) + sizeof(float);
    std::vector<int32_t> candidates;
    std::vector<float> probabilities; ///< by token id, not normalised
};

/// Chooses tokens for one sequence. Order: bias, penalties, (greedy stops here), temperature, top-k, top-p, min-p,
/// draw. Equal logits are ordered by token id. Logits that are not a number count as impossible. One random number is
/// drawn per token, so that what a sequence yields depends on its own logits and seed alone. Not thread-safe; one per
/// sequence.
class Sampler {
public:
    Sampler(SamplingOptions options, std::span<const int32_t> prompt);
    /// The next token from `logits` [vocabulary], which it may overwrite. Throws Error(Internal) where no token is
    /// possible, which only a broken model (all logits NaN) or a bias of −infinity on every token can bring about.
    int32_t sample(std::span<float> logits, SamplingScratch& scratch);

private:
    /// A token seen in the prompt or generated, and how often it was generated.
    struct Occurrence {
        int32_t token;
        int generated;
    };

    void adjust(std::span<float> logits) const;
    void remember(int32_t token);
    int32_t draw(std::span<const float> logits, float highest, SamplingScratch& scratch);
    size_t nucleus(std::span<const float> logits, double total, SamplingScratch& scratch) const;
    double uniform();

    SamplingOptions m_options;
    bool m_penalized; ///< whether any penalty is on, so that occurrences matter
    std::vector<Occurrence> m_occurrences; ///< ordered by token
    std::mt19937_64 m_random;
};

} // namespace cortex::engine
