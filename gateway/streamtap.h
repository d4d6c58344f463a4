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
    /// data: [DONE]. At the end of a stream also where the blank line after it is missing, or where counting has ended.
    bool sawDone() const { return m_sawDone || m_tail.trimmed().endsWith("data: [DONE]"); }
    bool sawError() const { return m_sawError; } ///< the node's own {"error": …}
    /// True between two events: a comment may be put in here without breaking a frame.
    bool isAtBoundary() const { return m_atBoundary; }

private:
    SseParser m_parser{1024 * 1024};
    QByteArray m_tail; ///< enough for "data: [DONE]" and the line ends around it
    qint64 m_chunks = 0;
    std::optional<TokenUsage> m_usage;
    bool m_sawDone = false;
    bool m_sawError = false;
    bool m_atBoundary = true;
};

} // namespace cortex
