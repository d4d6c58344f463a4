// SPDX-License-Identifier: GPL-3.0-only
#include "app/models/chattranscript.h"

#include <QAbstractItemModelTester>
#include <QJsonObject>
#include <QSignalSpy>
#include <QTest>

using namespace cortex;
using Author = ChatMessage::Author;
using State = ChatMessage::State;

class TestChatTranscript : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void textGrowsInPlace();
    void failedExchangesAreNotSentAgain();
    void copiesAsMarkdown();

private:
    static ChatMessage message(Author author, const QString& text, State state = State::Complete)
    {
        ChatMessage message;
        message.author = author;
        message.text = text;
        message.state = state;
        message.model = QStringLiteral("m");
        return message;
    }
};

void TestChatTranscript::textGrowsInPlace()
{
    ChatTranscript transcript;
    const QAbstractItemModelTester tester(&transcript);
    transcript.append(message(Author::User, QStringLiteral("Hello")));
    transcript.append(message(Author::Assistant, {}, State::Waiting));
    QSignalSpy appended(&transcript, &ChatTranscript::textAppended);
    QSignalSpy resets(&transcript, &QAbstractItemModel::modelReset);
    transcript.appendReasoning(QStringLiteral("hm"));
    transcript.appendText(QStringLiteral("Good "));
    transcript.appendText(QStringLiteral("day"));
    QCOMPARE(appended.size(), 2);
    QCOMPARE(appended.at(1).at(1).toString(), QStringLiteral("day"));
    const QModelIndex last = transcript.index(1);
    QCOMPARE(last.data(ChatTranscript::TextRole).toString(), QStringLiteral("Good day"));
    QCOMPARE(last.data(ChatTranscript::ReasoningRole).toString(), QStringLiteral("hm"));
    QCOMPARE(last.data(ChatTranscript::StateRole).toInt(), int(State::Streaming));
    transcript.finish(State::Complete, QStringLiteral("stop"));
    QCOMPARE(last.data(ChatTranscript::StateRole).toInt(), int(State::Complete));
    transcript.removeLast();
    QCOMPARE(transcript.rowCount(), 1);
    transcript.clear();
    transcript.clear();
    QCOMPARE(transcript.rowCount(), 0);
    QCOMPARE(resets.size(), 0);
}

void TestChatTranscript::failedExchangesAreNotSentAgain()
{
    ChatTranscript transcript;
    transcript.append(message(Author::User, QStringLiteral("one")));
    transcript.append(message(Author::Assistant, QStringLiteral("first"), State::Stopped));
    transcript.append(message(Author::User, QStringLiteral("lost")));
    transcript.append(message(Author::Assistant, {}, State::Failed));
    transcript.append(message(Author::User, QStringLiteral("two")));
    transcript.append(message(Author::Assistant, {}, State::Waiting));
    QStringList sent;
    for (const QJsonValue value : transcript.toRequestMessages())
        sent.append(value[QLatin1String("role")].toString() + QLatin1Char(':')
                    + value[QLatin1String("content")].toString());
    QCOMPARE(sent,
             QStringList({QStringLiteral("user:one"), QStringLiteral("assistant:first"), QStringLiteral("user:two")}));
}

void TestChatTranscript::copiesAsMarkdown()
{
    ChatTranscript transcript;
    transcript.append(message(Author::User, QStringLiteral("one")));
    transcript.append(message(Author::Assistant, QStringLiteral("first")));
    QCOMPARE(transcript.toMarkdown(), QStringLiteral("**You**\n\none\n\n**m**\n\nfirst\n"));
}

QTEST_GUILESS_MAIN(TestChatTranscript)
#include "tst_chattranscript.moc"
