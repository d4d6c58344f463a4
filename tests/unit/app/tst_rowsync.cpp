// SPDX-License-Identifier: GPL-3.0-only
#include "app/models/rowsync.h"

#include <QRandomGenerator>
#include <QTest>

using namespace cortex;

class TestRowSync : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void sameKeysChangeNothing();
    void anyListBecomesAnyOther();
};

void TestRowSync::sameKeysChangeNothing()
{
    const auto fail = [](auto...) { QFAIL("a row was changed"); };
    syncRows<int>({1, 2, 2, 3}, {1, 2, 2, 3}, fail, fail, fail);
}

/// Plays the changes on a list, as a model would, over random lists with repeated keys.
void TestRowSync::anyListBecomesAnyOther()
{
    QRandomGenerator random(4711);
    const auto randomList = [&random] {
        QList<int> list;
        for (int count = int(random.bounded(9)); count > 0; --count)
            list.append(int(random.bounded(7)));
        return list;
    };
    for (int round = 0; round < 5000; ++round) {
        const QList<int> wanted = randomList();
        QList<int> rows = randomList();
        const auto remove = [&](int row) {
            QVERIFY(row >= 0 && row < rows.size());
            rows.removeAt(row);
        };
        const auto move = [&](int from, int to) {
            QVERIFY(to >= 0 && from > to && from < rows.size());
            rows.move(from, to);
        };
        const auto insert = [&](int row) {
            QVERIFY(row >= 0 && row <= rows.size());
            rows.insert(row, wanted.at(row));
        };
        syncRows<int>(rows, wanted, remove, move, insert);
        QCOMPARE(rows, wanted);
    }
}

QTEST_GUILESS_MAIN(TestRowSync)
#include "tst_rowsync.moc"
