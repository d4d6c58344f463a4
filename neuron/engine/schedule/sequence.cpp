// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/schedule/sequence.h"

#include <algorithm>
#include <cassert>

namespace cortex::engine {

namespace {

double seconds(Sequence::Clock::duration duration)
{
    return std::chrono::duration<double>(duration).count();
}

int limitOf(const SequenceRequest& request, int contextTokens)
{
    const int room = contextTokens - int(request.prompt.size());
    const int wanted = request.maxTokens > 0 ? std::min(request.maxTokens, room) : room;
    return int(request.prompt.size()) + wanted;
}

} // namespace

Sequence::Sequence(SequenceId id, SequenceRequest request, std::shared_ptr<SequenceSink> sink,
                   std::shared_ptr<const Tokenizer> tokenizer, int contextTokens)
    : m_id(id)
    , m_request(std::move(request))
    , m_sink(std::move(sink))
    , m_tokenizer(std::move(tokenizer))
    , m_stopMatcher(m_request.stop)
    , m_sampler(m_request.sampling, m_request.prompt)
    , m_tokens(m_request.prompt)
    , m_promptTokens(int(m_tokens.size()))
    , m_lengthLimit(limitOf(m_request, contextTokens))
{
    assert(m_promptTokens > 0 && m_promptTokens < contextTokens);
    if (m_tokenizer)
        m_detokenizer.emplace(m_tokenizer);
}

void Sequence::admit(int newSlot)
{
    assert(m_state == State::Waiting);
    m_state = State::Running;
    slot = newSlot;
    if (!m_started)
        m_started = Clock::now();
}

void Sequence::preempt()
{
    assert(m_state == State::Running);
    m_state = State::Waiting;
    m_computed = 0;
}

void Sequence::advance(int rows)
{
    assert(m_state == State::Running && rows > 0 && rows <= pending());
    m_computed += rows;
}

void Sequence::choose(std::span<float> logits, SamplingScratch& scratch)
{
    assert(m_state == State::Running && pending() == 0);
    int32_t token = 0;
    try {
        token = m_sampler.sample(logits, scratch);
    } catch (const Error& error) { // this sequence's logits are useless; the others' may be sound
        finish(FinishReason::Failed, error.what());
        return;
    }
    m_lastToken = Clock::now();
    if (!m_firstToken)
        m_firstToken = m_lastToken;
    m_tokens.push_back(token);

    const bool stopped = !m_request.ignoreEos && isStopToken(token);
    const std::string text = m_detokenizer && !stopped ? m_stopMatcher.push(m_detokenizer->push(token)) : std::string();
    m_sink->token(token, text);

    if (stopped)
        finish(FinishReason::Stop);
    else if (m_stopMatcher.matched())
        finish(FinishReason::StopString);
    else if (int(m_tokens.size()) >= m_lengthLimit)
        finish(FinishReason::Length);
}

void Sequence::finish(FinishReason reason, const std::string& error)
{
    if (m_state == State::Finished)
        return;
    m_state = State::Finished;

    std::string heldBack;
    if (!m_stopMatcher.matched()) {
        if (m_detokenizer)
            heldBack = m_stopMatcher.push(m_detokenizer->flush());
        if (!m_stopMatcher.matched())
            heldBack += m_stopMatcher.flush();
    }

    SequenceResult result;
    result.reason = reason;
    result.stopString = m_stopMatcher.matched().value_or(std::string());
    result.error = error;
    result.promptTokens = m_promptTokens;
    result.generatedTokens = int(m_tokens.size()) - m_promptTokens;
    result.timings.queue = seconds((m_started ? *m_started : Clock::now()) - m_submitted);
    if (m_firstToken) {
        result.timings.prefill = seconds(*m_firstToken - *m_started);
        result.timings.decode = seconds(m_lastToken - *m_firstToken);
    }
    m_sink->finished(result, heldBack);
    m_sink.reset();
}

bool Sequence::isStopToken(int32_t token) const
{
    if (!m_tokenizer)
        return false;
    const std::vector<int32_t>& stops = m_tokenizer->stopTokens();
    return std::find(stops.begin(), stops.end(), token) != stops.end();
}

} // namespace cortex::engine
