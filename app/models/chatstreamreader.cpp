// SPDX-License-Identifier: GPL-3.0-only
#include "app/models/chatstreamreader.h"

#include "core/error.h"

#include <QCoreApplication>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>

namespace cortex {

namespace {

struct Text {
    Q_DECLARE_TR_FUNCTIONS(cortex::ChatStreamReader)
};

/// Servers say {"error": {"message": "…"}}, and some {"error": "…"}.
QString errorText(const QJsonValue& error)
{
    return error.isString() ? error.toString() : error[QLatin1String("message")].toString();
}

ChatDelta deltaOf(const QByteArray& data)
{
    QJsonParseError parseError;
    const QJsonDocument document = QJsonDocument::fromJson(data, &parseError);
    if (!document.isObject())
        throw InputError(
            Text::tr("The server's stream holds an event that is not a JSON object (%1). Is the endpoint an "
                     "OpenAI-compatible server?")
                .arg(parseError.errorString()));
    const QJsonObject event = document.object();
    ChatDelta delta;
    if (event.contains(QLatin1String("error"))) {
        delta.error = errorText(event.value(QLatin1String("error")));
        if (delta.error.isEmpty())
            delta.error = Text::tr("The server reported an error without a message.");
        return delta;
    }
    const QJsonValue choice = event.value(QLatin1String("choices"))[0];
    const QJsonValue piece = choice[QLatin1String("delta")];
    delta.content = piece[QLatin1String("content")].toString();
    delta.reasoning = piece[QLatin1String("reasoning_content")].toString(piece[QLatin1String("reasoning")].toString());
    delta.finishReason = choice[QLatin1String("finish_reason")].toString();
    const QJsonValue tokens = event.value(QLatin1String("usage"))[QLatin1String("completion_tokens")];
    if (tokens.isDouble())
        delta.completionTokens = tokens.toInt();
    const double speed = event.value(QLatin1String("timings"))[QLatin1String("predicted_per_second")].toDouble();
    if (speed > 0)
        delta.tokensPerSecond = speed;
    return delta;
}

} // namespace

QList<ChatDelta> ChatStreamReader::push(const QByteArray& bytes)
{
    QList<ChatDelta> deltas;
    const QList<SseEvent> events = m_parser.push(bytes);
    for (const SseEvent& event : events) {
        if (m_done)
            break;
        if (event.data == "[DONE]")
            m_done = true;
        else if (!event.data.isEmpty())
            deltas.append(deltaOf(event.data));
    }
    if (m_parser.overflowed())
        throw InputError(Text::tr("The server sent one event of more than 16 MiB; the answer was cut off."));
    return deltas;
}

QString chatErrorMessage(const QByteArray& body)
{
    const QString message = errorText(QJsonDocument::fromJson(body).object().value(QLatin1String("error")));
    if (!message.isEmpty())
        return message;
    constexpr int longestExcerpt = 300;
    return QString::fromUtf8(body.left(longestExcerpt)).simplified();
}

} // namespace cortex
