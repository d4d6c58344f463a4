// SPDX-License-Identifier: GPL-3.0-only
#include "core/http/httpclient.h"
#include "core/http/httpserver.h"
#include "rawclient.h"

#include <QPointer>
#include <QTcpServer>
#include <QThread>

#include <functional>
#include <vector>

using namespace cortex;
using namespace std::chrono_literals;
using Failure = HttpReply::Failure;

namespace {

using Response = std::shared_ptr<ResponseStream>;

/// Accepts connections and answers with fixed bytes, for what HttpServer would never send.
class RawServer : public QObject {
public:
    explicit RawServer(QByteArray answer, bool closes = true)
    {
        if (!m_server.listen(QHostAddress(QHostAddress::LocalHost)))
            qFatal("cannot listen");
        connect(&m_server, &QTcpServer::newConnection, this, [=, this] {
            QTcpSocket* const socket = m_server.nextPendingConnection();
            connect(socket, &QTcpSocket::readyRead, this, [=, this] {
                m_received += socket->readAll();
                if (!m_received.contains("\r\n\r\n"))
                    return;
                socket->write(answer);
                if (closes)
                    socket->disconnectFromHost();
            });
        });
    }
    QUrl url() const { return QUrl(QStringLiteral("http://127.0.0.1:%1/").arg(m_server.serverPort())); }
    const QByteArray& received() const { return m_received; }

private:
    QTcpServer m_server;
    QByteArray m_received;
};

} // namespace

/// HttpClient against HttpServer, and against servers that misbehave.
class TestHttpClient : public QObject {
    Q_OBJECT

    HttpClientRequest request(const char* path, const QByteArray& method = "GET", const QByteArray& body = {}) const
    {
        HttpClientRequest result;
        result.method = method;
        result.url = QUrl(QStringLiteral("http://127.0.0.1:%1%2").arg(m_server->port()).arg(QLatin1String(path)));
        result.body = body;
        return result;
    }

    /// Sends and waits for the end.
    std::unique_ptr<HttpReply> ask(const HttpClientRequest& request)
    {
        std::unique_ptr<HttpReply> reply(m_client->send(request));
        if (!waitUntil([&] { return reply->isFinished(); }))
            qFatal("the request does not end");
        return reply;
    }

    ResponseStream& held(size_t index)
    {
        if (!waitUntil([&] { return m_held.size() > index; }))
            qFatal("the request did not reach its route");
        return *m_held[index];
    }

    std::unique_ptr<HttpServer> m_server;
    std::unique_ptr<HttpClient> m_client;
    std::vector<Response> m_held;
    HttpRequest m_last;

private Q_SLOTS:
    void init()
    {
        m_server = std::make_unique<HttpServer>();
        const auto echo = [this](const HttpRequest& request, const Response& response) {
            m_last = request;
            response->respond(200, "text/plain", request.body);
        };
        for (const char* method : {"GET", "POST", "PUT", "DELETE", "PATCH"})
            m_server->route(method, QStringLiteral("/echo"), echo);
        m_server->route("GET", QStringLiteral("/held"),
                        [this](const HttpRequest&, const Response& response) { m_held.push_back(response); });
        const auto problem = m_server->listen(QHostAddress(QHostAddress::LocalHost), 0);
        QVERIFY2(!problem, qPrintable(problem.value_or(QString())));
        m_client = std::make_unique<HttpClient>();
    }

    void cleanup()
    {
        m_client.reset();
        for (const Response& response : m_held) {
            if (response->isOpen())
                response->abort();
        }
        m_held.clear();
        m_server.reset();
    }

    // ---------------------------------------------------------------------------------------------------- requests

    void methodsAndBodies_data()
    {
        QTest::addColumn<QByteArray>("method");
        QTest::addColumn<QByteArray>("body");
        QTest::newRow("GET") << QByteArray("GET") << QByteArray();
        QTest::newRow("GET with a body") << QByteArray("GET") << QByteArray("hello");
        QTest::newRow("POST") << QByteArray("POST") << QByteArray("hello\0world", 11);
        QTest::newRow("empty POST") << QByteArray("POST") << QByteArray();
        QTest::newRow("large POST") << QByteArray("POST") << QByteArray(5'000'000, 'x');
        QTest::newRow("PUT") << QByteArray("PUT") << QByteArray("hello");
        QTest::newRow("DELETE") << QByteArray("DELETE") << QByteArray();
    }

