// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <chrono>
#include <deque>

namespace cortex::engine {

/// Tokens per second over the steps of the last ten seconds: tokens over the time of the steps that computed such
/// tokens, so that waiting does not count as slowness. 0 when there was no such step. Not thread-safe.
class RateMeter {
public:
    using Clock = std::chrono::steady_clock;

    void add(int tokens, Clock::time_point end, Clock::duration duration)
    {
        m_steps.push_back({end, duration, tokens});
        m_tokens += tokens;
        m_duration += duration;
        forget(end);
    }

    double tokensPerSecond(Clock::time_point now)
    {
        forget(now);
        return m_steps.empty() ? 0 : double(m_tokens) / std::chrono::duration<double>(m_duration).count();
    }

private:
    struct Step {
        Clock::time_point end;
        Clock::duration duration;
        int tokens;
    };

    void forget(Clock::time_point now)
    {
        while (!m_steps.empty() && now - m_steps.front().end > std::chrono::seconds(10)) {
            m_tokens -= m_steps.front().tokens;
            m_duration -= m_steps.front().duration;
            m_steps.pop_front();
        }
    }

    std::deque<Step> m_steps;
    long long m_tokens = 0;
    Clock::duration m_duration{};
};

} // namespace cortex::engine
