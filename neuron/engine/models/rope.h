// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <vector>

namespace cortex::engine {

/// How a checkpoint stretches rotary positions beyond the context that it was first trained on.
struct RopeScaling {
    enum class Kind { None, Linear, Llama3, Yarn };
    Kind kind = Kind::None;
    double factor = 1;
    double originalContext = 0; ///< Llama3, Yarn: positions of the first training
    double lowFrequencyFactor = 1; ///< Llama3
    double highFrequencyFactor = 4; ///< Llama3
    double betaFast = 32; ///< Yarn
    double betaSlow = 1; ///< Yarn
    bool truncate = true; ///< Yarn: corner dimensions are rounded outwards
    double attentionFactor = 0; ///< Yarn: magnitude of cosine and sine; 0: 0.1 ln(factor) + 1
};

struct RopeConfig {
    int dimensions = 0; ///< rotated dimensions of a head
    double base = 10000;
    RopeScaling scaling;
    /// Divides each frequency (GGUF's rope_freqs.weight, which holds Llama 3's scaling); empty: nothing does.
    std::vector<float> divisors;
};

/// Radians per position of each pair of dimensions, [dimensions / 2]: base^(−2i/dimensions), scaled.
/// Llama3 as in transformers' modeling_rope_utils; YaRN as in https://arxiv.org/abs/2309.00071.
std::vector<float> ropeFrequencies(const RopeConfig& config);

/// What cosine and sine are multiplied by.
float ropeMagnitude(const RopeConfig& config);

} // namespace cortex::engine
