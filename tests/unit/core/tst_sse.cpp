// SPDX-License-Identifier: GPL-3.0-only
#include "core/sse.h"

#include <QTest>

using cortex::SseEvent;
using cortex::SseParser;

namespace {

QString text(const QList<SseEvent>& events)
{
    QString result;
    for (const SseEvent& event : events)
        result += QString::fromUtf8(event.event + '|' + event.data + '|' + event.id + ';');
    return result;
}

} // namespace

class TestSse : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void parses_data()
    {
        QTest::addColumn<QByteArray>("stream");
        QTest::addColumn<QString>("expected");
        QTest::newRow("one") << QByteArray("data: a\n\n") << QStringLiteral("|a|;");
        QTest::newRow("crlf") << QByteArray("data: a\r\ndata: b\r\n\r\n") << QStringLiteral("|a\nb|;");
        QTest::newRow("cr") << QByteArray("data: a\r\rdata: b\r\r") << QStringLiteral("|a|;|b|;");
        QTest::newRow("mixed ends") << QByteArray("data: a\r\n\rdata: b\n\r\n") << QStringLiteral("|a|;|b|;");
        QTest::newRow("named") << QByteArray("event: model\ndata: {}\n\n") << QStringLiteral("model|{}|;");
        QTest::newRow("name does not outlive its event")
            << QByteArray("event: x\ndata: 1\n\ndata: 2\n\n") << QStringLiteral("x|1|;|2|;");
        QTest::newRow("id outlives its event")
            << QByteArray("id: 7\ndata: 1\n\ndata: 2\n\n") << QStringLiteral("|1|7;|2|7;");
        QTest::newRow("id with NUL is ignored")
            << QByteArray("id: 7\nid: a\0b\ndata: 1\n\n", 24) << QStringLiteral("|1|7;");
        QTest::newRow("no data, no event") << QByteArray("event: x\n\ndata: 1\n\n") << QStringLiteral("|1|;");
        QTest::newRow("empty data") << QByteArray("data\n\ndata:\n\n") << QStringLiteral("||;||;");
        QTest::newRow("two empty lines of data") << QByteArray("data:\ndata:\n\n") << QStringLiteral("|\n|;");
        QTest::newRow("comment") << QByteArray(": keep-alive\n\ndata: 1\n\n") << QStringLiteral("|1|;");
        QTest::newRow("one blank is cut") << QByteArray("data:  two\ndata:none\n\n") << QStringLiteral("| two\nnone|;");
        QTest::newRow("unknown field") << QByteArray("retry: 5\nfoo: 1\ndata: 1\n\n") << QStringLiteral("|1|;");
        QTest::newRow("colon in data") << QByteArray("data: {\"a\":1}\n\n") << QStringLiteral("|{\"a\":1}|;");
        QTest::newRow("byte order mark") << QByteArray("\xEF\xBB\xBF"
                                                       "data: 1\n\n")
                                         << QStringLiteral("|1|;");
        QTest::newRow("unfinished") << QByteArray("data: 1\n\ndata: 2\n") << QStringLiteral("|1|;");
    }

    void parses()
    {
        QFETCH(QByteArray, stream);
        QFETCH(QString, expected);
        SseParser whole;
        QCOMPARE(text(whole.push(stream)), expected);
        for (qsizetype split = 0; split <= stream.size(); ++split) {
            SseParser parser;
            QList<SseEvent> events = parser.push(stream.first(split));
            events += parser.push(stream.sliced(split));
            QCOMPARE(text(events), expected);
        }
        SseParser bytewise;
        QList<SseEvent> events;
        for (const char byte : stream)
            events += bytewise.push(QByteArrayView(&byte, 1));
        QCOMPARE(text(events), expected);
    }

    void framesAreReadBack()
    {
        SseParser parser;
        const auto events =
            parser.push(cortex::sseFrame("x", "a\nb\n") + cortex::sseComment("hello") + cortex::sseFrame({}, "{}"));
        QCOMPARE(text(events), QStringLiteral("x|a\nb\n|;|{}|;"));
    }

    void memoryIsBounded()
    {
        SseParser parser(1000);
        QCOMPARE(parser.push("data: 1\n\n").size(), 1);
        for (int i = 0; i < 100; ++i)
            parser.push("data: 0123456789\n");
        QVERIFY(parser.overflowed());
        QVERIFY(parser.push("\n\ndata: 2\n\n").isEmpty());

        SseParser endless(1000);
        for (int i = 0; i < 100; ++i)
            endless.push("0123456789012345");
        QVERIFY(endless.overflowed());
    }
};

QTEST_GUILESS_MAIN(TestSse)
#include "tst_sse.moc"
