// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/http/httpserver.h"
#include "core/http/requestparser.h"

#include <QDeadlineTimer>
#include <QPointer>
#include <QSet>
#include <QTcpSocket>
#include <QTimer>

namespace cortex {

class GuardedResponse;
class GuardedSocket;

/// What the connections of one server share. Owned by the server, outlives them.
struct GuardContext {
    HttpLimits limits;
    HttpServer::ErrorBody errorBody;
    HttpServer::Admission refusalOf;
    QSet<GuardedSocket*> connections;
    GuardedSocket* dispatching = nullptr; ///< whose request QHttpServer is being shown
    bool closing = false; ///< no further request is taken
    qint64 bufferedBytes = 0; ///< of request bodies
    std::function<void()> connectionGone;
};

/// The connection guard: stands between a client's socket and QHttpServer, as QSslSocket stands before its plain
/// socket. It parses requests itself and shows QHttpServer one request line at a time, when a request is complete and
/// in order; headers, body and the answer go past QHttpServer. README.md tells why, and draws the states.
class GuardedSocket final : public QTcpSocket {
    Q_OBJECT
public:
    GuardedSocket(qintptr descriptor, GuardContext& context, QObject* parent);
    ~GuardedSocket() override;

    /// The request that is being dispatched and the stream for its answer; once per dispatch.
    std::pair<HttpRequest, std::shared_ptr<ResponseStream>> takeRequest();

    // The side of the answer (GuardedResponse).
    bool keepsAlive() const { return m_keepsAlive && !m_context.closing; }
    void closeAfterResponse() { m_keepsAlive = false; }
    void send(const QByteArray& bytes);
    qint64 unsentBytes() const { return m_socket->bytesToWrite(); }
    void responseEnded();
    void abortConnection(); ///< with a reset, so that a cut answer never looks whole
    const GuardContext& context() const { return m_context; }

    /// For the server's close: ends now unless a response is under way, which then is the last.
    void closeWhenIdle();

    // What QHttpServer sees: a socket that delivers one request line at a time and swallows writes.
    qint64 bytesAvailable() const override { return m_shown.size() + QTcpSocket::bytesAvailable(); }
    bool isSequential() const override { return true; }
    void disconnectFromHost() override { } ///< QHttpServer does not decide when a connection ends
    void close() override { }

protected:
    qint64 readData(char* data, qint64 maxSize) override;
    qint64 readLineData(char* data, qint64 maxSize) override;
    qint64 skipData(qint64 maxSize) override;
    qint64 writeData(const char* data, qint64 size) override;

private:
    enum class Phase { Reading, Responding, Flushing, Lingering, Gone };

    void readRequest();
    void reactToParser();
    bool admit();
    void dispatch();
    void watchReading();
    void takeNextRequest();
    void answerError(int status, const QString& message);
    void answerNow(const HttpRefusal& answer);
    void account(qint64 bodyBytes);
    void finish();
    void onReadyRead();
    void discardInput();
    void onBytesWritten();
    void onFlushed();
    void onTimeout();
    void onDisconnected();

    GuardContext& m_context;
    QTcpSocket* m_socket; ///< the client's
    RequestParser m_parser;
    RequestParser::State m_watched = RequestParser::State::Start; ///< what m_timer is running for while Reading
    QTimer m_timer;
    QDeadlineTimer m_lingerEnd;
    QByteArray m_input; ///< read and not yet parsed: the beginning of a pipelined request
    QByteArray m_shown; ///< the request line for QHttpServer to read
    Phase m_phase = Phase::Reading;
    bool m_keepsAlive = true;
    bool m_lingers = false; ///< the client may still be sending when its answer is complete
    bool m_admitted = false; ///< the request whose head is complete
    bool m_continueSent = false;
    qint64 m_bodyBytes = 0; ///< our part of GuardContext::bufferedBytes
    std::optional<HttpRequest> m_request;
    bool m_isHead = false;
    bool m_isHttp10 = false;
    GuardedResponse* m_response = nullptr; ///< the one under way
    friend class GuardedResponse;
};

} // namespace cortex
