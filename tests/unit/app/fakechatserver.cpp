// SPDX-License-Identifier: GPL-3.0-only
#include "fakechatserver.h"

#include "core/sse.h"

#include <QJsonArray>
#include <QJsonDocument>

namespace cortex::testing {

namespace {

QByteArray chunk(const QJsonObject& delta, const QString& finishReason = {})
{
    QJsonObject choice{{QStringLiteral("index"), 0}, {QStringLiteral("delta"), delta}};
    if (!finishReason.isEmpty())
        choice.insert(QStringLiteral("finish_reason"), finishReason);
    return QJsonDocument(QJsonObject{{QStringLiteral("object"), QStringLiteral("chat.completion.chunk")},
                                     {QStringLiteral("choices"), QJsonArray{choice}}})
        .toJson(QJsonDocument::Compact);
}

} // namespace

FakeChatServer::FakeChatServer()
{
    m_server.route("POST", QStringLiteral("/v1/chat/completions"),
                   [this](const HttpRequest& request, const std::shared_ptr<ResponseStream>& response) {
                       handle(request, response);
                   });
    if (const auto problem = m_server.listen(QHostAddress::LocalHost, 0))
        qFatal("%s", qPrintable(*problem));
}

QUrl FakeChatServer::endpoint() const
{
    return QUrl(QStringLiteral("http://127.0.0.1:%1").arg(m_server.port()));
}

void FakeChatServer::handle(const HttpRequest& request, const std::shared_ptr<ResponseStream>& response)
{
    requests.append(QJsonDocument::fromJson(request.body).object());
    authorizations.append(request.headers.value("Authorization"));
    if (answer == Answer::Refuse) {
        const QJsonObject error{{QStringLiteral("message"), QStringLiteral("No node has room for this model.")}};
        response->respondJson(503, QJsonObject{{QStringLiteral("error"), error}});
        return;
    }
    if (answer == Answer::NoStream) {
        response->respond(200, "text/html", "<html>hello</html>");
        return;
    }
    clientLeft = false;
    connect(response.get(), &ResponseStream::disconnected, this, [this] {
        clientLeft = true;
        m_stream.reset();
    });
    response->beginEventStream();
    m_stream = response;
    sendEvent(chunk({{QStringLiteral("role"), QStringLiteral("assistant")}}));
}

void FakeChatServer::sendContent(const QString& text)
{
    sendEvent(chunk({{QStringLiteral("content"), text}}));
}

void FakeChatServer::sendEvent(const QByteArray& data)
{
    m_stream->write(sseFrame({}, data));
}

void FakeChatServer::sendFinish(const QString& reason, int completionTokens)
{
    sendEvent(chunk({}, reason));
    const QJsonObject usage{{QStringLiteral("completion_tokens"), completionTokens}};
    sendEvent(QJsonDocument(QJsonObject{{QStringLiteral("choices"), QJsonArray()}, {QStringLiteral("usage"), usage}})
                  .toJson(QJsonDocument::Compact));
    sendEvent("[DONE]");
    endStream();
}

void FakeChatServer::endStream()
{
    std::exchange(m_stream, nullptr)->end();
}

void FakeChatServer::abortStream()
{
    std::exchange(m_stream, nullptr)->abort();
}

} // namespace cortex::testing
