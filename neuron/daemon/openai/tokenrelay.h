// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/taskqueue.h"
#include "neuron/engine/engine.h"

#include <functional>
#include <mutex>
#include <optional>

namespace cortex::neuron {

/// What a sequence produced since the last delivery.
struct TokenBatch {
    std::vector<std::string> texts; ///< one per token that completed text
    std::optional<engine::SequenceResult> result; ///< set in the last delivery
};

/// Carries one sequence's tokens from the engine's thread to the main thread: one task on the queue per batch, however
/// many tokens gather while the main thread is busy.
class TokenRelay : public engine::SequenceSink, public std::enable_shared_from_this<TokenRelay> {
public:
    /// `deliver` runs on the main thread.
    TokenRelay(TaskQueue& queue, std::function<void(TokenBatch)> deliver)
        : m_queue(queue)
        , m_deliver(std::move(deliver))
    {
    }
    void token(int32_t id, const std::string& text) override;
    void finished(const engine::SequenceResult& result, const std::string& text) override;

private:
    void add(const std::string& text, const engine::SequenceResult* result);

    TaskQueue& m_queue;
    const std::function<void(TokenBatch)> m_deliver; // called, and destroyed with the last task, on the main thread
    std::mutex m_mutex;
    TokenBatch m_batch;
    bool m_posted = false;
};

} // namespace cortex::neuron
