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
    float temperature = 1;       ///< 0: greedy
    int topK = 0;                ///< 0: all
    float topP = 1;
    float minP = 0;
    float repetitionPenalty = 1; ///< divides positive, multiplies negative logits of tokens seen (prompt included)
    float presencePenalty = 0;   ///< subtracted once from tokens generated
    float frequencyPenalty = 0;  ///< subtracted per occurrence among tokens generated
    std::map<int32_t, float> logitBias;
    uint64_t seed = 0;           ///< equal seeds give equal outputs
};

/// Chooses tokens for one sequence. Order: bias, penalties, (greedy stops here), temperature, top-k, top-p, min-p, draw.
/// Not thread-safe; one per sequence.
class Sampler {
public:
    Sampler(SamplingOptions options, std::span<const int32_t> prompt);
    /// The next token from `logits` [vocabulary], which it may overwrite.
    int32_t sample(std::span<float> logits);

private:
    SamplingOptions m_options;
    std::map<int32_t, int> m_promptCounts;
    std::map<int32_t, int> m_generatedCounts;
    std::mt19937_64 m_random;
    std::vector<int32_t> m_candidates;
};

} // namespace cortex::engine
