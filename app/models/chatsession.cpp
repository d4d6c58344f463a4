// SPDX-License-Identifier: GPL-3.0-only
#include "app/models/chatsession.h"

#include "core/error.h"

#include <QJsonDocument>
#include <QJsonObject>

namespace cortex {

namespace {

constexpr int statusOk = 200;
constexpr qsizetype longestErrorBody = 64 * 1024;
constexpr qsizetype longestReply = 8 * 1024 * 1024; ///< characters; a server that never ends must not fill the memory

QByteArray requestBody(const QString& model, const QJsonArray& messages)
{
    return QJsonDocument(QJsonObject{
                             {QStringLiteral("model"), model},
                             {QStringLiteral("messages"), messages},
                             {QStringLiteral("stream"), true},
                             {QStringLiteral("stream_options"), QJsonObject{{QStringLiteral("include_usage"), true}}},
                         })
        .toJson(QJsonDocument::Compact);
}

} // namespace

ChatSession::ChatSession(QObject* parent)
    : QObject(parent)
{
}

ChatSession::~ChatSession()
{
    delete m_reply;
}

void ChatSession::setEndpoint(const QUrl& endpoint)
{
    if (m_endpoint == endpoint)
        return;
    m_endpoint = endpoint;
    Q_EMIT stateChanged();
}

void ChatSession::setApiKey(const QString& key)
{
    m_apiKey = key;
}

void ChatSession::setModel(const QString& id)
{
    if (m_model == id)
        return;
    m_model = id;
    Q_EMIT modelChanged();
    Q_EMIT stateChanged();
}

bool ChatSession::canSend() const
{
    return !isBusy() && !m_model.isEmpty() && m_endpoint.isValid() && !m_endpoint.isEmpty();
}

bool ChatSession::canRegenerate() const
{
    return canSend() && !m_transcript.isEmpty() && m_transcript.last().author == ChatMessage::Author::Assistant;
}

void ChatSession::send(const QString& text)
{
    if (!canSend() || text.trimmed().isEmpty())
        return;
    ChatMessage message;
    message.text = text.trimmed();
    m_transcript.append(message);
    requestReply();
}

void ChatSession::regenerate()
{
    if (!canRegenerate())
        return;
    m_transcript.removeLast();
    requestReply();
}

void ChatSession::stop()
{
    if (isBusy())
        finish(ChatMessage::State::Stopped);
}

void ChatSession::clear()
{
    stop();
    m_transcript.clear();
    Q_EMIT stateChanged();
}

void ChatSession::requestReply()
{
    ChatMessage reply;
    reply.author = ChatMessage::Author::Assistant;
    reply.state = ChatMessage::State::Waiting;
    reply.model = m_model;
    m_transcript.append(reply);

    m_reader = {};
    m_errorBody.clear();
    m_finishReason.clear();
    m_timings = {};
    m_serverMeasured = false;
    m_sinceSent.start();

    HttpClientRequest request;
    request.method = "POST";
    request.url = m_endpoint;
    request.url.setPath(QStringLiteral("/v1/chat/completions"));
    request.headers.append("Content-Type", "application/json");
    request.headers.append("Accept", "text/event-stream");
    if (!m_apiKey.isEmpty())
        request.headers.append("Authorization", "Bearer " + m_apiKey.toUtf8());
    request.body = requestBody(m_model, m_transcript.toRequestMessages());
    m_reply = m_client.send(request);
    m_reply->setStreaming(true);
    connect(m_reply, &HttpReply::data, this, &ChatSession::readData);
    connect(m_reply, &HttpReply::finished, this, &ChatSession::replyFinished);
    Q_EMIT stateChanged();
}

void ChatSession::readData(const QByteArray& bytes)
{
    if (!m_reply)
        return;
    if (m_reply->status() != statusOk) {
        m_errorBody += bytes.left(longestErrorBody - m_errorBody.size());
        return;
    }
    try {
        const QList<ChatDelta> deltas = m_reader.push(bytes);
        for (const ChatDelta& delta : deltas) {
            apply(delta);
            if (!m_reply)
                return;
        }
    } catch (const InputError& error) {
        finish(ChatMessage::State::Failed, error.message());
    }
}

void ChatSession::apply(const ChatDelta& delta)
{
    if (!delta.error.isEmpty()) {
        finish(ChatMessage::State::Failed, delta.error);
        return;
    }
    if (!delta.finishReason.isEmpty())
        m_finishReason = delta.finishReason;
    if (!delta.content.isEmpty() || !delta.reasoning.isEmpty())
        countToken();
    if (!delta.reasoning.isEmpty())
        m_transcript.appendReasoning(delta.reasoning);
    if (!delta.content.isEmpty())
        m_transcript.appendText(delta.content);
    takeServerTimings(delta);
    if (m_transcript.last().text.size() + m_transcript.last().reasoning.size() > longestReply)
        finish(ChatMessage::State::Failed,
               tr("The reply grew past %1 million characters and was stopped.").arg(longestReply >> 20));
}

/// Several tokens may have shared an event, and events may have come in one burst: what the server counted and measured
/// itself is the truth.
void ChatSession::takeServerTimings(const ChatDelta& delta)
{
    if (delta.tokensPerSecond && m_timings.timeToFirstToken) {
        m_timings.tokensPerSecond = *delta.tokensPerSecond;
        m_serverMeasured = true;
        m_transcript.setTimings(m_timings);
    }
    if (delta.completionTokens && m_timings.tokensPerSecond && m_timings.tokens > 1 && *delta.completionTokens > 1) {
        if (!m_serverMeasured)
            *m_timings.tokensPerSecond *= double(*delta.completionTokens - 1) / (m_timings.tokens - 1);
        m_timings.tokens = *delta.completionTokens;
        m_transcript.setTimings(m_timings);
    }
}

void ChatSession::countToken()
{
    const double now = double(m_sinceSent.nsecsElapsed()) / 1e9;
    ++m_timings.tokens;
    if (!m_timings.timeToFirstToken)
        m_timings.timeToFirstToken = now;
    const double generating = now - *m_timings.timeToFirstToken;
    if (m_timings.tokens > 1 && generating > 0)
        m_timings.tokensPerSecond = (m_timings.tokens - 1) / generating;
    m_transcript.setTimings(m_timings);
}

void ChatSession::replyFinished()
{
    if (!m_reply)
        return;
    const QString failure = failureText();
    finish(failure.isEmpty() ? ChatMessage::State::Complete : ChatMessage::State::Failed, failure);
}

/// Why the finished reply is not a whole answer; empty where it is one.
QString ChatSession::failureText() const
{
    if (m_reply->failure() != HttpReply::Failure::None)
        return m_reply->status() == statusOk ? tr("The reply was cut off: %1").arg(m_reply->errorText())
                                             : m_reply->errorText();
    if (m_reply->status() != statusOk) {
        const QString message = chatErrorMessage(m_errorBody);
        return message.isEmpty() ? tr("The gateway answered with HTTP status %1 and no message.").arg(m_reply->status())
                                 : message;
    }
    if (!m_reader.isDone() && m_finishReason.isEmpty())
        return tr("The reply was cut off: the stream ended before the model was done. Ask again; if it happens again, "
                  "see the "
                  "node's log.");
    return {};
}

void ChatSession::finish(ChatMessage::State state, const QString& error)
{
    HttpReply* const reply = std::exchange(m_reply, nullptr);
    reply->disconnect(this);
    if (!reply->isFinished())
        reply->abort();
    reply->deleteLater(); // this may be called from one of its signals
    m_transcript.finish(state, m_finishReason, error);
    Q_EMIT stateChanged();
}

} // namespace cortex
