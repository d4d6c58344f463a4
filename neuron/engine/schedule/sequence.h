// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/engine.h"
#include "neuron/engine/text/detokenizer.h"

#include <chrono>

namespace cortex::engine {

/// The life of one sequence. Its rules:
///
/// 1. A sequence waits, then runs, then is finished. A running one may be sent back to wait (preempted) any number of
///    times; nobody outside can tell, but for the time it takes.
/// 2. Its tokens are the prompt and what was generated. Some, from the front, are computed: their keys and values are
///    in the cache. The others are pending. Preemption makes all of them pending again.
/// 3. A step computes some pending tokens. When none is left, the logits of the last one choose the next token. So
///    prefill, decode and the recomputing after a preemption are one and the same thing.
/// 4. A chosen token goes to the sink with the text that became certain. It ends the sequence when it is a stop token
///    (unless those are ignored), when it completes a stop string, or when no room is left: maxTokens, or the context.
/// 5. The sink hears `finished` exactly once, whatever the end: of itself, cancelled, or failed.
///
/// Belongs to the engine's thread, but for its construction.
class Sequence {
public:
    enum class State { Waiting, Running, Finished };
    using Clock = std::chrono::steady_clock;

    /// `request` has been checked: a prompt of 1 … contextTokens − 1 tokens. `tokenizer` may be null: no text then.
    Sequence(SequenceId id, SequenceRequest request, std::shared_ptr<SequenceSink> sink,
             std::shared_ptr<const Tokenizer> tokenizer, int contextTokens);

    SequenceId id() const { return m_id; }
    State state() const { return m_state; }
    const std::vector<int32_t>& tokens() const { return m_tokens; }
    int promptTokens() const { return m_promptTokens; }
    int computed() const { return m_computed; }
    int pending() const { return int(m_tokens.size()) - m_computed; }
    /// Its tokens will not be more, prompt included.
    int lengthLimit() const { return m_lengthLimit; }
    /// One pending token behind computed ones: one row of a step, at the pace at which people read.
    bool decoding() const { return m_computed > 0 && pending() == 1; }

    /// Waiting → Running, in a slot of the device.
    void admit(int slot);
    /// Running → Waiting; everything has to be computed again.
    void preempt();
    /// `rows` pending tokens were computed.
    void advance(int rows);
    /// Chooses the next token from the logits of the last one; nothing is pending. May finish the sequence.
    void choose(std::span<float> logits, SamplingScratch& scratch);
    /// Ends it from outside (Cancelled, Failed with `error`).
    void finish(FinishReason reason, const std::string& error = {});

    int slot = -1; ///< while running; kept by the scheduler
    std::vector<int32_t> blocks; ///< cache blocks held, in position order; kept by the scheduler

private:
    bool isStopToken(int32_t token) const;

    SequenceId m_id;
    SequenceRequest m_request;
    std::shared_ptr<SequenceSink> m_sink;
    std::shared_ptr<const Tokenizer> m_tokenizer;
    std::optional<StreamDetokenizer> m_detokenizer;
    StopMatcher m_stopMatcher;
    Sampler m_sampler;

    State m_state = State::Waiting;
    std::vector<int32_t> m_tokens;
    int m_promptTokens;
    int m_lengthLimit; ///< tokens in all, prompt included
    int m_computed = 0;

    Clock::time_point m_submitted = Clock::now();
    std::optional<Clock::time_point> m_started; ///< first admitted
    std::optional<Clock::time_point> m_firstToken;
    Clock::time_point m_lastToken;
};

} // namespace cortex::engine
