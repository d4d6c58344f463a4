// SPDX-License-Identifier: GPL-3.0-only
#include "core/error.h"
#include "core/http/httpserver.h"
#include "rawclient.h"

#include <netinet/in.h>
#include <vector>

#include <sys/socket.h>
#include <unistd.h>

using namespace cortex;
using namespace std::chrono_literals;

namespace {

using Response = std::shared_ptr<ResponseStream>;

QByteArray get(const char* path, const char* headers = "")
{
    return QByteArray("GET ") + path + " HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n";
}

QByteArray post(const QByteArray& body, const QByteArray& path = "/echo")
{
    return "POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: " + QByteArray::number(body.size()) + "\r\n\r\n"
        + body;
}

QByteArray body(const QByteArray& answer)
{
    return answer.mid(answer.indexOf("\r\n\r\n") + 4);
}

/// A client that goes on sending after the server has ended its side, which QTcpSocket cannot.
class StubbornClient : public QObject {
public:
    StubbornClient(quint16 port, const QByteArray& head)
        : m_socket(::socket(AF_INET, SOCK_STREAM, 0))
    {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(m_socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
            qFatal("cannot connect");
        send(head);
        connect(&m_trickle, &QTimer::timeout, this, [this] { send("more of the body"); });
        m_trickle.start(5ms);
    }
    ~StubbornClient() override { ::close(m_socket); }

    bool isReset() const { return m_reset; }
    QByteArray received() const
    {
        QByteArray bytes(4096, '\0');
        const ssize_t size = ::recv(m_socket, bytes.data(), static_cast<size_t>(bytes.size()), MSG_DONTWAIT);
        return bytes.first(std::max<ssize_t>(size, 0));
    }

private:
    void send(const QByteArray& bytes)
    {
        if (::send(m_socket, bytes.constData(), static_cast<size_t>(bytes.size()), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            m_reset = true;
    }

    const int m_socket;
    QTimer m_trickle;
    bool m_reset = false;
};

} // namespace

/// Raw bytes in, raw bytes out: what reference/qt-notes.md lists as wrong in Qt 6.4.2, and the guard's limits.
class TestHttpServer : public QObject {
    Q_OBJECT

    /// A server with the routes of the tests. /held keeps its responses for the test to answer.
    void start(const HttpLimits& limits = {})
    {
        m_held.clear();
        m_reached.clear();
        m_server = std::make_unique<HttpServer>(limits);
        m_server->route("GET", QStringLiteral("/hello"), [this](const HttpRequest& request, const Response& response) {
            m_reached.append(request.path);
            response->respond(200, "text/plain", "hello");
        });
        m_server->route("POST", QStringLiteral("/echo"), [this](const HttpRequest& request, const Response& response) {
            m_reached.append(request.path);
            response->respond(200, "text/plain", request.body);
        });
        for (const char* method : {"GET", "POST"}) {
            m_server->route(method, QStringLiteral("/held"),
                            [this](const HttpRequest& request, const Response& response) {
                                m_reached.append(request.path);
                                m_held.push_back(response);
                            });
        }
        m_server->route("GET", QStringLiteral("/bad"),
                        [](const HttpRequest&, const Response&) { throw InputError(QStringLiteral("no such thing")); });
        m_server->route("GET", QStringLiteral("/forgotten"), [](const HttpRequest&, const Response&) {});
        const auto problem = m_server->listen(QHostAddress(QHostAddress::LocalHost), 0);
        QVERIFY2(!problem, qPrintable(problem.value_or(QString())));
    }

    ResponseStream& held(size_t index)
    {
        if (!waitUntil([&] { return m_held.size() > index; }))
            qFatal("the request did not reach its route");
        return *m_held[index];
    }

    std::unique_ptr<HttpServer> m_server;
    std::vector<Response> m_held;
    QStringList m_reached;

private Q_SLOTS:
    void init() { start(); }
    void cleanup()
    {
        m_held.clear();
        m_server.reset();
    }

    void answers()
    {
        RawClient client(m_server->port());
        client.get("/hello");
        QVERIFY(client.waitFor("\r\n\r\nhello"));
        QVERIFY(client.received().startsWith("HTTP/1.1 200 OK\r\nDate: "));
        QVERIFY(client.received().contains("\r\nContent-Type: text/plain\r\n"));
        QVERIFY(client.received().contains("\r\nContent-Length: 5\r\n"));
        QVERIFY(!client.received().contains("Connection:"));
    }

    void oneConnectionServesManyRequests()
    {
        RawClient client(m_server->port());
        for (int i = 0; i < 20; ++i) {
            client.forget();
            client.send(post(QByteArray::number(i) + '!'));
            QVERIFY(client.waitFor("\r\n\r\n" + QByteArray::number(i) + '!'));
        }
        QCOMPARE(m_server->connectionCount(), 1);
    }

    void requestsArriveByteByByte()
    {
        RawClient client(m_server->port());
        for (const char byte : post("slowly")) {
            client.send(QByteArray(1, byte));
            QCoreApplication::processEvents();
        }
        QVERIFY(client.waitFor("\r\n\r\nslowly"));
    }

    void largeBodies()
    {
        RawClient client(m_server->port());
        const QByteArray large(20'000'000, 'x');
        client.send(post(large));
        QVERIFY(waitUntil([&] { return body(client.received()).size() == large.size(); }));
        QCOMPARE(body(client.received()), large);
    }

    void chunkedRequestBody()
    {
        RawClient client(m_server->port());
        client.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "6;x=y\r\nchunks\r\n1\r\n!\r\n0\r\nTrailer: z\r\n\r\n");
        QVERIFY(client.waitFor("\r\n\r\nchunks!"));
    }

    // ------------------------------------------------------------------------------- the defects of Qt 6.4.2

    void pipelinedRequestsWaitForTheStreamBeforeThem()
    {
        RawClient client(m_server->port());
        client.send(get("/held") + get("/hello") + get("/held"));
        held(0).beginEventStream();
        held(0).write("data: 1\n\n");
        QVERIFY(client.waitFor("data: 1"));
        QCOMPARE(m_reached, QStringList{QStringLiteral("/held")});
        held(0).write("data: 2\n\n");
        held(0).end();
        QVERIFY(client.waitFor("\r\n\r\nhello"));
        held(1).respond(200, "text/plain", "last");
        QVERIFY(client.waitFor("\r\n\r\nlast"));
        const QByteArray stream = client.received().first(client.received().indexOf("HTTP/1.1", 1));
        QCOMPARE(body(stream), QByteArray("9\r\ndata: 1\n\n\r\n9\r\ndata: 2\n\n\r\n0\r\n\r\n"));
    }

    void manyPipelinedRequestsAreAnsweredInOrder()
    {
        RawClient client(m_server->port());
        QByteArray requests;
        QByteArray expected;
        for (int i = 0; i < 500; ++i) {
            requests += post('<' + QByteArray::number(i) + '>');
            expected += '<' + QByteArray::number(i) + '>';
        }
        client.send(requests);
        QVERIFY2(client.waitFor("<499>"), client.received().right(300).constData());
        QByteArray got;
        for (qsizetype at = 0; (at = client.received().indexOf('<', at)) >= 0; ++at)
            got += client.received().mid(at, client.received().indexOf('>', at) - at + 1);
        QCOMPARE(got, expected);
    }

    void headHasNoBody()
    {
        RawClient client(m_server->port());
        client.send("HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n" + get("/hello"));
        QVERIFY(client.waitFor("\r\n\r\nhello"));
        const qsizetype second = client.received().indexOf("HTTP/1.1", 1);
        QVERIFY(client.received().first(second).contains("Content-Length: 5\r\n"));
        QVERIFY(client.received().first(second).endsWith("\r\n\r\n"));
        QVERIFY(client.received().mid(second).startsWith("HTTP/1.1 200 OK\r\n"));
    }

    void headOfAStreamHasNoBody()
    {
        RawClient client(m_server->port());
        client.send("HEAD /held HTTP/1.1\r\nHost: x\r\n\r\n" + get("/hello"));
        held(0).beginEventStream();
        QVERIFY(!held(0).isOpen());
        QVERIFY(client.waitFor("\r\n\r\nhello")); // without an end of ours: a stream of events has none
        held(0).write("data: 1\n\n");
        held(0).end();
        client.forget();
        client.get("/hello");
        QVERIFY(client.waitFor("\r\n\r\nhello"));
        QVERIFY(!client.received().contains("data:"));
        QVERIFY(!client.received().contains("0\r\n\r\n"));
    }

    void connectionCloseIsHonoured()
    {
        RawClient client(m_server->port());
        client.send(get("/hello", "Connection: close\r\n"));
        QVERIFY(client.waitForClose());
        QVERIFY(client.received().contains("\r\nConnection: close\r\n"));
        QVERIFY(client.received().endsWith("hello"));
        QVERIFY(waitUntil([&] { return m_server->connectionCount() == 0; }));
    }

    void http10EndsWithTheConnection()
    {
        RawClient client(m_server->port());
        client.send("GET /held HTTP/1.0\r\n\r\n");
        held(0).beginEventStream();
        held(0).write("data: 1\n\n");
        held(0).end();
        QVERIFY(client.waitForClose());
        QVERIFY(!client.received().contains("Transfer-Encoding"));
        QCOMPARE(body(client.received()), QByteArray("data: 1\n\n"));
    }

    void http10CanBeKeptAlive()
    {
        RawClient client(m_server->port());
        client.send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        QVERIFY(client.waitFor("\r\n\r\nhello"));
        QVERIFY(client.received().contains("\r\nConnection: keep-alive\r\n"));
        client.forget();
        client.send("GET /hello HTTP/1.0\r\n\r\n");
        QVERIFY(client.waitForClose());
        QVERIFY(client.received().endsWith("\r\n\r\nhello"));
    }

    void continueIsSentBeforeTheBody()
    {
        RawClient client(m_server->port());
        client.send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
        QVERIFY(client.waitFor("HTTP/1.1 100 Continue\r\n\r\n"));
        QVERIFY(m_reached.isEmpty());
        client.send("body");
        QVERIFY(client.waitFor("\r\n\r\nbody"));
        QCOMPARE(client.received().count("100 Continue"), 1);
    }

    void bodiesTooLargeAreRefusedBeforeTheyAreSent()
    {
        RawClient client(m_server->port());
        client.send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 300000000\r\n\r\n");
        QVERIFY(client.waitForClose());
        QCOMPARE(client.status(), 413);
        QVERIFY(!client.received().contains("100 Continue"));
    }

    void refusesAndCloses_data()
    {
        QTest::addColumn<QByteArray>("request");
        QTest::addColumn<int>("status");
        const QByteArray head = "POST /echo HTTP/1.1\r\nHost: x\r\n";
        QTest::newRow("negative length") << head + "Content-Length: -5\r\n\r\nhello" << 400;
        QTest::newRow("length and coding") << head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                                           << 400;
        QTest::newRow("large body") << head + "Content-Length: 300000000\r\n\r\n" + QByteArray(1'000'000, 'x') << 413;
        QTest::newRow("large chunks") << head + "Transfer-Encoding: chunked\r\n\r\nFFFFFFF\r\n"
                + QByteArray(100'000, 'x')
                                      << 413;
        QTest::newRow("large header") << head + "A: " + QByteArray(1'000'000, 'x') << 431;
        QTest::newRow("large address") << "GET /" + QByteArray(1'000'000, 'x') << 414;
        QTest::newRow("folded header") << head + "A: b\r\n c: d\r\n\r\n" << 400;
        QTest::newRow("not HTTP") << QByteArray("\x16\x03\x01\x02\r\n") << 400;
    }

    void refusesAndCloses()
    {
        QFETCH(QByteArray, request);
        RawClient client(m_server->port());
        client.send(request);
        QVERIFY(client.waitForClose());
        QTEST(client.status(), "status");
        QVERIFY(client.received().contains("\r\nConnection: close\r\n"));
        QVERIFY(body(client.received()).startsWith("{\"error\":{"));
        QVERIFY(m_reached.isEmpty());
        QVERIFY(waitUntil([&] { return m_server->connectionCount() == 0; }));
    }

    void wrongMethodsAndPaths()
    {
        RawClient client(m_server->port());
        client.send("DELETE /hello HTTP/1.1\r\nHost: x\r\n\r\n");
        QVERIFY(client.waitFor("}}"));
        QCOMPARE(client.status(), 405);
        QVERIFY(client.received().contains("\r\nAllow: GET, HEAD\r\n"));
        client.forget();
        client.get("/nothing");
        QVERIFY(client.waitFor("}}"));
        QCOMPARE(client.status(), 404);
        QVERIFY(body(client.received()).contains("\"message\":\"there is nothing at /nothing\""));
    }

    void webSocketUpgradesAreOrdinaryRequests()
    {
        RawClient client(m_server->port());
        client.send(get("/hello", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"));
        QVERIFY(client.waitFor("\r\n\r\nhello"));
    }

    void foreignPagesAreRefused_data()
    {
        QTest::addColumn<QByteArray>("headers");
        QTest::addColumn<int>("status");
        const auto row = [](const char* name, const char* headers, int status) {
            QTest::newRow(name) << QByteArray(headers) + "\r\n" << status;
        };
        row("no page", "Host: x:31313\r\n", 200);
        row("our own page", "Host: X:31313\r\nOrigin: http://x:31313\r\n", 200);
        row("our own page on the usual port", "Host: x:80\r\nOrigin: http://x\r\n", 200);
        row("behind a proxy with TLS", "Host: x\r\nOrigin: https://x\r\n", 200);
        row("behind a proxy that hides Host",
            "Host: 10.0.0.1:1\r\nOrigin: https://x\r\nSec-Fetch-Site: same-origin\r\n", 200);
        row("an application", "Host: x\r\nOrigin: app://some.editor\r\n", 200);
        row("another host", "Host: x\r\nOrigin: http://evil.example\r\n", 403);
        row("another port", "Host: x:31313\r\nOrigin: http://x\r\n", 403);
        row("a page beside ours", "Host: x\r\nOrigin: http://y\r\nSec-Fetch-Site: same-site\r\n", 403);
        row("a page without a name", "Host: x\r\nOrigin: null\r\n", 403);
        row("nonsense", "Host: x\r\nOrigin: http://\r\n", 403);
    }

    void foreignPagesAreRefused()
    {
        QFETCH(QByteArray, headers);
        RawClient client(m_server->port());
        client.send("GET /hello HTTP/1.1\r\n" + headers);
        QVERIFY(client.waitFor("\r\n\r\n"));
        QTEST(client.status(), "status");
        QCOMPARE(m_reached.isEmpty(), client.status() == 403);
    }

    void refusalsComeBeforeTheBody()
    {
        m_server->setAdmission([](const HttpRequest& head) -> std::optional<HttpRefusal> {
            if (head.headers.value("Key") == "right")
                return std::nullopt;
            HttpHeaders headers;
            headers.append("WWW-Authenticate", "Bearer");
            return HttpRefusal{.status = 401, .body = "{\"no\":1}", .headers = headers};
        });
        const QByteArray head = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n";
        RawClient without(m_server->port());
        without.send(head + "\r\nthe first of a million bytes");
        QVERIFY(without.waitForClose());
        QCOMPARE(without.status(), 401);
        QVERIFY(without.received().contains("\r\nWWW-Authenticate: Bearer\r\n"));
        QVERIFY(without.received().contains("\r\nConnection: close\r\n"));
        QCOMPARE(body(without.received()), QByteArray("{\"no\":1}"));
        RawClient page(m_server->port());
        page.send(head + "Key: right\r\nOrigin: http://evil.example\r\n\r\n");
        QVERIFY(page.waitForClose());
        QCOMPARE(page.status(), 403);
        QVERIFY(m_reached.isEmpty());
        RawClient with(m_server->port());
        with.send(head + "Key: right\r\n\r\n");
        QVERIFY(with.waitFor("HTTP/1.1 100 Continue\r\n\r\n"));
    }

    void refusedClientsMayAskAgain()
    {
        m_server->setAdmission([](const HttpRequest& head) -> std::optional<HttpRefusal> {
            if (head.path == QLatin1String("/hello"))
                return std::nullopt;
            return HttpRefusal{.status = 401, .body = "no", .headers = {}};
        });
        RawClient client(m_server->port());
        client.send(post("all of it") + get("/forgotten") + "HEAD /bad HTTP/1.1\r\nHost: x\r\n\r\n" + get("/hello"));
        QVERIFY(client.waitFor("\r\n\r\nhello"));
        QCOMPARE(client.received().count("HTTP/1.1 401 Unauthorized\r\n"), 3);
        QCOMPARE(client.received().count("\r\n\r\nno"), 2); // HEAD has none
        QCOMPARE(m_reached, QStringList{QStringLiteral("/hello")});
    }

    // ------------------------------------------------------------------------------------------- the answer's side

    void departureIsNoticedWhileNothingIsWritten()
    {
        RawClient client(m_server->port());
        client.get("/held");
        QSignalSpy waiting(&held(0), &ResponseStream::disconnected);
        client.leave();
        QVERIFY(waitUntil([&] { return waiting.size() == 1; }));
        QVERIFY(!held(0).isOpen());
        held(0).respond(200, "text/plain", "too late");
        QVERIFY(waitUntil([&] { return m_server->connectionCount() == 0; }));
        QCOMPARE(waiting.size(), 1);
    }

    void departureIsNoticedInMidStream()
    {
        RawClient client(m_server->port());
        client.send(get("/held") + get("/hello"));
        held(0).beginEventStream();
        QVERIFY(client.waitFor("event-stream"));
        QSignalSpy gone(&held(0), &ResponseStream::disconnected);
        // The slot lets go of the last reference, as a proxy would.
        connect(m_held[0].get(), &ResponseStream::disconnected, this, [this] { m_held.clear(); });
        client.leave();
        QVERIFY(waitUntil([&] { return m_server->connectionCount() == 0; }));
        QVERIFY(m_held.empty());
        QCOMPARE(m_reached, QStringList{QStringLiteral("/held")});
    }

    void abortNeverLooksWhole()
    {
        RawClient client(m_server->port());
        client.send("GET /held HTTP/1.0\r\n\r\n");
        QSignalSpy errors(&client.socket(), &QAbstractSocket::errorOccurred);
        QSignalSpy gone(&held(0), &ResponseStream::disconnected);
        held(0).begin(200, "text/plain");
        held(0).write("half");
        QVERIFY(client.waitFor("half"));
        held(0).abort();
        QVERIFY(client.waitForClose());
        QCOMPARE(errors.size(), 1); // a reset; the orderly end of an HTTP/1.0 body would be a RemoteHostClosedError
        QVERIFY(client.socket().error() != QAbstractSocket::UnknownSocketError);
        QCOMPARE(gone.size(), 0);
    }

    void forgottenRequestsGetA500()
    {
        QTest::ignoreMessage(QtWarningMsg, "a request was dropped without an answer");
        RawClient client(m_server->port());
        client.get("/forgotten");
        QVERIFY(client.waitFor("}}"));
        QCOMPARE(client.status(), 500);
    }

    void droppedStreamsAreCut()
    {
        QTest::ignoreMessage(QtWarningMsg, "a response was dropped in mid-stream");
        RawClient client(m_server->port());
        client.get("/held");
        held(0).beginEventStream();
        held(0).write("data: 1\n\n");
        QVERIFY(client.waitFor("data: 1"));
        m_held.clear();
        QVERIFY(client.waitForClose());
        QVERIFY(!client.received().endsWith("0\r\n\r\n"));
    }

    void inputErrorsBecomeA400()
    {
        RawClient client(m_server->port());
        client.get("/bad");
        QVERIFY(client.waitFor("}}"));
        QCOMPARE(client.status(), 400);
        QVERIFY(client.received().contains("\"message\":\"no such thing\""));
    }

    void errorBodiesCanBeOurs()
    {
        m_server->setErrorBody([](int status, const QString& message) {
            return "<" + QByteArray::number(status) + ' ' + message.toUtf8() + ">";
        });
        RawClient client(m_server->port());
        client.get("/nothing");
        QVERIFY(client.waitFor("\r\n\r\n<404 there is nothing at /nothing>"));
    }

    void headersCannotBeInjected()
    {
        RawClient client(m_server->port());
        client.get("/held");
        HttpHeaders headers;
        headers.append("X-Model", "a\r\nSet-Cookie: b");
        headers.append("Content-Length", "999");
        held(0).respond(200, "text/plain", "ok", headers);
        QVERIFY(client.waitFor("\r\n\r\nok"));
        QVERIFY(client.received().contains("\r\nX-Model: a  Set-Cookie: b\r\n"));
        QVERIFY(!client.received().contains("999"));
    }

    void backPressure()
    {
        RawClient client(m_server->port());
        client.socket().setReadBufferSize(1024);
        disconnect(&client.socket(), &QTcpSocket::readyRead, nullptr, nullptr); // reads nothing for now
        client.get("/held");
        held(0).begin(200, "application/octet-stream");
        QSignalSpy drained(&held(0), &ResponseStream::drained);
        QVERIFY(waitUntil([&] { return held(0).pendingBytes() == 0; }));
        const QByteArray block(32 * 1024 * 1024, 'x'); // more than the buffers of the two sockets hold
        held(0).write(block);
        QVERIFY(held(0).pendingBytes() > 0);
        drained.clear();
        client.socket().setReadBufferSize(0);
        qint64 received = 0;
        connect(&client.socket(), &QTcpSocket::readyRead, this, [&] { received += client.socket().readAll().size(); });
        received += client.socket().readAll().size();
        QVERIFY(waitUntil([&] { return drained.size() > 0; }));
        QCOMPARE(held(0).pendingBytes(), 0);
        QVERIFY(waitUntil([&] { return received > block.size(); }));
        held(0).end();
    }

    // ---------------------------------------------------------------------------------------------------- limits

    void slowHeadersTimeOut()
    {
        HttpLimits limits;
        limits.headerTimeout = 50ms;
        start(limits);
        RawClient client(m_server->port());
        client.send("GET /hello HTTP/1.1\r\nA: ");
        QTimer trickle; // keeps sending: the deadline is for the whole head
        connect(&trickle, &QTimer::timeout, this, [&] { client.socket().write("x"); });
        trickle.start(10ms);
        QVERIFY(client.waitForClose());
        QCOMPARE(client.status(), 408);
    }

    void slowBodiesTimeOut()
    {
        HttpLimits limits;
        limits.bodyTimeout = 50ms;
        start(limits);
        RawClient client(m_server->port());
        client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
        QVERIFY(client.waitForClose());
        QCOMPARE(client.status(), 408);
    }

    void idleConnectionsTimeOut()
    {
        HttpLimits limits;
        limits.idleTimeout = 50ms;
        limits.headerTimeout = 1ms;
        start(limits);
        RawClient silent(m_server->port());
        RawClient used(m_server->port());
        used.get("/hello");
        QVERIFY(used.waitFor("\r\n\r\nhello"));
        used.send("\r\n"); // some clients do, after a body; it begins no request
        QVERIFY(silent.waitForClose());
        QVERIFY(used.waitForClose());
        QVERIFY(silent.received().isEmpty());
        QVERIFY(used.received().endsWith("hello"));
    }

    void waitingForAnAnswerIsNotIdle()
    {
        HttpLimits limits;
        limits.idleTimeout = limits.headerTimeout = limits.bodyTimeout = limits.writeTimeout = 20ms;
        start(limits);
        RawClient client(m_server->port());
        client.get("/held");
        held(0);
        QTimer later;
        QSignalSpy fired(&later, &QTimer::timeout);
        later.start(100ms); // five of each time-out
        QVERIFY(waitUntil([&] { return !fired.isEmpty(); }));
        held(0).respond(200, "text/plain", "patience");
        QVERIFY(client.waitFor("patience"));
    }

    void clientsThatDoNotReadAreCutOff()
    {
        HttpLimits limits;
        limits.writeTimeout = 50ms;
        start(limits);
        RawClient client(m_server->port());
        client.socket().setReadBufferSize(1024);
        disconnect(&client.socket(), &QTcpSocket::readyRead, nullptr, nullptr);
        client.get("/held");
        QSignalSpy gone(&held(0), &ResponseStream::disconnected);
        held(0).begin(200, "text/plain");
        held(0).write(QByteArray(32 * 1024 * 1024, 'x'));
        QVERIFY(waitUntil([&] { return gone.size() == 1; }));
        QVERIFY(waitUntil([&] { return m_server->connectionCount() == 0; }));
    }

    void connectionsAreCapped()
    {
        HttpLimits limits;
        limits.maxConnections = 2;
        start(limits);
        RawClient one(m_server->port());
        RawClient two(m_server->port());
        QVERIFY(waitUntil([&] { return m_server->connectionCount() == 2; }));
        RawClient three(m_server->port());
        QVERIFY(three.waitForClose());
        QCOMPARE(three.status(), 503);
        one.leave();
        QVERIFY(waitUntil([&] { return m_server->connectionCount() == 1; }));
        RawClient four(m_server->port());
        four.get("/hello");
        QVERIFY(four.waitFor("hello"));
    }

    void bodiesAreCappedTogether()
    {
        HttpLimits limits;
        limits.maxBufferedBytes = 100'000;
        start(limits);
        const QByteArray large(60'000, 'x');
        RawClient one(m_server->port());
        one.send(post(large, "/held"));
        held(0);
        RawClient two(m_server->port());
        two.send(post(large));
        QVERIFY(two.waitForClose());
        QCOMPARE(two.status(), 503);
        QVERIFY(two.received().contains("\r\nRetry-After: "));
        RawClient small(m_server->port());
        small.send(get("/hello") + post("small"));
        QVERIFY(small.waitFor("\r\n\r\nsmall"));
        held(0).respond(200, "text/plain", "done"); // gives its part back
        QVERIFY(one.waitFor("done"));
        RawClient three(m_server->port());
        three.send(post(large));
        QVERIFY(three.waitFor(large));
        // The sum counts what has come of bodies that are not complete.
        RawClient unfinished(m_server->port());
        unfinished.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
                        + QByteArray(limits.maxBufferedBytes + 1, 'x'));
        QVERIFY(unfinished.waitForClose());
        QCOMPARE(unfinished.status(), 503);
        three.forget();
        three.send(post(large));
        QVERIFY(three.waitFor(large));
    }

    void errorsReachClientsThatAreStillSending()
    {
        HttpLimits limits;
        limits.lingerTimeout = 200ms;
        start(limits);
        StubbornClient client(m_server->port(), "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n");
        QElapsedTimer clock;
        clock.start();
        QVERIFY(waitUntil([&] { return client.isReset() || clock.elapsed() > 3 * limits.lingerTimeout.count(); }));
        QVERIFY(!client.isReset());
        QVERIFY(client.received().startsWith("HTTP/1.1 413 "));
    }

    void clientsThatNeverStopSendingAreCutOff()
    {
        HttpLimits limits;
        limits.lingerLimit = 50ms;
        start(limits);
        StubbornClient client(m_server->port(), "no HTTP\r\n");
        QVERIFY(waitUntil([&] { return client.isReset(); }));
        QVERIFY(waitUntil([&] { return m_server->connectionCount() == 0; }));
    }

    void twoThousandIdleConnections()
    {
        std::vector<std::unique_ptr<QTcpSocket>> clients;
        for (int i = 0; i < 2000; ++i) {
            clients.push_back(std::make_unique<QTcpSocket>());
            clients.back()->connectToHost(QHostAddress(QHostAddress::LocalHost), m_server->port());
            if (i % 100 == 99)
                QVERIFY(waitUntil([&] { return m_server->connectionCount() == i + 1; }));
        }
        RawClient client(m_server->port());
        client.get("/hello");
        QVERIFY(client.waitFor("hello"));
        clients.clear();
        QVERIFY(waitUntil([&] { return m_server->connectionCount() == 1; }));
    }

    // ---------------------------------------------------------------------------------------- listening and closing

    void portsInUseAreNamed()
    {
        HttpServer second;
        const auto problem = second.listen(QHostAddress(QHostAddress::LocalHost), m_server->port());
        QVERIFY(problem);
        QVERIFY2(
            problem->startsWith(QStringLiteral("127.0.0.1:%1 is in use by another program; ").arg(m_server->port())),
            qPrintable(*problem));
        QVERIFY(second.listen(QHostAddress(QStringLiteral("192.0.2.1")), 0)); // an address of documentation, nobody's
    }

    void closeWaitsForRunningResponses()
    {
        RawClient idle(m_server->port());
        RawClient busy(m_server->port());
        idle.get("/hello");
        QVERIFY(idle.waitFor("hello"));
        busy.send(get("/held") + get("/hello"));
        held(0).beginEventStream();
        QVERIFY(busy.waitFor("event-stream"));
        QSignalSpy closed(m_server.get(), &HttpServer::closed);
        m_server->close(60s);
        QVERIFY(idle.waitForClose());
        QVERIFY(closed.isEmpty());
        held(0).write("data: 1\n\n");
        held(0).end();
        QVERIFY(busy.waitForClose());
        QVERIFY(busy.received().endsWith("0\r\n\r\n"));
        QVERIFY(waitUntil([&] { return closed.size() == 1; }));
        QCOMPARE(m_reached.count(QStringLiteral("/hello")), 1); // the pipelined request came too late
    }

    void closeDoesNotWaitForEver()
    {
        RawClient busy(m_server->port());
        busy.get("/held");
        QSignalSpy gone(&held(0), &ResponseStream::disconnected);
        QSignalSpy closed(m_server.get(), &HttpServer::closed);
        m_server->close(20ms);
        QVERIFY(waitUntil([&] { return closed.size() == 1; }));
        QCOMPARE(gone.size(), 1);
    }

    void closeWithoutConnections()
    {
        QSignalSpy closed(m_server.get(), &HttpServer::closed);
        m_server->close(60s);
        QVERIFY(waitUntil([&] { return closed.size() == 1; }));
    }

    void destructionWithRunningResponses()
    {
        RawClient busy(m_server->port());
        busy.get("/held");
        QSignalSpy gone(&held(0), &ResponseStream::disconnected);
        m_server.reset();
        QCOMPARE(gone.size(), 1);
        held(0).respond(200, "text/plain", "nobody");
        QVERIFY(busy.waitForClose());
    }

    void listenAddresses_data()
    {
        QTest::addColumn<QString>("text");
        QTest::addColumn<QString>("address"); ///< empty: an error
        QTest::addColumn<int>("port");
        const auto row = [](const char* text, const char* address, int port) {
            QTest::newRow(text) << QString::fromLatin1(text) << QString::fromLatin1(address) << port;
        };
        row("127.0.0.1:80", "127.0.0.1", 80);
        row("localhost:80", "127.0.0.1", 80);
        row("31313", "127.0.0.1", 31313);
        row("[::1]:80", "::1", 80);
        row(":0", QHostAddress(QHostAddress::Any).toString().toLatin1().constData(), 0);
        row("*:80", QHostAddress(QHostAddress::Any).toString().toLatin1().constData(), 80);
        row("::1:80", "", 0);
        row("127.0.0.1", "", 0);
        row("127.0.0.1:", "", 0);
        row("127.0.0.1:65536", "", 0);
        row("127.0.0.1:-1", "", 0);
        row("host.example:80", "", 0);
        row("", "", 0);
    }

    void listenAddresses()
    {
        QFETCH(QString, text);
        QFETCH(QString, address);
        try {
            const auto [host, port] = parseListenAddress(text);
            QCOMPARE(host.toString(), address);
            QTEST(int(port), "port");
        } catch (const InputError& error) {
            QVERIFY2(address.isEmpty(), qPrintable(error.message()));
        }
    }
};

QTEST_GUILESS_MAIN(TestHttpServer)
#include "tst_httpserver.moc"
