// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/sse.h"

#include <QString>

#include <optional>

namespace cortex {

/// What one event of a streamed /v1/chat/completions answer says.
struct ChatDelta {
    QString content;
    QString reasoning; ///< `reasoning_content`, or `reasoning` as some servers call it
    QString finishReason; ///< empty until the last piece
    std::optional<int> completionTokens; ///< from `usage`, in the event that ends the stream
    std::optional<double> tokensPerSecond; ///< of decoding, from `timings`, where the server measures it
    QString error; ///< the server gave up in mid-stream
};

/// Reads the answer's bytes as they come. Throws InputError where they are not a chat stream.
class ChatStreamReader {
public:
    QList<ChatDelta> push(const QByteArray& bytes);
    bool isDone() const { return m_done; } ///< "[DONE]" has come: the answer is whole

private:
    SseParser m_parser;
    bool m_done = false;
};

/// The message of an error body in the OpenAI or the Anthropic shape; what there is of text where it has neither.
QString chatErrorMessage(const QByteArray& body);

} // namespace cortex