    void methodsAndBodies()
    {
        QFETCH(QByteArray, method);
        QFETCH(QByteArray, body);
        HttpClientRequest r = request("/echo?a=b", method, body);
        r.headers.append("X-Mine", "1");
        r.headers.append("X-Empty", "");
        r.headers.append("X-Evil", "a\r\nX-Injected: b");
        const auto reply = ask(r);
        QCOMPARE(reply->failure(), Failure::None);
        QCOMPARE(reply->status(), 200);
        QCOMPARE(reply->body(), body);
        QCOMPARE(reply->headers().value("content-type"), QByteArray("text/plain"));
        QCOMPARE(m_last.method, method);
        QCOMPARE(m_last.query.queryItemValue(QStringLiteral("a")), QStringLiteral("b"));
        QCOMPARE(m_last.headers.value("X-Mine"), QByteArray("1"));
        QVERIFY(m_last.headers.contains("X-Empty"));
        QVERIFY(!m_last.headers.contains("X-Injected"));
        QVERIFY(!m_last.headers.contains("Expect"));
        QVERIFY(!m_last.headers.contains("Content-Type"));
    }

    void head()
    {
        const auto reply = ask(request("/echo", "HEAD"));
        QCOMPARE(reply->status(), 200);
        QCOMPARE(reply->failure(), Failure::None);
    }

    void connectionsAreReused()
    {
        for (int i = 0; i < 20; ++i)
            QCOMPARE(ask(request("/echo", "POST", QByteArray::number(i)))->body(), QByteArray::number(i));
        QCOMPARE(m_server->connectionCount(), 1);
    }

    void closedIdleConnectionsAreReplaced()
    {
        QCOMPARE(ask(request("/echo"))->status(), 200);
        HttpLimits limits;
        limits.idleTimeout = 20ms;
        HttpServer impatient(limits);
        impatient.route("GET", QStringLiteral("/"),
                        [](const HttpRequest&, const Response& response) { response->respond(200, "", "x"); });
        QVERIFY(!impatient.listen(QHostAddress(QHostAddress::LocalHost), 0));
        HttpClientRequest r;
        r.url = QUrl(QStringLiteral("http://127.0.0.1:%1/").arg(impatient.port()));
        for (int i = 0; i < 3; ++i) {
            const auto reply = ask(r);
            QVERIFY2(reply->failure() == Failure::None, qPrintable(reply->errorText()));
            QVERIFY(waitUntil([&] { return impatient.connectionCount() == 0; }));
        }
    }

    // --------------------------------------------------------------------------------------------------- streaming

    void thirtyStreamsAtOnce()
    {
        constexpr int Streams = 30;
        constexpr int Events = 50;
        std::vector<std::unique_ptr<HttpReply>> replies;
        std::vector<QByteArray> received(Streams);
        for (size_t i = 0; i < Streams; ++i) {
            replies.emplace_back(m_client->send(request("/held")));
            replies[i]->setStreaming(true);
            connect(replies[i].get(), &HttpReply::data, this,
                    [&, i](const QByteArray& bytes) { received[i] += bytes; });
        }
        held(Streams - 1); // all are there at the same time
        QCOMPARE(m_server->connectionCount(), Streams);
        for (const Response& response : m_held)
            response->beginEventStream();
        for (int event = 0; event < Events; ++event) {
            for (const Response& response : m_held)
                response->write("data: " + QByteArray::number(event) + "\n\n");
            QCoreApplication::processEvents();
        }
        for (const Response& response : m_held)
            response->end();
        QByteArray expected;
        for (int event = 0; event < Events; ++event)
            expected += "data: " + QByteArray::number(event) + "\n\n";
        for (size_t i = 0; i < Streams; ++i) {
            QVERIFY(waitUntil([&] { return replies[i]->isFinished(); }));
            QCOMPARE(replies[i]->failure(), Failure::None);
            QCOMPARE(received[i], expected);
            QVERIFY(replies[i]->body().isEmpty());
        }
    }

    void signalsComeInOrder()
    {
        QStringList order;
        std::unique_ptr<HttpReply> reply(m_client->send(request("/held")));
        connect(reply.get(), &HttpReply::headersReceived, this, [&] {
            order.append(QStringLiteral("headers %1").arg(reply->status()));
            reply->setStreaming(true); // early enough
        });
        connect(reply.get(), &HttpReply::data, this,
                [&](const QByteArray& bytes) { order.append(QString::fromLatin1(bytes)); });
        connect(reply.get(), &HttpReply::finished, this, [&] { order.append(QStringLiteral("finished")); });
        held(0).begin(201, "text/plain");
        QVERIFY(waitUntil([&] { return order.size() == 1; }));
        held(0).write("a");
        QVERIFY(waitUntil([&] { return order.size() == 2; }));
        held(0).write("b");
        QVERIFY(waitUntil([&] { return order.size() == 3; }));
        held(0).end();
        QVERIFY(waitUntil([&] { return order.size() == 4; }));
        QCOMPARE(order.join(QLatin1Char(' ')), QStringLiteral("headers 201 a b finished"));
    }

