// SPDX-License-Identifier: GPL-3.0-only
#include "core/http/httpserver.h"

#include "core/error.h"
#include "core/http/guardedsocket.h"
#include "core/http/router.h"

#include <QAbstractHttpServer>
#include <QHttpServerResponder>
#include <QJsonDocument>
#include <QJsonObject>
#include <QTcpServer>

#include <algorithm>

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace cortex {

namespace {

QByteArray openAiErrorBody(int status, const QString& message)
{
    const QString type = status >= 500 ? QStringLiteral("server_error") : QStringLiteral("invalid_request_error");
    const QJsonObject error{{QLatin1String("message"), message},
                            {QLatin1String("type"), type},
                            {QLatin1String("param"), QJsonValue()},
                            {QLatin1String("code"), QJsonValue()}};
    return QJsonDocument(QJsonObject{{QLatin1String("error"), error}}).toJson(QJsonDocument::Compact);
}

/// A connection is a file descriptor, and the usual soft limit of 1024 is below our limit of connections.
void raiseDescriptorLimit(int connections)
{
    rlimit limit{};
    const auto wanted = static_cast<rlim_t>(connections) + 1024;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = std::min(limit.rlim_max, wanted);
    setrlimit(RLIMIT_NOFILE, &limit);
}

QString addressText(const QHostAddress& address, quint16 port)
{
    const bool isV6 = address.protocol() == QAbstractSocket::IPv6Protocol;
    return (isV6 ? QStringLiteral("[%1]:%2") : QStringLiteral("%1:%2")).arg(address.toString()).arg(port);
}

/// True for a request that a web page of another site has a browser send. Such a page needs no permission to send, only
/// to read the answer; and its reader's browser may be on the inside of a network that nobody else gets into. What is
/// no web page (programs, extensions, apps with schemes of their own) cannot be led by one.
bool isFromForeignPage(const HttpHeaders& headers)
{
    const QByteArray origin = headers.value("Origin");
    if (origin == "null") // a page that hides where it is from
        return true;
    const bool isWeb = origin.startsWith("http://") || origin.startsWith("https://");
    // Pages cannot set Sec-Fetch-Site; it is right also behind a proxy that does not pass Host on.
    if (!isWeb || headers.value("Sec-Fetch-Site") == "same-origin")
        return false;
    const QUrl page(QString::fromLatin1(origin));
    const QUrl ours(page.scheme() + QStringLiteral("://") + QString::fromLatin1(headers.value("Host")));
    const int defaultPort = page.scheme() == QLatin1String("https") ? 443 : 80;
    return page.host().isEmpty() || page.host() != ours.host() || page.port(defaultPort) != ours.port(defaultPort);
}

QString listenFailure(const QTcpServer& server, const QHostAddress& address, quint16 port)
{
    const QString where = addressText(address, port);
    switch (server.serverError()) {
    case QAbstractSocket::AddressInUseError:
        return QStringLiteral("%1 is in use by another program; stop that program (ss -ltnp shows it) or listen on "
                              "another port")
            .arg(where);
    case QAbstractSocket::SocketAccessError:
        return QStringLiteral("%1 needs privileges; choose a port above 1023").arg(where);
    case QAbstractSocket::SocketAddressNotAvailableError:
        return QStringLiteral("%1: this machine has no such address; choose 127.0.0.1, 0.0.0.0 or an address that "
                              "`ip address` shows")
            .arg(where);
    default:
        return QStringLiteral("cannot listen on %1: %2").arg(where, server.errorString());
    }
}

/// Accepts connections and puts a guard on each.
class GuardedTcpServer final : public QTcpServer {
public:
    explicit GuardedTcpServer(GuardContext& context)
        : m_context(context)
    {
        setListenBacklogSize(1024);
        setMaxPendingConnections(1024);
        // Without a free descriptor Qt stops accepting for good; descriptors come back when connections end.
        m_retry.setSingleShot(true);
        m_retry.setInterval(std::chrono::milliseconds(200));
        connect(this, &QTcpServer::acceptError, &m_retry, qOverload<>(&QTimer::start));
        connect(&m_retry, &QTimer::timeout, this, &QTcpServer::resumeAccepting);
    }

protected:
    void incomingConnection(qintptr descriptor) override
    {
        if (m_context.connections.size() >= m_context.limits.maxConnections)
            return refuse(static_cast<int>(descriptor));
        addPendingConnection(new GuardedSocket(descriptor, m_context, this));
    }

private:
    void refuse(int descriptor)
    {
        const QByteArray body = m_context.errorBody(503, QStringLiteral("too many connections; try again later"));
        const QByteArray answer = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
                                  "Retry-After: 1\r\nConnection: close\r\nContent-Length: "
            + QByteArray::number(body.size()) + "\r\n\r\n" + body;
        // One try: an answer of this size fits into the empty buffer of a new connection.
        [[maybe_unused]] const auto sent =
            ::send(descriptor, answer.constData(), static_cast<size_t>(answer.size()), MSG_NOSIGNAL | MSG_DONTWAIT);
        ::shutdown(descriptor, SHUT_WR);
        ::close(descriptor);
    }

    GuardContext& m_context;
    QTimer m_retry;
};

} // namespace

/// Qt's part of the server: takes connections from QTcpServer, reads the request line that the guard shows, calls us.
class HttpServer::Private final : public QAbstractHttpServer {
public:
    Private(HttpServer* server, const HttpLimits& limits);
    ~Private() override;

    std::optional<HttpRefusal> refusalOf(const HttpRequest& head) const;
    void answerCurrentRequest();
    void answer(HttpRequest request, const std::shared_ptr<ResponseStream>& response);
    void connectionGone();

    HttpServer* const q;
    GuardContext context;
    Router router;
    Admission admission;
    GuardedTcpServer* listener = nullptr; ///< owned by QAbstractHttpServer
    QTimer grace;

protected:
#if QT_VERSION < QT_VERSION_CHECK(6, 8, 0)
    bool handleRequest(const QHttpServerRequest&, QTcpSocket*) override
    {
        answerCurrentRequest();
        return true;
    }
    void missingHandler(const QHttpServerRequest&, QTcpSocket*) override { }
#else
    bool handleRequest(const QHttpServerRequest&, QHttpServerResponder&) override
    {
        answerCurrentRequest();
        return true;
    }
    void missingHandler(const QHttpServerRequest&, QHttpServerResponder&) override { }
#endif
};

HttpServer::Private::Private(HttpServer* server, const HttpLimits& limits)
    : q(server)
{
    context.limits = limits;
    context.errorBody = openAiErrorBody;
    context.refusalOf = [this](const HttpRequest& head) { return refusalOf(head); };
    context.connectionGone = [this] { connectionGone(); };
    grace.setSingleShot(true);
    QObject::connect(&grace, &QTimer::timeout, q, [this] {
        const auto connections = context.connections;
        for (GuardedSocket* connection : connections)
            connection->abortConnection();
    });
}

HttpServer::Private::~Private()
{
    context.connectionGone = nullptr;
    delete listener;
    qDeleteAll(QSet<GuardedSocket*>(context.connections)); // those that Qt gave another parent
}

void HttpServer::Private::answerCurrentRequest()
{
    if (!context.dispatching)
        return;
    auto [request, response] = context.dispatching->takeRequest();
    answer(std::move(request), response);
}

std::optional<HttpRefusal> HttpServer::Private::refusalOf(const HttpRequest& head) const
{
    if (isFromForeignPage(head.headers)) {
        const QString message = QStringLiteral("a web page of %1 may not send requests here; its server may")
                                    .arg(QString::fromLatin1(head.headers.value("Origin")));
        return HttpRefusal{.status = 403, .body = context.errorBody(403, message), .headers = {}};
    }
    return admission ? admission(head) : std::nullopt;
}

void HttpServer::Private::answer(HttpRequest request, const std::shared_ptr<ResponseStream>& response)
{
    Router::Match match = router.find(request.method, request.path);
    if (!match.handler) {
        const int status = match.allowed.isEmpty() ? 404 : 405;
        HttpHeaders headers;
        if (status == 405)
            headers.append("Allow", match.allowed.join(", "));
        const QString message = status == 404
            ? QStringLiteral("there is nothing at %1").arg(request.path)
            : QStringLiteral("%1 does not take %2").arg(request.path, QString::fromLatin1(request.method));
        return response->respond(status, "application/json", context.errorBody(status, message), headers);
    }
    request.captures = std::move(match.captures);
    try {
        (*match.handler)(request, response);
    } catch (const InputError& error) {
        if (!response->isBegun())
            response->respond(400, "application/json", context.errorBody(400, error.message()));
        else
            response->abort();
    }
}

void HttpServer::Private::connectionGone()
{
    if (!context.closing || !context.connections.isEmpty())
        return;
    grace.stop();
    QMetaObject::invokeMethod(q, &HttpServer::closed, Qt::QueuedConnection);
}

HttpServer::HttpServer(const HttpLimits& limits, QObject* parent)
    : QObject(parent)
    , d(std::make_unique<Private>(this, limits))
{
}

HttpServer::~HttpServer() = default;

void HttpServer::route(const QByteArray& method, const QString& pattern, Handler handler)
{
    d->router.add(method, pattern, std::move(handler));
}

void HttpServer::setErrorBody(ErrorBody errorBody)
{
    d->context.errorBody = std::move(errorBody);
}

void HttpServer::setAdmission(Admission admission)
{
    d->admission = std::move(admission);
}

std::optional<QString> HttpServer::listen(const QHostAddress& address, quint16 port)
{
    Q_ASSERT(!d->listener);
    raiseDescriptorLimit(d->context.limits.maxConnections);
    auto listener = std::make_unique<GuardedTcpServer>(d->context);
    if (!listener->listen(address, port))
        return listenFailure(*listener, address, port);
    d->listener = listener.release();
    d->bind(d->listener);
    return {};
}

quint16 HttpServer::port() const
{
    return d->listener ? d->listener->serverPort() : 0;
}

int HttpServer::connectionCount() const
{
    return static_cast<int>(d->context.connections.size());
}

void HttpServer::close(std::chrono::milliseconds grace)
{
    if (d->context.closing)
        return;
    d->context.closing = true;
    if (d->listener)
        d->listener->close();
    const auto connections = d->context.connections;
    for (GuardedSocket* connection : connections)
        connection->closeWhenIdle();
    if (d->context.connections.isEmpty())
        d->connectionGone();
    else
        d->grace.start(grace);
}

QPair<QHostAddress, quint16> parseListenAddress(const QString& text)
{
    const qsizetype colon = text.lastIndexOf(QLatin1Char(':'));
    const QString host = colon < 0 ? QStringLiteral("127.0.0.1") : text.left(colon);
    bool ok = false;
    const quint16 port = QStringView(text).mid(colon + 1).toUShort(&ok);
    if (!ok)
        throw InputError(QStringLiteral("\"%1\": expected ADDRESS:PORT with a port from 0 to 65535").arg(text));
    if (host.isEmpty() || host == QLatin1String("*"))
        return {QHostAddress(QHostAddress::Any), port};
    if (host == QLatin1String("localhost"))
        return {QHostAddress(QHostAddress::LocalHost), port};
    const bool bracketed = host.startsWith(QLatin1Char('[')) && host.endsWith(QLatin1Char(']'));
    const QHostAddress address(bracketed ? host.mid(1, host.size() - 2) : host);
    const bool isV6 = address.protocol() == QAbstractSocket::IPv6Protocol;
    if (address.isNull() || bracketed != isV6)
        throw InputError(
            QStringLiteral("\"%1\": %2 is not an IP address; write one such as 127.0.0.1, 0.0.0.0 for every "
                           "interface, or [::1]")
                .arg(text, host));
    return {address, port};
}

} // namespace cortex
