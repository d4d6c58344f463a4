// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/sse.h"

#include <optional>

namespace cortex {

struct TokenUsage {
    qint64 promptTokens = 0;
    qint64 completionTokens = 0;
    qint64 cachedTokens = 0;
};

/// "usage" of an OpenAI answer or chunk; nothing where it is absent or null.
std::optional<TokenUsage> usageOf(const QByteArray& json);

/// Listens to an OpenAI event stream on its way through and changes nothing. A chunk that carries text or a tool call
/// counts as one token, which is how neurons send them; where the stream brings a usage object, that is the truth for
/// the totals. Memory is bounded: an absurdly large event ends the counting, not the stream.
class StreamTap {
public:
    /// Returns how many token chunks these bytes completed.
    int push(const QByteArray& bytes);
    qint64 chunks() const { return m_chunks; }
    const std::optional<TokenUsage>& usage() const { return m_usage; }
    bool sawDone() const { return m_sawDone; } ///< data: [DONE]
    /// True between two events: a comment may be put in here without breaking a frame.
    bool isAtBoundary() const { return m_atBoundary; }

private:
    SseParser m_parser{1024 * 1024};
    QByteArray m_tail;
    qint64 m_chunks = 0;
    std::optional<TokenUsage> m_usage;
    bool m_sawDone = false;
    bool m_atBoundary = true;
};

} // namespace cortex
