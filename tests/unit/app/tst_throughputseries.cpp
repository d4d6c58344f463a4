// SPDX-License-Identifier: GPL-3.0-only
#include "app/models/throughputseries.h"
#include "fakefleet.h"

#include <QSignalSpy>
#include <QTest>
#include <QTimeZone>

using namespace cortex;
using namespace cortex::testing;

class TestThroughputSeries : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void keepsFiveMinutes();
    void separatesModels();
    void aClockSetBackDropsTheFuture();
    void aGapKeepsItsWidth();
    void aFloodIsBounded();
};

void TestThroughputSeries::keepsFiveMinutes()
{
    ThroughputSeries series;
    QCOMPARE(series.current(), 0.0);
    QVERIFY(series.total().isEmpty());
    QSignalSpy changes(&series, &ThroughputSeries::changed);
    for (int second = 0; second < 1000; ++second)
        series.append(sampleAt(second, {{QStringLiteral("a"), double(second)}}));
    QCOMPARE(changes.size(), 1000);
    const QList<QPointF> points = series.total();
    QCOMPARE(points.size(), ThroughputSeries::windowSeconds + 1);
    QCOMPARE(points.first(), QPointF(-300, 699));
    QCOMPARE(points.last(), QPointF(0, 999));
    QCOMPARE(series.current(), 999.0);
    QCOMPARE(series.peak(), 999.0);
}

void TestThroughputSeries::separatesModels()
{
    ThroughputSeries series;
    series.append(sampleAt(1, {{QStringLiteral("b"), 10.0}, {QStringLiteral("a"), 5.0}, {QStringLiteral("a"), 2.0}}));
    series.append(sampleAt(2, {{QStringLiteral("b"), 20.0}, {QStringLiteral("idle"), 0.0}}));
    QCOMPARE(series.models(), QStringList({QStringLiteral("a"), QStringLiteral("b")}));
    QCOMPARE(series.ofModel(QStringLiteral("a")), QList<QPointF>({{-1, 7}, {0, 0}}));
    QCOMPARE(series.total(), QList<QPointF>({{-1, 17}, {0, 20}}));
    QCOMPARE(series.inFlight(), 1);
    for (int second = 3; second < 400; ++second)
        series.append(sampleAt(second, {}));
    QVERIFY(series.models().isEmpty());
}

void TestThroughputSeries::aClockSetBackDropsTheFuture()
{
    ThroughputSeries series;
    for (int second = 100; second < 110; ++second)
        series.append(sampleAt(second, {{QStringLiteral("a"), 1.0}}));
    series.append(sampleAt(105, {{QStringLiteral("a"), 9.0}}));
    QCOMPARE(series.total().size(), 6);
    QCOMPARE(series.total().last(), QPointF(0, 9));
}

void TestThroughputSeries::aGapKeepsItsWidth()
{
    ThroughputSeries series;
    series.append(sampleAt(100, {{QStringLiteral("a"), 1.0}}));
    series.append(sampleAt(160, {{QStringLiteral("a"), 2.0}}));
    QCOMPARE(series.total().first().x(), -60.0);
    series.append(sampleAt(5000, {{QStringLiteral("a"), 3.0}}));
    QCOMPARE(series.total().size(), 1);
}

void TestThroughputSeries::aFloodIsBounded()
{
    ThroughputSeries series;
    for (int sample = 0; sample < 5000; ++sample) {
        ThroughputSample fast = sampleAt(0, {{QStringLiteral("a"), 1.0}});
        fast.at = QDateTime::fromMSecsSinceEpoch(sample, QTimeZone::utc());
        series.append(fast);
    }
    QCOMPARE(series.total().size(), ThroughputSeries::windowSeconds + 1);
}

QTEST_GUILESS_MAIN(TestThroughputSeries)
#include "tst_throughputseries.moc"
