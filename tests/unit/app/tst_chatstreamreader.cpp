// SPDX-License-Identifier: GPL-3.0-only
#include "app/models/chatstreamreader.h"
#include "core/error.h"

#include <QTest>

using namespace cortex;

class TestChatStreamReader : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void readsAStreamCutAnywhere();
    void tellsErrors();
    void refusesWhatIsNotAChatStream();
    void oddShapesAreEmptyDeltas();
    void errorBodies_data();
    void errorBodies();
};

void TestChatStreamReader::readsAStreamCutAnywhere()
{
    const QByteArray stream =
        ": keep-alive\n\n"
        "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n"
        "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\n"
        "data: {\"choices\":[{\"delta\":{\"content\":\"Gr\xc3\xbc\xc3\x9f\"}}]}\n\n"
        "data: {\"choices\":[{\"delta\":{\"content\":\"e \xf0\x9f\x91\x8b\"},\"finish_reason\":\"stop\"}]}\n\n"
        "data: {\"choices\":[],\"usage\":{\"completion_tokens\":4}}\n\n"
        "data: [DONE]\n\n";
    for (qsizetype piece = 1; piece <= stream.size(); piece += 7) {
        ChatStreamReader reader;
        QString content;
        QString reasoning;
        QString finishReason;
        std::optional<int> tokens;
        for (qsizetype at = 0; at < stream.size(); at += piece) {
            for (const ChatDelta& delta : reader.push(stream.mid(at, piece))) {
                content += delta.content;
                reasoning += delta.reasoning;
                finishReason += delta.finishReason;
                if (delta.completionTokens)
                    tokens = delta.completionTokens;
            }
        }
        QVERIFY(reader.isDone());
        QCOMPARE(content, QStringLiteral("Grüße 👋"));
        QCOMPARE(reasoning, QStringLiteral("hm"));
        QCOMPARE(finishReason, QStringLiteral("stop"));
        QCOMPARE(tokens, std::optional(4));
    }
}

void TestChatStreamReader::tellsErrors()
{
    ChatStreamReader reader;
    const QList<ChatDelta> deltas = reader.push("data: {\"error\":{\"message\":\"node atlas went away\"}}\n\n");
    QCOMPARE(deltas.size(), 1);
    QCOMPARE(deltas.first().error, QStringLiteral("node atlas went away"));
    QVERIFY(!reader.push("data: {\"error\":{}}\n\n").first().error.isEmpty());
}

void TestChatStreamReader::refusesWhatIsNotAChatStream()
{
    ChatStreamReader text;
    QVERIFY_THROWS_EXCEPTION(InputError, text.push("data: hello\n\n"));
    ChatStreamReader array;
    QVERIFY_THROWS_EXCEPTION(InputError, array.push("data: [1,2]\n\n"));
    ChatStreamReader endless;
    QVERIFY_THROWS_EXCEPTION(InputError, endless.push("data: " + QByteArray(17 * 1024 * 1024, 'x')));
}

void TestChatStreamReader::oddShapesAreEmptyDeltas()
{
    ChatStreamReader reader;
    for (const char* odd : {"{}", "{\"choices\":null}", "{\"choices\":[7]}", "{\"choices\":[{\"delta\":[]}]}",
                            "{\"choices\":[{\"delta\":{\"content\":3}}]}", "{\"usage\":null,\"choices\":[]}"}) {
        const QList<ChatDelta> deltas = reader.push(QByteArray("data: ") + odd + "\n\n");
        QCOMPARE(deltas.size(), 1);
        QVERIFY(deltas.first().content.isEmpty() && deltas.first().error.isEmpty());
    }
}

void TestChatStreamReader::errorBodies_data()
{
    QTest::addColumn<QByteArray>("body");
    QTest::addColumn<QString>("message");
    QTest::newRow("OpenAI") << QByteArray("{\"error\":{\"message\":\"no such model\",\"type\":\"x\"}}")
                            << QStringLiteral("no such model");
    QTest::newRow("Anthropic") << QByteArray("{\"type\":\"error\",\"error\":{\"type\":\"x\",\"message\":\"busy\"}}")
                               << QStringLiteral("busy");
    QTest::newRow("string") << QByteArray("{\"error\":\"plain\"}") << QStringLiteral("plain");
    QTest::newRow("text") << QByteArray("Bad\n  Gateway\n") << QStringLiteral("Bad Gateway");
    QTest::newRow("nothing") << QByteArray() << QString();
}

void TestChatStreamReader::errorBodies()
{
    QFETCH(QByteArray, body);
    QTEST(chatErrorMessage(body), "message");
}

QTEST_GUILESS_MAIN(TestChatStreamReader)
#include "tst_chatstreamreader.moc"
