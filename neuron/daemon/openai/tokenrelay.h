// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/taskqueue.h"
#include "neuron/engine/engine.h"

#include <mutex>
#include <optional>

namespace cortex::neuron {

/// What a sequence produced since the last delivery.
struct TokenBatch {
    std::vector<std::string> texts; ///< one per token that completed text
    std::optional<engine::SequenceResult> result; ///< set in the last delivery
};

/// Takes a sequence's tokens on the main thread.
class TokenReceiver {
public:
    virtual void deliver(const TokenBatch& batch) = 0;

protected:
    ~TokenReceiver() = default;
};

/// Carries one sequence's tokens from the engine's thread to the main thread: one task on the queue per batch, however
/// many tokens gather while the main thread is busy.
///
/// Whoever lets go last, the engine or a task, destroys it, so it may die on either thread. It therefore owns nothing
/// of the main thread: the receiver takes itself out by detach().
class TokenRelay : public engine::SequenceSink, public std::enable_shared_from_this<TokenRelay> {
public:
    /// `receiver` is called on the main thread, until detach().
    TokenRelay(TaskQueue& queue, TokenReceiver& receiver)
        : m_queue(queue)
        , m_receiver(&receiver)
    {
    }
    void detach() { m_receiver = nullptr; } ///< main thread; what comes later is dropped

    void token(int32_t id, const std::string& text) override;
    void finished(const engine::SequenceResult& result, const std::string& text) override;

private:
    void add(const std::string& text, const engine::SequenceResult* result);

    TaskQueue& m_queue;
    TokenReceiver* m_receiver; // main thread
    std::mutex m_mutex;
    TokenBatch m_batch;
    bool m_posted = false;
};

} // namespace cortex::neuron