    void pausingBoundsMemory()
    {
        constexpr qint64 Total = 64 * 1024 * 1024;
        const QByteArray block(256 * 1024, 'x');
        qint64 received = 0;
        std::unique_ptr<HttpReply> reply(m_client->send(request("/held")));
        reply->setStreaming(true);
        connect(reply.get(), &HttpReply::data, this, [&](const QByteArray& bytes) {
            received += bytes.size();
            QVERIFY(bytes.size() <= 1024 * 1024);
            if (received == bytes.size())
                reply->pause();
        });
        ResponseStream& response = held(0);
        response.begin(200, "application/octet-stream");
        qint64 written = 0;
        const auto writeMore = [&] {
            for (; written < Total && response.pendingBytes() < block.size(); written += block.size())
                response.write(block);
            if (written == Total && response.isOpen())
                response.end();
        };
        connect(&response, &ResponseStream::drained, this, writeMore);
        writeMore();
        // Until the buffers of both sockets are full and nothing moves any more.
        qint64 before = -1;
        while (std::exchange(before, written) != written)
            QTest::qWait(100);
        QVERIFY(received > 0 && received <= 1024 * 1024);
        QVERIFY2(written < Total / 2, qPrintable(QString::number(written)));
        QVERIFY(response.pendingBytes() > 0);
        reply->resume();
        QVERIFY(waitUntil([&] { return reply->isFinished(); }));
        QCOMPARE(reply->failure(), Failure::None);
        QCOMPARE(received, Total);
    }

    void pauseHoldsTheEndBack()
    {
        std::unique_ptr<HttpReply> reply(m_client->send(request("/held")));
        reply->setStreaming(true);
        QSignalSpy data(reply.get(), &HttpReply::data);
        QSignalSpy finished(reply.get(), &HttpReply::finished);
        connect(reply.get(), &HttpReply::headersReceived, reply.get(), &HttpReply::pause);
        held(0).begin(200, "text/plain");
        QVERIFY(waitUntil([&] { return reply->status() == 200; }));
        held(0).write("x");
        held(0).end();
        QVERIFY(waitUntil([&] { return held(0).pendingBytes() == 0; }));
        QTest::qWait(50);
        QVERIFY(data.isEmpty() && finished.isEmpty());
        reply->resume();
        QVERIFY(waitUntil([&] { return reply->isFinished(); }));
        QCOMPARE(data.size(), 1);
        QCOMPARE(finished.size(), 1);
    }

    // ------------------------------------------------------------------------------------------- ending early

    void abortClosesTheConnectionAtOnce()
    {
        std::unique_ptr<HttpReply> reply(m_client->send(request("/held")));
        held(0).beginEventStream();
        QVERIFY(waitUntil([&] { return reply->status() == 200; }));
        QSignalSpy gone(&held(0), &ResponseStream::disconnected);
        QSignalSpy finished(reply.get(), &HttpReply::finished);
        reply->abort();
        QVERIFY(waitUntil([&] { return gone.size() == 1; }));
        QVERIFY(waitUntil([&] { return finished.size() == 1; }));
        QCOMPARE(reply->failure(), Failure::Aborted);
        reply->abort();
        QCoreApplication::processEvents();
        QCOMPARE(finished.size(), 1);
    }

    void deletingAReplyClosesTheConnection()
    {
        std::unique_ptr<HttpReply> reply(m_client->send(request("/held")));
        QSignalSpy gone(&held(0), &ResponseStream::disconnected);
        reply.reset();
        QVERIFY(waitUntil([&] { return gone.size() == 1; }));
    }

    void repliesMayBeDeletedInTheirSlots_data()
    {
        QTest::addColumn<QString>("slot");
        QTest::addColumn<bool>("deletesClient");
        for (const char* slot : {"headers", "data", "finished"}) {
            QTest::addRow("reply in %s", slot) << QString::fromLatin1(slot) << false;
            QTest::addRow("client in %s", slot) << QString::fromLatin1(slot) << true;
        }
    }

