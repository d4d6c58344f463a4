// SPDX-License-Identifier: GPL-3.0-only
#include "app/models/chatsession.h"
#include "fakechatserver.h"

#include <QAbstractItemModelTester>
#include <QJsonArray>
#include <QSignalSpy>
#include <QTcpServer>
#include <QTest>

using namespace cortex;
using namespace cortex::testing;
using State = ChatMessage::State;

class TestChatSession : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void init();
    void cleanup();
    void streamsAnAnswer();
    void believesTheServersSpeed();
    void keepsTheHistory();
    void stopKeepsTheTextAndLeavesTheServer();
    void regenerateAsksAgain();
    void refusalIsReadable();
    void errorInMidStream();
    void brokenConnection();
    void streamThatEndsTooSoon();
    void answerThatIsNoStream();
    void noServer();
    void clearWhileStreaming();
    void sendsTheKey();
    void needsModelAndEndpoint();
    void deletedWhileStreaming();

private:
    const ChatMessage& reply() { return m_session->transcript()->last(); }
    void ask(const QString& text);

    std::unique_ptr<FakeChatServer> m_server;
    std::unique_ptr<ChatSession> m_session;
    std::unique_ptr<QAbstractItemModelTester> m_tester;
};

void TestChatSession::init()
{
    m_server = std::make_unique<FakeChatServer>();
    m_session = std::make_unique<ChatSession>();
    m_tester = std::make_unique<QAbstractItemModelTester>(m_session->transcript());
    m_session->setEndpoint(m_server->endpoint());
    m_session->setModel(QStringLiteral("org/model"));
}

void TestChatSession::cleanup()
{
    m_tester.reset();
    m_session.reset();
    m_server.reset();
}

void TestChatSession::ask(const QString& text)
{
    m_session->send(text);
    QTRY_VERIFY(m_server->isStreaming());
}

void TestChatSession::streamsAnAnswer()
{
    QSignalSpy appended(m_session->transcript(), &ChatTranscript::textAppended);
    ask(QStringLiteral("  Hello?\n"));
    QCOMPARE(m_session->transcript()->at(0).text, QStringLiteral("Hello?"));
    QCOMPARE(reply().state, State::Waiting);
    QVERIFY(m_session->isBusy() && !m_session->canSend());

    m_server->sendContent(QStringLiteral("Good "));
    QTRY_COMPARE(reply().text, QStringLiteral("Good "));
    QCOMPARE(reply().state, State::Streaming);
    QVERIFY(reply().timings.timeToFirstToken);
    m_server->sendContent(QStringLiteral("day."));
    QTRY_COMPARE(reply().text, QStringLiteral("Good day."));
    m_server->sendFinish(QStringLiteral("stop"), 7);
    QTRY_VERIFY(!m_session->isBusy());
    QCOMPARE(reply().state, State::Complete);
    QCOMPARE(reply().finishReason, QStringLiteral("stop"));
    QCOMPARE(reply().timings.tokens, 7);
    QVERIFY(*reply().timings.tokensPerSecond > 0);
    QCOMPARE(appended.size(), 2);

    const QJsonObject request = m_server->requests.first();
    QCOMPARE(request.value(QLatin1String("model")).toString(), QStringLiteral("org/model"));
    QVERIFY(request.value(QLatin1String("stream")).toBool());
    QCOMPARE(request.value(QLatin1String("messages")).toArray().size(), 1);
}

void TestChatSession::believesTheServersSpeed()
{
    ask(QStringLiteral("Hello?"));
    m_server->sendContent(QStringLiteral("Good "));
    m_server->sendContent(QStringLiteral("day."));
    m_server->sendEvent(R"({"choices":[{"delta":{}}],"timings":{"predicted_per_second":42.5}})");
    m_server->sendFinish(QStringLiteral("stop"), 7);
    QTRY_VERIFY(!m_session->isBusy());
    QCOMPARE(reply().timings.tokens, 7);
    QCOMPARE(*reply().timings.tokensPerSecond, 42.5);
}

void TestChatSession::keepsTheHistory()
{
    ask(QStringLiteral("one"));
    m_server->sendContent(QStringLiteral("first"));
    m_server->sendFinish(QStringLiteral("stop"), 1);
    QTRY_VERIFY(m_session->canSend());
    ask(QStringLiteral("two"));
    const QJsonArray messages = m_server->requests.last().value(QLatin1String("messages")).toArray();
    QCOMPARE(messages.size(), 3);
    QCOMPARE(messages[1][QLatin1String("role")].toString(), QStringLiteral("assistant"));
    QCOMPARE(messages[1][QLatin1String("content")].toString(), QStringLiteral("first"));
    QCOMPARE(messages[2][QLatin1String("content")].toString(), QStringLiteral("two"));
}

