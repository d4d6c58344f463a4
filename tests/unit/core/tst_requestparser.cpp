// SPDX-License-Identifier: GPL-3.0-only
#include "core/http/requestparser.h"

#include <QTest>

#include <algorithm>

using namespace cortex;
using State = RequestParser::State;

namespace {

constexpr qint64 HeaderLimit = 1000;
constexpr qint64 BodyLimit = 100;

/// Feeds `bytes` in pieces of `step`; returns what was taken.
qsizetype feed(RequestParser& parser, QByteArrayView bytes, qsizetype step)
{
    qsizetype taken = 0;
    while (taken < bytes.size()) {
        const qsizetype more = parser.push(bytes.sliced(taken).first(std::min(step, bytes.size() - taken)));
        taken += more;
        if (parser.state() == State::Complete || parser.state() == State::Failed)
            break;
    }
    return taken;
}

} // namespace

class TestRequestParser : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void acceptsInAnySplit_data()
    {
        QTest::addColumn<QByteArray>("bytes");
        QTest::addColumn<QString>("path");
        QTest::addColumn<QByteArray>("body");
        QTest::addColumn<bool>("keepsAlive");
        const auto row = [](const char* name, const char* bytes, const char* path, const char* body, bool keepsAlive) {
            QTest::newRow(name) << QByteArray(bytes) << QString::fromUtf8(path) << QByteArray(body) << keepsAlive;
        };
        row("plain", "GET /a/b HTTP/1.1\r\nHost: x\r\n\r\n", "/a/b", "", true);
        row("close", "GET / HTTP/1.1\r\nHost: x\r\nConnection: TE, Close\r\n\r\n", "/", "", false);
        row("1.0", "GET / HTTP/1.0\r\n\r\n", "/", "", false);
        row("1.0 kept", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "/", "", true);
        row("empty lines before", "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "/", "", true);
        row("escapes", "GET /%C3%A9%2Fb?q=%20 HTTP/1.1\r\nHost: x\r\n\r\n", "/é/b", "", true);
        row("absolute form", "GET http://x:1/y HTTP/1.1\r\nHost: x\r\n\r\n", "/y", "", true);
        row("absolute form without path", "GET http://x HTTP/1.1\r\nHost: x\r\n\r\n", "/", "", true);
        row("asterisk", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "*", "", true);
        row("body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", "/", "hello", true);
        row("empty body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "/", "", true);
        row("no body", "POST / HTTP/1.1\r\nHost: x\r\n\r\n", "/", "", true);
        row("chunked",
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0B;a=\"b\"\r\n, big "
            "world\r\n0\r\nX: y\r\n\r\n",
            "/", "hello, big world", true);
        row("empty chunked", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", "/", "",
            true);
    }

    void acceptsInAnySplit()
    {
        QFETCH(QByteArray, bytes);
        for (qsizetype step = 1; step <= bytes.size(); ++step) {
            RequestParser parser(HeaderLimit, BodyLimit);
            QCOMPARE(parser.state(), State::Start);
            QCOMPARE(feed(parser, bytes + "GET /next", step), bytes.size());
            QCOMPARE(parser.state(), State::Complete);
            QTEST(parser.keepsAlive(), "keepsAlive");
            const HttpRequest request = parser.takeRequest();
            QTEST(request.path, "path");
            QTEST(request.body, "body");
            QCOMPARE(parser.state(), State::Start);
        }
    }

    void emptyLinesBeginNoRequest()
    {
        RequestParser parser(HeaderLimit, BodyLimit);
        for (const char byte : QByteArray("\r\n\r\n")) {
            parser.push(QByteArrayView(&byte, 1));
            QCOMPARE(parser.state(), State::Start);
        }
        parser.push("G");
        QCOMPARE(parser.state(), State::Head);
        RequestParser flooded(HeaderLimit, BodyLimit);
        feed(flooded, QByteArray("\r\n").repeated(HeaderLimit), 7);
        QCOMPARE(flooded.errorStatus(), 414);
    }

    void headersAndQuery()
    {
        RequestParser parser(HeaderLimit, BodyLimit);
        parser.push("GET /x?a=1&b=%2F HTTP/1.1\r\nHost:x\r\nAccept:\t a, b \r\naccept: c\r\n\r\n");
        QCOMPARE(parser.state(), State::Complete);
        QCOMPARE(parser.requestLine(), QByteArray("GET /x?a=1&b=%2F"));
        const HttpRequest request = parser.takeRequest();
        QCOMPARE(request.method, QByteArray("GET"));
        QCOMPARE(request.headers.value("ACCEPT"), QByteArray("a, b"));
        QCOMPARE(request.headers.fields().size(), 3);
        QCOMPARE(request.query.queryItemValue(QStringLiteral("b"), QUrl::FullyDecoded), QStringLiteral("/"));
    }

    void onePipelinedRequestAtATime()
    {
        const QByteArray one = "POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
        const QByteArray two = "GET /2 HTTP/1.1\r\nHost: x\r\n\r\n";
        RequestParser parser(HeaderLimit, BodyLimit);
        const qsizetype taken = parser.push(one + two);
        QCOMPARE(taken, one.size());
        QCOMPARE(parser.push(two), 0); // not before the first was taken
        QCOMPARE(parser.takeRequest().path, QStringLiteral("/1"));
        QCOMPARE(parser.push(two), two.size());
        QCOMPARE(parser.takeRequest().path, QStringLiteral("/2"));
    }

    void expectation()
    {
        RequestParser parser(HeaderLimit, BodyLimit);
        parser.push("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n");
        QCOMPARE(parser.state(), State::Body);
        QVERIFY(parser.expectsContinue());
    }

    void refuses_data()
    {
        QTest::addColumn<QByteArray>("bytes");
        QTest::addColumn<int>("status");
        const auto row = [](const char* name, const QByteArray& bytes, int status) {
            QTest::newRow(name) << bytes << status;
        };
        const auto head = [](const char* headers) { return QByteArray("POST / HTTP/1.1\r\nHost: x\r\n") + headers; };
        row("garbage", "hello\r\n", 400);
        row("two words", "GET /\r\n", 400);
        row("three blanks", "GET  / HTTP/1.1\r\n", 400);
        row("version", "GET / HTTP/x.1\r\n", 400);
        row("HTTP/2", "PRI * HTTP/2.0\r\n", 505);
        row("method characters", "G(T / HTTP/1.1\r\n", 400);
        row("method", "BREW / HTTP/1.1\r\n", 501);
        row("CONNECT", "CONNECT x:80 HTTP/1.1\r\n", 501);
        row("relative path", "GET a HTTP/1.1\r\n", 400);
        row("asterisk", "GET * HTTP/1.1\r\n", 400);
        row("fragment", "GET /a#b HTTP/1.1\r\n", 400);
        row("control character in path", "GET /a\x01 HTTP/1.1\r\n", 400);
        row("raw UTF-8 in path", "GET /\xC3\xA9 HTTP/1.1\r\n", 400);
        row("bad escape", "GET /%zz HTTP/1.1\r\n", 400);
        row("short escape", "GET /%4 HTTP/1.1\r\n", 400);
        row("NUL escape", "GET /%00 HTTP/1.1\r\n", 400);
        row("escape of no UTF-8", "GET /%FF HTTP/1.1\r\n", 400);
        row("bare LF", "GET / HTTP/1.1\n", 400);
        row("bare CR", "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n", 400);
        row("NUL in header", QByteArray("GET / HTTP/1.1\r\nA: b\0c\r\n", 24), 400);
        row("no colon", head("Accept\r\n"), 400);
        row("blank before colon", head("Content-Length : 3\r\n"), 400);
        row("empty name", head(": x\r\n"), 400);
        row("folded", head("A: b\r\n c\r\n"), 400);
        row("folded first", "GET / HTTP/1.1\r\n Host: x\r\n", 400);
        row("no host", "GET / HTTP/1.1\r\n\r\n", 400);
        row("two hosts", head("Host: y\r\n\r\n"), 400);
        row("negative length", head("Content-Length: -5\r\n\r\n"), 400);
        row("signed length", head("Content-Length: +5\r\n\r\n"), 400);
        row("hex length", head("Content-Length: 0x5\r\n\r\n"), 400);
        row("empty length", head("Content-Length:\r\n\r\n"), 400);
        row("list of lengths", head("Content-Length: 5, 5\r\n\r\n"), 400);
        row("two lengths", head("Content-Length: 5\r\nContent-Length: 6\r\n\r\n"), 400);
        row("huge length", head("Content-Length: 99999999999999999999999\r\n\r\n"), 413);
        row("long length", head("Content-Length: 101\r\n\r\n"), 413);
        row("length and coding", head("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
        row("coding and 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400);
        row("gzip", head("Transfer-Encoding: gzip, chunked\r\n\r\n"), 501);
        row("two codings", head("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"), 501);
        row("not quite chunked", head("Transfer-Encoding: xchunked\r\n\r\n"), 501);
        row("expectation", head("Expect: wonders\r\n\r\n"), 417);
        const QByteArray chunked = head("Transfer-Encoding: chunked\r\n\r\n");
        row("chunk size", chunked + "xyz\r\n", 400);
        row("empty chunk size", chunked + "\r\n", 400);
        row("negative chunk size", chunked + "-1\r\n", 400);
        row("huge chunk size", chunked + "FFFFFFFFFFFFFFFFF\r\n", 400);
        row("large chunk size", chunked + "7FFFFFFFFFFFFFF\r\n", 413);
        row("chunks too large together", chunked + "60\r\n" + QByteArray(0x60, 'x') + "\r\n5\r\n", 413);
        row("chunk longer than its size", chunked + "3\r\nabcd\r\n", 400);
        row("endless chunk extension", chunked + "3;" + QByteArray(2000, 'x'), 400);
        row("endless address", QByteArray("GET /") + QByteArray(2000, 'x'), 414);
        row("endless header", head("A: ") + QByteArray(2000, 'x'), 431);
        row("endless headers", head("") + QByteArray("A: b\r\n").repeated(300), 431);
        row("endless trailers", chunked + "0\r\n" + QByteArray("A: b\r\n").repeated(300), 431);
        row("endless empty lines", QByteArray("\r\n").repeated(1000), 414);
    }

    void refuses()
    {
        QFETCH(QByteArray, bytes);
        for (const qsizetype step : {qsizetype(1), qsizetype(7), bytes.size()}) {
            RequestParser parser(HeaderLimit, BodyLimit);
            feed(parser, bytes, step);
            QCOMPARE(parser.state(), State::Failed);
            QTEST(parser.errorStatus(), "status");
            QVERIFY(!parser.errorMessage().isEmpty());
            QCOMPARE(parser.push("GET / HTTP/1.1\r\n"), 0);
        }
    }

    void manyFields()
    {
        RequestParser parser(64 * 1024, BodyLimit);
        parser.push("GET / HTTP/1.1\r\nHost: x\r\n" + QByteArray("A: b\r\n").repeated(300));
        QCOMPARE(parser.errorStatus(), 431);
    }
};

QTEST_GUILESS_MAIN(TestRequestParser)
#include "tst_requestparser.moc"