    void repliesMayBeDeletedInTheirSlots()
    {
        QFETCH(QString, slot);
        QFETCH(bool, deletesClient);
        std::vector<QPointer<HttpReply>> replies;
        int deleted = 0;
        for (int i = 0; i < 5; ++i) {
            HttpReply* const reply = m_client->send(request("/echo", "POST", QByteArray(100'000, 'x')));
            reply->setStreaming(true);
            replies.emplace_back(reply);
            const auto act = [&, reply] {
                ++deleted;
                if (deletesClient)
                    m_client.reset();
                delete reply;
            };
            if (slot == QLatin1String("headers"))
                connect(reply, &HttpReply::headersReceived, this, act);
            else if (slot == QLatin1String("data"))
                connect(reply, &HttpReply::data, this, act);
            else
                connect(reply, &HttpReply::finished, this, act);
        }
        QVERIFY(waitUntil([&] { return deleted == (deletesClient && slot != QLatin1String("finished") ? 1 : 5); }));
        for (const auto& reply : replies)
            delete reply;
    }

    void theClientsEndEndsItsRequests()
    {
        std::unique_ptr<HttpReply> reply(m_client->send(request("/held")));
        QSignalSpy gone(&held(0), &ResponseStream::disconnected);
        m_client.reset();
        QVERIFY(waitUntil([&] { return reply->isFinished(); }));
        QCOMPARE(reply->failure(), Failure::Aborted);
        QVERIFY(waitUntil([&] { return gone.size() == 1; }));
    }

    void slotsMaySendFurtherRequests()
    {
        std::vector<std::unique_ptr<HttpReply>> replies;
        std::function<void()> next = [&] {
            replies.emplace_back(m_client->send(request("/echo")));
            if (replies.size() < 5)
                connect(replies.back().get(), &HttpReply::headersReceived, this, next);
        };
        next();
        QVERIFY(waitUntil([&] { return replies.size() == 5 && replies.back()->isFinished(); }));
    }

    // -------------------------------------------------------------------------------------------------- failures

    void refusedConnections()
    {
        QTcpServer nobody;
        QVERIFY(nobody.listen(QHostAddress(QHostAddress::LocalHost)));
        HttpClientRequest r;
        r.url = QUrl(QStringLiteral("http://127.0.0.1:%1/").arg(nobody.serverPort()));
        nobody.close();
        const auto reply = ask(r);
        QCOMPARE(reply->failure(), Failure::Refused);
        QCOMPARE(reply->errorText(), QStringLiteral("127.0.0.1:%1 refused the connection").arg(r.url.port()));
        QCOMPARE(reply->status(), 0);
    }

    void otherSchemesAreNotFetched()
    {
        HttpClientRequest r;
        r.url = QUrl(QStringLiteral("file:///etc/passwd"));
        const auto reply = ask(r);
        QCOMPARE(reply->failure(), Failure::Other);
        QVERIFY(reply->body().isEmpty());
    }

    void silenceTimesOut()
    {
        HttpClientRequest r = request("/held");
        r.idleTimeout = 50ms;
        const auto before = ask(r);
        QCOMPARE(before->failure(), Failure::Timeout);
        QCOMPARE(before->errorText(), QStringLiteral("127.0.0.1:%1 sent nothing for 0.05 s").arg(m_server->port()));

        std::unique_ptr<HttpReply> reply(m_client->send(r));
        held(1).beginEventStream();
        for (int i = 0; i < 10; ++i) { // ten pauses shorter than the limit, together longer
            held(1).write("x");
            QTest::qWait(15);
        }
        QVERIFY2(!reply->isFinished(), qPrintable(reply->errorText()));
        QVERIFY(waitUntil([&] { return reply->isFinished(); }));
        QCOMPARE(reply->failure(), Failure::Timeout);
    }

    void aHaltOfTheLoopIsNoSilence()
    {
        HttpClientRequest r = request("/held");
        r.idleTimeout = 50ms;
        std::unique_ptr<HttpReply> reply(m_client->send(r));
        ResponseStream& response = held(0);
        QThread::msleep(200); // the loop's timers fire before it has read what comes now
        response.respond(200, "text/plain", "late");
        QVERIFY(waitUntil([&] { return reply->isFinished(); }));
        QCOMPARE(reply->body(), QByteArray("late"));
    }

    void totalTimeout()
    {
        HttpClientRequest r = request("/held");
        r.totalTimeout = 50ms;
        const auto reply = ask(r);
        QCOMPARE(reply->failure(), Failure::Timeout);
        QCOMPARE(reply->errorText(), QStringLiteral("127.0.0.1:%1 did not finish within 0.05 s").arg(m_server->port()));
    }

    void bodiesAreBounded()
    {
        HttpClientRequest r = request("/echo", "POST", QByteArray(1000, 'x'));
        r.maxBodyBytes = 999;
        const auto reply = ask(r);
        QCOMPARE(reply->failure(), Failure::TooLarge);
        QCOMPARE(reply->errorText(),
                 QStringLiteral("the answer of 127.0.0.1:%1 is larger than 999 bytes").arg(m_server->port()));
        r.maxBodyBytes = 1000;
        QCOMPARE(ask(r)->failure(), Failure::None);
    }

    void badAnswers_data()
    {
        QTest::addColumn<QByteArray>("answer");
        QTest::addColumn<int>("failure");
        QTest::newRow("nothing") << QByteArray() << int(Failure::Broken);
        QTest::newRow("short") << QByteArray("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc") << int(Failure::Broken);
        QTest::newRow("cut chunks") << QByteArray("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
                                    << int(Failure::Broken);
        QTest::newRow("not HTTP") << QByteArray("SSH-2.0-OpenSSH\r\n\r\n") << int(Failure::Broken);
        QTest::newRow("endless headers") << "HTTP/1.1 200 OK\r\n" + QByteArray("A: b\r\n").repeated(100'000)
                                         << int(Failure::TooLarge);
    }

    void badAnswers()
    {
        QFETCH(QByteArray, answer);
        RawServer server(answer);
        HttpClientRequest r;
        r.url = server.url();
        const auto reply = ask(r);
        QTEST(int(reply->failure()), "failure");
        QVERIFY(reply->errorText().contains(QStringLiteral("127.0.0.1:%1").arg(r.url.port())));
    }

    void cutStreamsAreNotWhole()
    {
        std::unique_ptr<HttpReply> reply(m_client->send(request("/held")));
        held(0).beginEventStream();
        held(0).write("data: 1\n\n");
        QVERIFY(waitUntil([&] { return reply->status() == 200; }));
        held(0).abort();
        QVERIFY(waitUntil([&] { return reply->isFinished(); }));
        QCOMPARE(reply->failure(), Failure::Broken);
    }

    // ------------------------------------------------------------------------------------- redirects and proxies

    void redirectsAreFollowedWhenAsked()
    {
        RawServer origin("HTTP/1.1 302 Found\r\nLocation: " + request("/echo").url.toEncoded()
                         + "\r\nContent-Length: 3\r\n\r\nold");
        HttpClientRequest r;
        r.url = origin.url();
        r.headers.append("Authorization", "Bearer secret");
        r.headers.append("X-Mine", "1");
        const auto plain = ask(r);
        QCOMPARE(plain->status(), 302);
        QCOMPARE(plain->body(), QByteArray("old"));
        r.followRedirects = true;
        const auto followed = ask(r);
        QCOMPARE(followed->status(), 200);
        QCOMPARE(followed->url(), request("/echo").url);
        QVERIFY(followed->body().isEmpty());
        QVERIFY(origin.received().contains("Bearer secret"));
        QVERIFY(!m_last.headers.contains("Authorization"));
        QCOMPARE(m_last.headers.value("X-Mine"), QByteArray("1"));
    }

    void redirectsInCirclesEnd()
    {
        RawServer circle("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n");
        HttpClientRequest r;
        r.url = circle.url();
        r.followRedirects = true;
        const auto reply = ask(r);
        QCOMPARE(reply->failure(), Failure::Other);
        QVERIFY(reply->errorText().endsWith(QStringLiteral("redirects in circles")));
    }

    void redirectsToFilesAreNotFollowed()
    {
        RawServer origin("HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n");
        HttpClientRequest r;
        r.url = origin.url();
        r.followRedirects = true;
        QCOMPARE(ask(r)->failure(), Failure::Other);
    }

    void proxiesAreTakenOnlyWhenAsked()
    {
        RawServer proxy("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nproxy");
        qputenv("http_proxy", proxy.url().toEncoded());
        HttpClientRequest r = request("/echo", "POST", "direct");
        QCOMPARE(ask(r)->body(), QByteArray("direct"));
        r.useProxy = true;
        QCOMPARE(ask(r)->body(), QByteArray("proxy"));
        qunsetenv("http_proxy");
    }
};

QTEST_GUILESS_MAIN(TestHttpClient)
#include "tst_httpclient.moc"
