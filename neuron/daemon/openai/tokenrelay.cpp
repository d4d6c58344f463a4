// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/openai/tokenrelay.h"

#include <utility>

namespace cortex::neuron {

void TokenRelay::token(int32_t, const std::string& text)
{
    if (!text.empty())
        add(text, nullptr);
}

void TokenRelay::finished(const engine::SequenceResult& result, const std::string& text)
{
    add(text, &result);
}

void TokenRelay::add(const std::string& text, const engine::SequenceResult* result)
{
    {
        const std::lock_guard lock(m_mutex);
        if (!text.empty())
            m_batch.texts.push_back(text);
        if (result)
            m_batch.result = *result;
        if (std::exchange(m_posted, true))
            return; // the task under way takes this along
    }
    m_queue.post([self = shared_from_this()] {
        TokenBatch batch;
        {
            const std::lock_guard lock(self->m_mutex);
            self->m_posted = false;
            batch = std::exchange(self->m_batch, {});
        }
        if (self->m_receiver)
            self->m_receiver->deliver(batch);
    });
}

} // namespace cortex::neuron
