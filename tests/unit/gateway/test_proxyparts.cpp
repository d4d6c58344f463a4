// SPDX-License-Identifier: GPL-3.0-only
// What the proxy reads of requests and answers.
#include "core/error.h"
#include "gateway/completionrequest.h"
#include "gateway/streamtap.h"

#include <QElapsedTimer>
#include <QJsonDocument>
#include <QTest>

using namespace cortex;

class TestProxyParts : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void readsTheBorder();
    void refusesWhatIsNoJson_data();
    void refusesWhatIsNoJson();
    void buildsNoValues();
    void replacesModel_data();
    void replacesModel();
    void countsTokens();
    void knowsHowAStreamEnded();
    void findsBoundaries();
    void survivesAnything();
};

void TestProxyParts::readsTheBorder()
{
    const CompletionRequest plain = parseCompletionRequest("{\"model\":\"a/b:c\",\"messages\":[]}");
    QCOMPARE(plain.model, QStringLiteral("a/b:c"));
    QVERIFY(!plain.stream);
    QVERIFY(parseCompletionRequest("{\"stream\":true,\"model\":\"m\"}").stream);
    QVERIFY(!parseCompletionRequest("{\"stream\":null,\"model\":\"m\"}").stream);
    QVERIFY_THROWS_EXCEPTION(InputError, parseCompletionRequest("{\"model\":\"\"}"));
    QCOMPARE(parseCompletionRequest("\xEF\xBB\xBF{\"model\":\"\\u00e9\\\"\"} ").model, QStringLiteral("é\""));
    QVERIFY(parseCompletionRequest("{\"\\u0073tream\":true,\"model\":\"m\"}").stream);
    const CompletionRequest nested =
        parseCompletionRequest("{\"x\":[{},[],{\"stream\":true},-1.5e+3,null,false],\"model\":\"m\",\"Model\":1}");
    QCOMPARE(nested.model, QStringLiteral("m"));
    QVERIFY(!nested.stream);
}

void TestProxyParts::refusesWhatIsNoJson_data()
{
    QTest::addColumn<QByteArray>("body");
    const auto row = [](const char* body) { QTest::newRow(body) << QByteArray(body); };
    row("{\"model\":\"m\"} trailing");
    row("{\"model\":\"m\"");
    row("{\"model\":\"m\",}");
    row("{\"model\":\"m\" \"x\":1}");
    row("{\"model\":\"m\",\"x\"}");
    row("{\"model\":\"m\",x:1}");
    row("{\"model\":\"m\",\"x\":}");
    row("{\"model\":\"m\",\"x\":[1,]}");
    row("{\"model\":\"m\",\"x\":[1}]");
    row("{\"model\":\"m\",\"x\":nul}");
    row("{\"model\":\"m\",\"x\":\"\\\"}");
    row("{\"model\":\"m\\");
    row("\"model\"");
}

void TestProxyParts::refusesWhatIsNoJson()
{
    QFETCH(QByteArray, body);
    QVERIFY_THROWS_EXCEPTION(InputError, parseCompletionRequest(body));
}

