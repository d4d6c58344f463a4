// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/http/httpserver.h"

#include <QJsonObject>
#include <QUrl>

namespace cortex::testing {

/// A server of /v1/chat/completions on loopback whose answers a test writes by hand, piece by piece.
class FakeChatServer : public QObject {
    Q_OBJECT
public:
    FakeChatServer();

    QUrl endpoint() const;

    /// How the next requests are answered. Open: the stream begins and waits for the calls below.
    enum class Answer { Open, Refuse, NoStream };
    Answer answer = Answer::Open;

    void sendContent(const QString& text);
    void sendEvent(const QByteArray& data);
    void sendFinish(const QString& reason, int completionTokens); ///< finish_reason, usage, [DONE], end
    void endStream(); ///< without [DONE]
    void abortStream();

    QList<QJsonObject> requests; ///< bodies
    QList<QByteArray> authorizations; ///< headers
    bool clientLeft = false; ///< the last stream's client closed the connection
    bool isStreaming() const { return m_stream != nullptr; }

private:
    void handle(const HttpRequest& request, const std::shared_ptr<ResponseStream>& response);

    HttpServer m_server;
    std::shared_ptr<ResponseStream> m_stream;
};

} // namespace cortex::testing