void TestChatSession::stopKeepsTheTextAndLeavesTheServer()
{
    ask(QStringLiteral("count"));
    m_server->sendContent(QStringLiteral("1, 2"));
    QTRY_COMPARE(reply().text, QStringLiteral("1, 2"));
    m_session->stop();
    QVERIFY(!m_session->isBusy());
    QCOMPARE(reply().state, State::Stopped);
    QCOMPARE(reply().text, QStringLiteral("1, 2"));
    QTRY_VERIFY(m_server->clientLeft);
}

void TestChatSession::regenerateAsksAgain()
{
    QVERIFY(!m_session->canRegenerate());
    ask(QStringLiteral("one"));
    m_server->sendContent(QStringLiteral("bad"));
    m_server->sendFinish(QStringLiteral("stop"), 1);
    QTRY_VERIFY(m_session->canRegenerate());
    m_session->setModel(QStringLiteral("other"));
    m_session->regenerate();
    QTRY_VERIFY(m_server->isStreaming());
    QCOMPARE(m_session->transcript()->rowCount(), 2);
    QCOMPARE(reply().model, QStringLiteral("other"));
    QCOMPARE(m_server->requests.last().value(QLatin1String("messages")).toArray().size(), 1);
}

void TestChatSession::refusalIsReadable()
{
    m_server->answer = FakeChatServer::Answer::Refuse;
    m_session->send(QStringLiteral("hi"));
    QTRY_COMPARE(reply().state, State::Failed);
    QCOMPARE(reply().error, QStringLiteral("No node has room for this model."));
    QVERIFY(m_session->canRegenerate());
}

void TestChatSession::errorInMidStream()
{
    ask(QStringLiteral("hi"));
    m_server->sendContent(QStringLiteral("Go"));
    m_server->sendEvent("{\"error\":{\"message\":\"atlas went away\"}}");
    QTRY_COMPARE(reply().state, State::Failed);
    QCOMPARE(reply().error, QStringLiteral("atlas went away"));
    QCOMPARE(reply().text, QStringLiteral("Go"));
}

void TestChatSession::brokenConnection()
{
    ask(QStringLiteral("hi"));
    m_server->sendContent(QStringLiteral("Go"));
    QTRY_COMPARE(reply().text, QStringLiteral("Go"));
    m_server->abortStream();
    QTRY_COMPARE(reply().state, State::Failed);
    QVERIFY2(reply().error.contains(QStringLiteral("cut off")), qPrintable(reply().error));
}

void TestChatSession::streamThatEndsTooSoon()
{
    ask(QStringLiteral("hi"));
    m_server->sendContent(QStringLiteral("Go"));
    m_server->endStream();
    QTRY_COMPARE(reply().state, State::Failed);
    QVERIFY2(reply().error.contains(QStringLiteral("cut off")), qPrintable(reply().error));
}

void TestChatSession::answerThatIsNoStream()
{
    m_server->answer = FakeChatServer::Answer::NoStream;
    m_session->send(QStringLiteral("hi"));
    QTRY_COMPARE(reply().state, State::Failed);
    QVERIFY(!reply().error.isEmpty());
}

void TestChatSession::noServer()
{
    quint16 closedPort = 0;
    {
        QTcpServer probe;
        QVERIFY(probe.listen(QHostAddress::LocalHost));
        closedPort = probe.serverPort();
    }
    m_session->setEndpoint(QUrl(QStringLiteral("http://127.0.0.1:%1").arg(closedPort)));
    m_session->send(QStringLiteral("hi"));
    QTRY_COMPARE(reply().state, State::Failed);
    QVERIFY2(reply().error.contains(QString::number(closedPort)), qPrintable(reply().error));
}

void TestChatSession::clearWhileStreaming()
{
    ask(QStringLiteral("hi"));
    m_session->clear();
    QVERIFY(m_session->transcript()->isEmpty());
    QVERIFY(m_session->canSend() && !m_session->canRegenerate());
    QTRY_VERIFY(m_server->clientLeft);
}

void TestChatSession::sendsTheKey()
{
    m_session->setApiKey(QStringLiteral("sk-console"));
    ask(QStringLiteral("hi"));
    QCOMPARE(m_server->authorizations.last(), QByteArray("Bearer sk-console"));
}

void TestChatSession::needsModelAndEndpoint()
{
    QSignalSpy changes(m_session.get(), &ChatSession::stateChanged);
    m_session->setModel({});
    QVERIFY(!m_session->canSend());
    QCOMPARE(changes.size(), 1);
    m_session->send(QStringLiteral("hi"));
    QVERIFY(m_session->transcript()->isEmpty());
    m_session->setModel(QStringLiteral("m"));
    m_session->setEndpoint({});
    QVERIFY(!m_session->canSend());
    m_session->setEndpoint(m_server->endpoint());
    m_session->send(QStringLiteral(" \n"));
    QVERIFY(m_session->transcript()->isEmpty());
}

void TestChatSession::deletedWhileStreaming()
{
    ask(QStringLiteral("hi"));
    m_tester.reset();
    m_session.reset();
    QTRY_VERIFY(m_server->clientLeft);
}

QTEST_GUILESS_MAIN(TestChatSession)
#include "tst_chatsession.moc"
