// SPDX-License-Identifier: GPL-3.0-only
#include "core/http/guardedresponse.h"

#include "core/http/guardedsocket.h"

#include <QDateTime>
#include <QLocale>
#include <QLoggingCategory>

#include <algorithm>
#include <array>

namespace cortex {

Q_LOGGING_CATEGORY(logHttp, "cortex.http")

namespace {

QByteArrayView reasonPhrase(int status)
{
    static constexpr std::array<std::pair<int, const char*>, 38> Phrases{{
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    }};
    const auto found = std::find_if(Phrases.begin(), Phrases.end(), [=](const auto& p) { return p.first == status; });
    return found == Phrases.end() ? "Unknown" : found->second; // a phrase carries no meaning (RFC 9112, 4)
}

QByteArray httpDate()
{
    const QDateTime now = QDateTime::currentDateTimeUtc();
    return QLocale::c().toString(now, u"ddd, dd MMM yyyy hh:mm:ss 'GMT'").toLatin1();
}

/// Line ends in a value would be further headers.
QByteArray onOneLine(QByteArray value)
{
    std::replace_if(
        value.begin(), value.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; }, ' ');
    return value;
}

bool isOurs(const QByteArray& name)
{
    static constexpr std::array Names{"content-length", "transfer-encoding", "connection", "content-type", "date"};
    const QByteArray lower = name.toLower();
    return std::any_of(Names.begin(), Names.end(), [&](const char* ours) { return lower == ours; });
}

} // namespace

GuardedResponse::GuardedResponse(GuardedSocket* socket, bool isHead, bool isHttp10)
    : m_socket(socket)
    , m_isHead(isHead)
    , m_isHttp10(isHttp10)
{
}

GuardedResponse::~GuardedResponse()
{
    if (!m_open)
        return;
    if (m_begun) {
        qCWarning(logHttp, "a response was dropped in mid-stream");
        abort();
    } else {
        qCWarning(logHttp, "a request was dropped without an answer");
        respond(500, "application/json", m_socket->context().errorBody(500, QStringLiteral("the request was dropped")),
                {});
    }
}

bool GuardedResponse::start(const char* what)
{
    if (m_begun)
        qCWarning(logHttp, "%s on a response that has begun", what);
    return !std::exchange(m_begun, true) && m_open;
}

QByteArray GuardedResponse::head(int status, const QByteArray& contentType, const HttpHeaders& extra,
                                 QByteArrayView framing)
{
    if (extra.value("Connection").compare("close", Qt::CaseInsensitive) == 0)
        m_socket->closeAfterResponse();
    QByteArray head;
    head.reserve(512);
    head += "HTTP/1.1 " + QByteArray::number(status) + ' ';
    head += reasonPhrase(status);
    head += "\r\nDate: " + httpDate() + "\r\n";
    if (!contentType.isEmpty())
        head += "Content-Type: " + onOneLine(contentType) + "\r\n";
    for (const auto& [name, value] : extra.fields()) {
        if (!isOurs(name))
            head += onOneLine(name) + ": " + onOneLine(value) + "\r\n";
    }
    head += framing;
    if (!m_socket->keepsAlive())
        head += "Connection: close\r\n";
    else if (m_isHttp10)
        head += "Connection: keep-alive\r\n";
    return head += "\r\n";
}

void GuardedResponse::respond(int status, const QByteArray& contentType, const QByteArray& body,
                              const HttpHeaders& extra)
{
    if (!start("respond"))
        return;
    const bool neverHasBody = status == 204 || status == 304;
    const QByteArray length =
        neverHasBody ? QByteArray() : "Content-Length: " + QByteArray::number(body.size()) + "\r\n";
    QByteArray bytes = head(status, contentType, extra, length);
    if (!m_isHead && !neverHasBody)
        bytes += body;
    m_socket->send(bytes);
    finish();
}

void GuardedResponse::begin(int status, const QByteArray& contentType, const HttpHeaders& extra)
{
    if (!start("begin"))
        return;
    m_hasBody = !m_isHead && status != 204 && status != 304;
    m_chunked = !m_isHttp10;
    if (m_isHttp10) // knows no chunks: the end of the connection is the end of the body
        m_socket->closeAfterResponse();
    m_socket->send(head(status, contentType, extra, m_chunked ? "Transfer-Encoding: chunked\r\n" : ""));
    if (!m_hasBody) // whoever streams without an end, as events do, would hold the connection for nothing
        finish();
}

void GuardedResponse::write(const QByteArray& bytes)
{
    if (!m_begun)
        qCWarning(logHttp, "write on a response that has not begun");
    if (!m_begun || !m_open || !m_hasBody || bytes.isEmpty()) // an empty chunk would be the last one
        return;
    if (m_chunked)
        m_socket->send(QByteArray::number(bytes.size(), 16) + "\r\n" + bytes + "\r\n");
    else
        m_socket->send(bytes);
}

void GuardedResponse::end()
{
    if (!m_begun)
        qCWarning(logHttp, "end on a response that has not begun");
    if (!m_begun || !m_open)
        return;
    if (m_chunked && m_hasBody)
        m_socket->send("0\r\n\r\n");
    finish();
}

void GuardedResponse::finish()
{
    m_open = false;
    m_socket->responseEnded();
}

void GuardedResponse::abort()
{
    if (!m_open)
        return;
    m_begun = true;
    m_open = false;
    GuardedSocket* const socket = m_socket;
    socket->responseEnded(); // so that the connection's end is not taken for the client's departure
    socket->abortConnection();
}

qint64 GuardedResponse::pendingBytes() const
{
    return m_socket && m_open ? m_socket->unsentBytes() : 0;
}

void GuardedResponse::connectionLost()
{
    if (std::exchange(m_open, false))
        Q_EMIT disconnected();
}

void GuardedResponse::flushed()
{
    if (m_open)
        Q_EMIT drained();
}

} // namespace cortex
