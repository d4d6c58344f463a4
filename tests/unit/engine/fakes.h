// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/schedule/worker.h"

#include <algorithm>

namespace cortex::engine::tests {

/// What a sink heard.
struct Heard {
    std::vector<int32_t> tokens;
    std::string text;
    std::optional<SequenceResult> result;
    int finishedCalls = 0;
    bool tokenAfterFinish = false;
};

class RecordingSink : public SequenceSink {
public:
    void token(int32_t id, const std::string& text) override
    {
        const std::lock_guard lock(m_mutex);
        m_heard.tokenAfterFinish |= m_heard.finishedCalls > 0;
        m_heard.tokens.push_back(id);
        m_heard.text += text;
        m_changed.notify_all();
    }
    void finished(const SequenceResult& result, const std::string& text) override
    {
        const std::lock_guard lock(m_mutex);
        m_heard.text += text;
        m_heard.result = result;
        ++m_heard.finishedCalls;
        m_changed.notify_all();
    }

    Heard heard() const
    {
        const std::lock_guard lock(m_mutex);
        return m_heard;
    }
    Heard waitUntilFinished()
    {
        std::unique_lock lock(m_mutex);
        m_changed.wait(lock, [this] { return m_heard.finishedCalls > 0; });
        return m_heard;
    }
    void waitForTokens(size_t count)
    {
        std::unique_lock lock(m_mutex);
        m_changed.wait(lock, [&] { return m_heard.tokens.size() >= count || m_heard.finishedCalls > 0; });
    }

private:
    mutable std::mutex m_mutex;
    std::condition_variable m_changed;
    Heard m_heard;
};

/// A "model" whose next token is a hash of the whole sequence, which it reads back through the block tables from a
/// cache of its own. So a wrong position, block, slot or row order changes the output, and what other sequences do must
/// not.
class HashRunner : public StepRunner {
public:
    static constexpr int Vocabulary = 97;

    explicit HashRunner(const SchedulerLimits& limits)
        : m_limits(limits)
        , m_blocksPerSequence((limits.contextTokens + limits.blockTokens - 1) / limits.blockTokens)
        , m_cache(size_t(limits.blocks) * size_t(limits.blockTokens), -1)
    {
    }

    int vocabularySize() const override { return Vocabulary; }

    std::span<float> run(const kernels::BatchPlan& plan) override
    {
        m_logits.clear();
        size_t output = 0;
        for (const kernels::BatchSequence& sequence : plan.sequences) {
            for (int i = 0; i < sequence.rows; ++i) {
                const int row = sequence.firstRow + i;
                cell(plan, sequence.slot, sequence.firstPosition + i) = plan.tokens[size_t(row)];
                if (output < plan.outputRows.size() && plan.outputRows[output] == row) {
                    choose(plan, sequence.slot, sequence.firstPosition + i);
                    ++output;
                }
            }
        }
        return m_logits;
    }

    /// What this model says after `tokens`, alone in the world.
    static int32_t next(const std::vector<int32_t>& tokens)
    {
        uint32_t hash = 2166136261u;
        for (int32_t token : tokens)
            hash = (hash ^ uint32_t(token)) * 16777619u;
        return int32_t(hash % uint32_t(Vocabulary));
    }
    static std::vector<int32_t> continuation(std::vector<int32_t> tokens, int count)
    {
        const size_t prompt = tokens.size();
        for (int i = 0; i < count; ++i)
            tokens.push_back(next(tokens));
        return {tokens.begin() + ptrdiff_t(prompt), tokens.end()};
    }

private:
    int32_t& cell(const kernels::BatchPlan& plan, int slot, int position)
    {
        const int block = plan.blockTables[size_t(slot * m_blocksPerSequence + position / m_limits.blockTokens)];
        return m_cache.at(size_t(block * m_limits.blockTokens + position % m_limits.blockTokens));
    }
    void choose(const kernels::BatchPlan& plan, int slot, int last)
    {
        std::vector<int32_t> tokens;
        for (int position = 0; position <= last; ++position)
            tokens.push_back(cell(plan, slot, position));
        m_logits.resize(m_logits.size() + Vocabulary, 0.0f);
        m_logits[m_logits.size() - Vocabulary + size_t(next(tokens))] = 1;
    }

    SchedulerLimits m_limits;
    int m_blocksPerSequence;
    std::vector<int32_t> m_cache;
    std::vector<float> m_logits;
};

/// A vocabulary of one-letter tokens: id i is the letter 'a' + i; id 26 ends a text. Enough for text, stop strings,
/// end.
class LetterTokenizer : public Tokenizer {
public:
    std::vector<int32_t> encode(std::string_view text, const EncodeOptions&) const override
    {
        std::vector<int32_t> tokens;
        for (char letter : text)
            tokens.push_back(letter - 'a');
        return tokens;
    }
    std::string tokenBytes(int32_t token) const override
    {
        return token >= 0 && token < 26 ? std::string(1, char('a' + token)) : std::string();
    }
    std::string decode(const std::vector<int32_t>& tokens, bool) const override
    {
        std::string text;
        for (int32_t token : tokens)
            text += tokenBytes(token);
        return text;
    }
    int32_t vocabularySize() const override { return 27; }
    bool isSpecial(int32_t token) const override { return token == 26; }
    std::optional<int32_t> find(std::string_view) const override { return std::nullopt; }
    std::optional<int32_t> bos() const override { return std::nullopt; }
    std::optional<int32_t> eos() const override { return 26; }
    const std::vector<int32_t>& stopTokens() const override { return m_stops; }
    bool wantsBos() const override { return false; }

private:
    std::vector<int32_t> m_stops{26};
};

inline SequenceRequest greedyRequest(std::vector<int32_t> prompt, int maxTokens)
{
    SequenceRequest request;
    request.prompt = std::move(prompt);
    request.maxTokens = maxTokens;
    request.sampling.temperature = 0;
    return request;
}

} // namespace cortex::engine::tests