/// The gateway's one thread reads a body while every stream waits, and Qt takes a hundred times as long for this one.
void TestProxyParts::buildsNoValues()
{
    const QByteArray body = "{\"model\":\"m\",\"x\":[" + QByteArray("[[[[[1]]]],[[[[1]]]]],").repeated(200'000) + "0]}";
    QElapsedTimer clock;
    clock.start();
    QCOMPARE(parseCompletionRequest(body).model, QStringLiteral("m"));
    const qint64 ours = clock.restart();
    QVERIFY(QJsonDocument::fromJson(body).isObject());
    const qint64 qts = clock.elapsed();
    QVERIFY2(ours * 2 < qts, qPrintable(QStringLiteral("%1 ms of %2 ms").arg(ours).arg(qts)));
}

void TestProxyParts::replacesModel_data()
{
    QTest::addColumn<QByteArray>("body");
    QTest::addColumn<QString>("model");
    QTest::addColumn<QByteArray>("expected");
    QTest::newRow("first") << QByteArray("{\"model\":\"a\",\"n\":1}") << QStringLiteral("b/c")
                           << QByteArray("{\"model\":\"b/c\",\"n\":1}");
    QTest::newRow("spaces") << QByteArray("\n{ \"n\" : 1.50 , \"model\"\t:\r\n\"a\" }\n") << QStringLiteral("b")
                            << QByteArray("\n{ \"n\" : 1.50 , \"model\"\t:\r\n\"b\" }\n");
    QTest::newRow("nested") << QByteArray("{\"x\":[{\"model\":\"a\"}],\"model\":\"a\",\"y\":{\"model\":\"a\"}}")
                            << QStringLiteral("b")
                            << QByteArray("{\"x\":[{\"model\":\"a\"}],\"model\":\"b\",\"y\":{\"model\":\"a\"}}");
    QTest::newRow("as a value") << QByteArray("{\"x\":\"model\",\"y\":\"\\\"model\\\":\\\"z\\\"\",\"model\":\"a\"}")
                                << QStringLiteral("b")
                                << QByteArray("{\"x\":\"model\",\"y\":\"\\\"model\\\":\\\"z\\\"\",\"model\":\"b\"}");
    QTest::newRow("braces in strings") << QByteArray("{\"x\":\"}]{[\\\\\",\"model\":\"a\"}") << QStringLiteral("b")
                                       << QByteArray("{\"x\":\"}]{[\\\\\",\"model\":\"b\"}");
    QTest::newRow("quotes in the id") << QByteArray("{\"model\":\"a\"}") << QStringLiteral("b\"\\\n")
                                      << QByteArray("{\"model\":\"b\\\"\\\\\\n\"}");
    QTest::newRow("by an escape") << QByteArray("{\"mod\\u0065l\":\"a\"}") << QStringLiteral("b")
                                  << QByteArray("{\"mod\\u0065l\":\"b\"}");
}

void TestProxyParts::replacesModel()
{
    QFETCH(QByteArray, body);
    QFETCH(QString, model);
    QFETCH(QByteArray, expected);
    const QByteArray replaced = withModel(body, parseCompletionRequest(body), model);
    QCOMPARE(replaced, expected);
    QCOMPARE(parseCompletionRequest(replaced).model, model);
}

void TestProxyParts::countsTokens()
{
    const QByteArray stream = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n"
                              ": comment\n\n"
                              "data: {\"choices\":[{\"delta\":{\"content\":\"one\"}}],\"usage\":null}\n\n"
                              "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"two\"}}]}\n\n"
                              "data: {\"choices\":[{\"text\":\"three\"}]}\n\n"
                              "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0}]}}]}\n\n"
                              "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
                              "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":9}}\n\n"
                              "data: [DONE]\n\n";
    StreamTap whole;
    QCOMPARE(whole.push(stream), 4);
    QCOMPARE(whole.usage()->promptTokens, 7);
    QCOMPARE(whole.usage()->completionTokens, 9);
    QCOMPARE(whole.usage()->cachedTokens, 0);
    QVERIFY(whole.sawDone());
    StreamTap bytewise;
    int tokens = 0;
    for (const char byte : stream)
        tokens += bytewise.push(QByteArray(1, byte));
    QCOMPARE(tokens, 4);
    QCOMPARE(bytewise.chunks(), 4);
    QVERIFY(bytewise.sawDone());
    QVERIFY(!usageOf("{\"usage\":null}"));
    QVERIFY(!usageOf("no json"));
    QCOMPARE(usageOf("{\"usage\":{\"prompt_tokens\":-5}}")->promptTokens, 0);
}

void TestProxyParts::knowsHowAStreamEnded()
{
    const auto after = [](const QByteArray& stream) {
        StreamTap tap;
        tap.push(stream);
        return std::pair(tap.sawDone(), tap.sawError());
    };
    const std::pair cut(false, false);
    const std::pair whole(true, false);
    QCOMPARE(after("data: {\"choices\":[],\"error\":null}\n\n"), cut);
    QCOMPARE(after("data: {\"choices\":[{\"delta\":{\"content\":\"[DONE]\"}}]}\n\n"), cut);
    QCOMPARE(after("data: {\"error\":{\"message\":\"boom\"}}\n\n"), std::pair(false, true));
    QCOMPARE(after("data: [DONE]\r\n\r\n: a comment\n\n"), whole);
    QCOMPARE(after("data: [DONE]\n"), whole); // the blank line is missing
    // Of an event too large to look into nothing is known, but how the stream ends is.
    const QByteArray large = "data: " + QByteArray(2'000'000, 'x') + "\n\n";
    QCOMPARE(after(large), cut);
    QCOMPARE(after(large + "data: [DONE]\r\n\r\n"), whole);
}

void TestProxyParts::findsBoundaries()
{
    StreamTap tap;
    QVERIFY(tap.isAtBoundary());
    tap.push("data: x");
    QVERIFY(!tap.isAtBoundary());
    tap.push("\n");
    QVERIFY(!tap.isAtBoundary());
    tap.push("\n");
    QVERIFY(tap.isAtBoundary());
    tap.push("data: y\r\n\r");
    QVERIFY(!tap.isAtBoundary());
    tap.push("\n");
    QVERIFY(tap.isAtBoundary());
}

void TestProxyParts::survivesAnything()
{
    StreamTap tap;
    QCOMPARE(tap.push("data: {\"choices\":{}}\n\ndata: [1]\n\ndata: \"x\"\n\ndata: "
                      "{\"choices\":[1,{\"delta\":[]}],\"usage\":5}\n\n\xff\xfe"),
             0);
    for (int i = 0; i < 40; ++i)
        tap.push("data: " + QByteArray(100'000, 'x'));
    QCOMPARE(tap.chunks(), 0);
}

QTEST_GUILESS_MAIN(TestProxyParts)
#include "test_proxyparts.moc"
