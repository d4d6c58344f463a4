// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/sampling.h"

#include "neuron/engine/error.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace cortex::engine {

namespace {

constexpr float Impossible = -std::numeric_limits<float>::infinity();

/// The order of candidates: higher logits first, lower ids among equals.
struct Better {
    std::span<const float> logits;
    bool operator()(int32_t a, int32_t b) const
    {
        const float left = logits[size_t(a)], right = logits[size_t(b)];
        return left > right || (left == right && a < b);
    }
};

constexpr size_t stretch = 1024;

/// The greatest of `stretch` logits, NaN not being one. In lanes of their own, which a compiler turns into vectors,
/// unlike std::max_element: with many sequences and a large vocabulary that is felt.
float greatestOfStretch(const float* logits)
{
    constexpr size_t lanes = 16;
    float most[lanes];
    std::fill_n(most, lanes, Impossible);
    for (size_t i = 0; i < stretch; i += lanes)
        for (size_t lane = 0; lane < lanes; ++lane)
            most[lane] = logits[i + lane] > most[lane] ? logits[i + lane] : most[lane];
    return *std::max_element(most, most + lanes);
}

/// The first of the greatest logits, NaN not being one.
std::span<float>::iterator greatest(std::span<float> logits)
{
    float highest = Impossible;
    size_t nearby = 0, i = 0; // the first of the greatest comes at `nearby` or soon after
    const auto see = [&](float logit) {
        if (logit > highest) {
            highest = logit;
            nearby = i;
        }
    };
    for (; i + stretch <= logits.size(); i += stretch)
        see(greatestOfStretch(&logits[i]));
    for (; i < logits.size(); ++i)
        see(logits[i]);
    return std::find(logits.begin() + ptrdiff_t(nearby), logits.end(), highest);
}

} // namespace

Sampler::Sampler(SamplingOptions options, std::span<const int32_t> prompt)
    : m_options(std::move(options))
    , m_penalized(m_options.repetitionPenalty != 1 || m_options.presencePenalty != 0 || m_options.frequencyPenalty != 0)
    , m_random(m_options.seed)
{
    if (!m_penalized)
        return;
    std::vector<int32_t> distinct(prompt.begin(), prompt.end());
    std::sort(distinct.begin(), distinct.end());
    distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
    m_occurrences.reserve(distinct.size() + 1024);
    for (int32_t token : distinct)
        m_occurrences.push_back({token, 0});
}

int32_t Sampler::sample(std::span<float> logits, SamplingScratch& scratch)
{
    // Else the greatest logit is what it is: NaN loses every comparison.
    if (m_options.temperature > 0 || m_penalized || !m_options.logitBias.empty())
        adjust(logits);
    const auto best = greatest(logits);
    if (best == logits.end() || *best == Impossible)
        throw Error(ErrorKind::Internal,
                    "the model gave no token a usable probability (all logits are NaN or minus infinity)");
    const int32_t token = m_options.temperature > 0 ? draw(logits, *best, scratch) : int32_t(best - logits.begin());
    if (m_penalized)
        remember(token);
    return token;
}

/// Makes every logit comparable, then applies bias and penalties.
void Sampler::adjust(std::span<float> logits) const
{
    for (float& logit : logits)
        logit = std::isnan(logit) ? Impossible : std::min(logit, std::numeric_limits<float>::max());
    for (const auto& [token, bias] : m_options.logitBias) {
        if (token >= 0 && size_t(token) < logits.size())
            logits[size_t(token)] += bias;
    }
    for (const Occurrence& seen : m_occurrences) {
        if (size_t(seen.token) >= logits.size())
            continue;
        float& logit = logits[size_t(seen.token)];
        logit = logit > 0 ? logit / m_options.repetitionPenalty : logit * m_options.repetitionPenalty;
        if (seen.generated > 0)
            logit -= m_options.presencePenalty + m_options.frequencyPenalty * float(seen.generated);
    }
}

/// Counts a token that was generated.
void Sampler::remember(int32_t token)
{
    const auto place = std::lower_bound(m_occurrences.begin(), m_occurrences.end(), token,
                                        [](const Occurrence& seen, int32_t id) { return seen.token < id; });
    if (place != m_occurrences.end() && place->token == token)
        ++place->generated;
    else
        m_occurrences.insert(place, {token, 1});
}

/// Draws from the softmax of logits / temperature, cut by top-k, top-p and min-p. `highest` is the largest logit.
int32_t Sampler::draw(std::span<const float> logits, float highest, SamplingScratch& scratch)
{
    std::vector<int32_t>& candidates = scratch.candidates;
    std::vector<float>& probabilities = scratch.probabilities;
    const size_t vocabulary = logits.size();
    candidates.resize(vocabulary);
    probabilities.resize(vocabulary);
    std::iota(candidates.begin(), candidates.end(), 0);

    size_t count = vocabulary;
    if (m_options.topK > 0 && size_t(m_options.topK) < vocabulary) {
        count = size_t(m_options.topK);
        std::nth_element(candidates.begin(), candidates.begin() + ptrdiff_t(count) - 1, candidates.end(),
                         Better{logits});
        candidates.resize(count);
    }

    double total = 0;
    for (int32_t token : candidates) {
        const float probability = std::exp((logits[size_t(token)] - highest) / m_options.temperature);
        probabilities[size_t(token)] = probability;
        total += probability;
    }
    if (m_options.topP < 1)
        candidates.resize(nucleus(logits, total, scratch));
    if (m_options.minP > 0) // relative to the most likely token, whose unnormalised probability is 1
        std::erase_if(candidates, [&](int32_t token) { return probabilities[size_t(token)] < m_options.minP; });

    // In id order, whatever order the cuts left behind, so that equal candidates and seeds give equal tokens.
    if (candidates.size() < vocabulary)
        std::sort(candidates.begin(), candidates.end());
    total = 0;
    for (int32_t token : candidates)
        total += probabilities[size_t(token)];
    double left = uniform() * total;
    int32_t chosen = -1;
    for (int32_t token : candidates) {
        if (probabilities[size_t(token)] <= 0)
            continue;
        chosen = token;
        left -= probabilities[size_t(token)];
        if (left < 0)
            break;
    }
    return chosen;
}

/// Brings the most likely candidates to the front until they hold topP of `total`; returns how many. Sorts a growing
/// front rather than everything: the nucleus is usually a few tokens of many thousands.
size_t Sampler::nucleus(std::span<const float> logits, double total, SamplingScratch& scratch) const
{
    auto& [candidates, probabilities] = scratch;
    const double wanted = std::max(0.0, double(m_options.topP)) * total;
    double held = 0;
    size_t sorted = 0;
    for (size_t front = 64; sorted < candidates.size(); front *= 8) {
        const size_t end = std::min(front, candidates.size());
        std::partial_sort(candidates.begin() + ptrdiff_t(sorted), candidates.begin() + ptrdiff_t(end), candidates.end(),
                          Better{logits});
        for (; sorted < end; ++sorted) {
            held += probabilities[size_t(candidates[sorted])];
            if (held >= wanted)
                return sorted + 1;
        }
    }
    return candidates.size();
}

/// In [0, 1), the same on every platform (the standard's distributions are not).
double Sampler::uniform()
{
    return double(m_random() >> 11) * 0x1p-53;
}

} // namespace cortex::engine
