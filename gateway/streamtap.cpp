// SPDX-License-Identifier: GPL-3.0-only
#include "gateway/streamtap.h"

#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>

#include <algorithm>

namespace cortex {

namespace {

constexpr qsizetype tailBytes = 18;

std::optional<TokenUsage> usageFrom(const QJsonObject& json)
{
    const QJsonValue value = json.value(QLatin1String("usage"));
    if (!value.isObject())
        return std::nullopt;
    const QJsonObject usage = value.toObject();
    const QJsonObject details = usage.value(QLatin1String("prompt_tokens_details")).toObject();
    const auto count = [](const QJsonValue& number) { return std::max<qint64>(0, number.toInteger()); };
    return TokenUsage{.promptTokens = count(usage.value(QLatin1String("prompt_tokens"))),
                      .completionTokens = count(usage.value(QLatin1String("completion_tokens"))),
                      .cachedTokens = count(details.value(QLatin1String("cached_tokens")))};
}

/// The role's opening chunk and the chunk of the finish reason have no text: they are not tokens.
bool carriesTokens(const QJsonObject& chunk)
{
    const QJsonArray choices = chunk.value(QLatin1String("choices")).toArray();
    for (const QJsonValue& choice : choices) {
        const QJsonObject delta = choice.toObject().value(QLatin1String("delta")).toObject();
        for (const char* field : {"content", "reasoning_content", "reasoning"}) {
            if (!delta.value(QLatin1String(field)).toString().isEmpty())
                return true;
        }
        if (!delta.value(QLatin1String("tool_calls")).toArray().isEmpty())
            return true;
        if (!choice.toObject().value(QLatin1String("text")).toString().isEmpty())
            return true;
    }
    return false;
}

} // namespace

std::optional<TokenUsage> usageOf(const QByteArray& json)
{
    return usageFrom(QJsonDocument::fromJson(json).object());
}

int StreamTap::push(const QByteArray& bytes)
{
    if (bytes.isEmpty())
        return 0;
    m_tail = (m_tail + bytes.right(tailBytes)).right(tailBytes);
    m_atBoundary = m_tail.endsWith("\n\n") || m_tail.endsWith("\r\n\r\n") || m_tail.endsWith("\r\r");
    int fresh = 0;
    for (const SseEvent& event : m_parser.push(bytes)) {
        if (event.data == "[DONE]") {
            m_sawDone = true;
            continue;
        }
        const QJsonObject chunk = QJsonDocument::fromJson(event.data).object();
        if (const std::optional<TokenUsage> usage = usageFrom(chunk))
            m_usage = usage;
        m_sawError = m_sawError || chunk.value(QLatin1String("error")).isObject();
        if (carriesTokens(chunk))
            ++fresh;
    }
    m_chunks += fresh;
    return fresh;
}

} // namespace cortex
