// SPDX-License-Identifier: GPL-3.0-only
#include "core/http/guardedsocket.h"

#include "core/http/guardedresponse.h"

#include <algorithm>
#include <cstring>

#include <sys/socket.h>

namespace cortex {

namespace {

constexpr qint64 ReadChunk = 64 * 1024;
constexpr qint64 LingerBytes = 4 * 1024 * 1024;

} // namespace

GuardedSocket::GuardedSocket(qintptr descriptor, GuardContext& context, QObject* parent)
    : QTcpSocket(parent)
    , m_context(context)
    , m_socket(new QTcpSocket(this))
    , m_parser(context.limits.maxHeaderBytes, context.limits.maxBodyBytes)
{
    m_context.connections.insert(this);
    connect(m_socket, &QTcpSocket::readyRead, this, &GuardedSocket::onReadyRead);
    connect(m_socket, &QTcpSocket::bytesWritten, this, &GuardedSocket::onBytesWritten);
    connect(m_socket, &QTcpSocket::disconnected, this, &GuardedSocket::onDisconnected);
    m_timer.setSingleShot(true);
    connect(&m_timer, &QTimer::timeout, this, &GuardedSocket::onTimeout);

    // The buffer is bounded: what a client sends beyond it stays in the kernel, and at last with the client.
    m_socket->setReadBufferSize(ReadChunk);
    m_socket->setSocketDescriptor(descriptor);
    m_socket->setSocketOption(QAbstractSocket::LowDelayOption, 1);
    setPeerAddress(m_socket->peerAddress());
    setPeerPort(m_socket->peerPort());
    setLocalAddress(m_socket->localAddress());
    setLocalPort(m_socket->localPort());
    setSocketState(QAbstractSocket::ConnectedState);
    setOpenMode(QIODevice::ReadWrite);
    m_timer.start(m_context.limits.idleTimeout);
}

GuardedSocket::~GuardedSocket()
{
    m_socket->disconnect(this);
    m_phase = Phase::Gone;
    if (m_response)
        std::exchange(m_response, nullptr)->connectionLost();
    setSocketState(QAbstractSocket::UnconnectedState); // ~QAbstractSocket would try to close what it never opened
    account(0);
    m_context.connections.remove(this);
    if (m_context.connectionGone)
        m_context.connectionGone();
}

// ---------------------------------------------------------------------------------------------- reading a request

void GuardedSocket::onReadyRead()
{
    if (m_phase == Phase::Lingering)
        discardInput();
    else
        readRequest();
}

/// A client that is still sending has not looked for its answer yet, so each read gives it more time.
void GuardedSocket::discardInput()
{
    m_socket->skip(m_socket->bytesAvailable());
    if (m_timer.isActive())
        m_timer.start(std::min(m_context.limits.lingerTimeout,
                               std::chrono::milliseconds(std::max<qint64>(0, m_lingerEnd.remainingTime()))));
}

void GuardedSocket::readRequest()
{
    while (m_phase == Phase::Reading) {
        if (m_input.isEmpty())
            m_input = m_socket->read(ReadChunk);
        if (m_input.isEmpty())
            return;
        m_input.remove(0, m_parser.push(m_input));
        account(m_parser.bodyBytes());
        if (m_context.bufferedBytes > m_context.limits.maxBufferedBytes && m_bodyBytes > 0)
            m_parser.refuse(503,
                            QStringLiteral("the bodies of the requests under way fill the memory set aside for them; "
                                           "try again later"));
        reactToParser();
    }
}

/// Each connection's limit times their number is more than any machine has: hence a sum over all of them.
void GuardedSocket::account(qint64 bodyBytes)
{
    m_context.bufferedBytes += bodyBytes - std::exchange(m_bodyBytes, bodyBytes);
}

void GuardedSocket::reactToParser()
{
    switch (m_parser.state()) {
    case RequestParser::State::Failed:
        answerError(m_parser.errorStatus(), m_parser.errorMessage());
        break;
    case RequestParser::State::Complete:
        if (admit())
            dispatch();
        break;
    case RequestParser::State::Body:
        if (!admit())
            break;
        if (m_parser.expectsContinue() && !std::exchange(m_continueSent, true))
            m_socket->write("HTTP/1.1 100 Continue\r\n\r\n");
        watchReading();
        break;
    default:
        watchReading();
    }
}

/// Once for each request, when its head is there. One that is not let in has its answer then; if its body is still to
/// come, the connection ends with that.
bool GuardedSocket::admit()
{
    if (std::exchange(m_admitted, true))
        return true;
    const std::optional<HttpRefusal> refusal = m_context.refusalOf(m_parser.head());
    if (!refusal)
        return true;
    m_isHead = m_parser.head().method == "HEAD";
    m_isHttp10 = m_parser.isHttp10();
    m_lingers = m_parser.state() != RequestParser::State::Complete;
    m_keepsAlive = m_parser.keepsAlive() && !m_lingers;
    if (m_keepsAlive)
        m_parser.takeRequest();
    answerNow(*refusal);
    return false;
}

/// One deadline for each part of a request, from its first byte: however slowly bytes trickle in, it stays.
void GuardedSocket::watchReading()
{
    const RequestParser::State state = m_parser.state();
    if (state == m_watched)
        return;
    m_watched = state;
    m_timer.start(state == RequestParser::State::Start      ? m_context.limits.idleTimeout
                      : state == RequestParser::State::Head ? m_context.limits.headerTimeout
                                                            : m_context.limits.bodyTimeout);
}

void GuardedSocket::dispatch()
{
    m_timer.stop();
    m_phase = Phase::Responding;
    m_keepsAlive = m_parser.keepsAlive();
    m_isHttp10 = m_parser.isHttp10();
    m_shown = m_parser.requestLine() + " HTTP/1.1\r\n\r\n";
    m_request = m_parser.takeRequest();
    m_request->peer = peerAddress();
    m_isHead = m_request->method == "HEAD";

    const QPointer<GuardedSocket> alive(this);
    GuardContext& shared = m_context;
    GuardedSocket* const before = std::exchange(shared.dispatching, this);
    Q_EMIT readyRead(); // QHttpServer reads m_shown and calls the server's handleRequest
    shared.dispatching = before;
    if (alive && m_request) {
        m_request.reset();
        answerError(400, QStringLiteral("the address cannot be understood"));
    }
}

std::pair<HttpRequest, std::shared_ptr<ResponseStream>> GuardedSocket::takeRequest()
{
    Q_ASSERT(m_request && !m_response);
    const auto response = std::make_shared<GuardedResponse>(this, m_isHead, m_isHttp10);
    m_response = response.get();
    HttpRequest request = std::move(*m_request);
    m_request.reset();
    return {std::move(request), response};
}

// ------------------------------------------------------------------------------------------------------ answering

void GuardedSocket::send(const QByteArray& bytes)
{
    m_socket->write(bytes);
    if (!m_timer.isActive())
        m_timer.start(m_context.limits.writeTimeout);
}

void GuardedSocket::onBytesWritten()
{
    if (m_phase == Phase::Reading || m_phase == Phase::Lingering)
        return;
    if (unsentBytes() > 0)
        m_timer.start(m_context.limits.writeTimeout);
    else
        onFlushed();
}

void GuardedSocket::onFlushed()
{
    m_timer.stop();
    if (m_phase == Phase::Flushing)
        takeNextRequest();
    else if (m_response)
        m_response->flushed();
}

void GuardedSocket::responseEnded()
{
    m_response = nullptr;
    account(0);
    if (m_phase == Phase::Gone)
        return;
    m_phase = Phase::Flushing;
    // Even where everything is out already the next request waits for the event loop: the caller is inside a handler.
    if (unsentBytes() == 0)
        QMetaObject::invokeMethod(this, &GuardedSocket::takeNextRequest, Qt::QueuedConnection);
}

void GuardedSocket::takeNextRequest()
{
    if (m_phase != Phase::Flushing)
        return;
    if (!keepsAlive())
        return finish();
    m_phase = Phase::Reading;
    m_admitted = false;
    m_continueSent = false;
    m_isHead = false;
    m_watched = RequestParser::State::Start;
    m_timer.start(m_context.limits.idleTimeout);
    readRequest();
}

void GuardedSocket::answerError(int status, const QString& message)
{
    m_keepsAlive = false;
    m_lingers = true;
    HttpHeaders extra;
    if (status == 503)
        extra.append("Retry-After", "5");
    answerNow({.status = status, .body = m_context.errorBody(status, message), .headers = extra});
}

/// An answer of the guard's own, which no route has a part in.
void GuardedSocket::answerNow(const HttpRefusal& answer)
{
    m_phase = Phase::Responding;
    m_timer.stop();
    GuardedResponse response(this, m_isHead, m_isHttp10);
    m_response = &response;
    response.respond(answer.status, "application/json", answer.body, answer.headers);
}

// ------------------------------------------------------------------------------------------------------- the end

/// Everything is sent. Where the client may still be sending, closing would reset the connection and could destroy the
/// answer before the client has read it (RFC 9112, 9.6): so first only our side ends, and input is thrown away for as
/// long as it comes, within a limit.
void GuardedSocket::finish()
{
    if (!m_lingers && m_input.isEmpty()) {
        m_phase = Phase::Lingering;
        m_socket->disconnectFromHost();
        return;
    }
    m_phase = Phase::Lingering;
    m_input.clear();
    m_socket->setReadBufferSize(LingerBytes);
    ::shutdown(static_cast<int>(m_socket->socketDescriptor()), SHUT_WR);
    m_lingerEnd.setRemainingTime(m_context.limits.lingerLimit);
    m_timer.start(m_context.limits.lingerTimeout);
    discardInput();
}

void GuardedSocket::abortConnection()
{
    if (m_phase == Phase::Gone)
        return;
    const linger reset{1, 0};
    ::setsockopt(static_cast<int>(m_socket->socketDescriptor()), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    m_socket->abort();
}

void GuardedSocket::closeWhenIdle()
{
    if (m_phase == Phase::Reading)
        m_socket->abort();
}

void GuardedSocket::onTimeout()
{
    if (m_phase != Phase::Reading)
        return abortConnection();
    if (m_watched == RequestParser::State::Start)
        return finish();
    m_parser.refuse(408,
                    m_watched == RequestParser::State::Head ? QStringLiteral("the headers did not arrive in time")
                                                            : QStringLiteral("the body did not arrive in time"));
    reactToParser();
}

void GuardedSocket::onDisconnected()
{
    if (std::exchange(m_phase, Phase::Gone) == Phase::Gone)
        return;
    m_timer.stop();
    const QPointer<GuardedSocket> alive(this);
    if (m_response)
        std::exchange(m_response, nullptr)->connectionLost();
    if (!alive)
        return;
    setSocketState(QAbstractSocket::UnconnectedState);
    Q_EMIT disconnected(); // QHttpServer deletes us later
}

// ---------------------------------------------------------------------------------------- what QHttpServer reads

qint64 GuardedSocket::readData(char* data, qint64 maxSize)
{
    const qint64 size = std::min<qint64>(maxSize, m_shown.size());
    if (size > 0) {
        std::memcpy(data, m_shown.constData(), static_cast<size_t>(size));
        m_shown.remove(0, size);
    }
    return size;
}

qint64 GuardedSocket::readLineData(char* data, qint64 maxSize)
{
    const qsizetype newline = m_shown.indexOf('\n');
    return readData(data, newline < 0 ? maxSize : std::min<qint64>(maxSize, newline + 1));
}

qint64 GuardedSocket::skipData(qint64 maxSize)
{
    const qint64 size = std::min<qint64>(maxSize, m_shown.size());
    m_shown.remove(0, size);
    return size;
}

qint64 GuardedSocket::writeData(const char*, qint64 size)
{
    return size;
}

} // namespace cortex
