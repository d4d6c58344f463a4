// SPDX-License-Identifier: GPL-3.0-only
#include "app/models/fleetmodelsmodel.h"
#include "fakefleet.h"

#include <QAbstractItemModelTester>
#include <QPersistentModelIndex>
#include <QSignalSpy>
#include <QTest>

using namespace cortex;
using namespace cortex::testing;
using Column = FleetModelsModel::Column;

class TestFleetModelsModel : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void showsStatesProgressAndPlaces();
    void changesAreDiffs();
    void speedsComeAndGo();
    void progressStaysInRange();
};

void TestFleetModelsModel::showsStatesProgressAndPlaces()
{
    FleetModelsModel model;
    const QAbstractItemModelTester tester(&model);
    model.setModels(busyFleet().models);
    QCOMPARE(model.rowCount(), 6);
    QCOMPARE(model.loadedCount(), 2);

    const int smol = model.rowOf(QStringLiteral("HuggingFaceTB/SmolLM2-135M-Instruct"));
    QCOMPARE(model.index(smol, Column::StateColumn).data().toString(), QStringLiteral("Loaded"));
    QCOMPARE(model.index(smol, Column::DetailsColumn).data().toString(), QStringLiteral("atlas, borealis"));
    QVERIFY(model.index(smol, 0).data(Qt::ToolTipRole).toString().contains(QLocale().toString(8192)));
    QVERIFY(!model.index(smol, Column::StateColumn).data(FleetModelsModel::ProgressRole).isValid());

    const int gemma = model.rowOf(QStringLiteral("google/gemma-3-12b-it"));
    const QModelIndex state = model.index(gemma, Column::StateColumn);
    QCOMPARE(state.data(FleetModelsModel::ProgressRole).toDouble(), 0.17);
    QCOMPARE(state.data(FleetModelsModel::ProgressTextRole).toString(), QStringLiteral("17 % · 48.0 MB/s"));

    const int idle = model.rowOf(QStringLiteral("openai/gpt-oss-20b"));
    QCOMPARE(model.index(idle, Column::DetailsColumn).data().toString(), QStringLiteral("on disk: atlas, borealis"));
    const int failed = model.rowOf(QStringLiteral("meta-llama/Llama-3.3-70B-Instruct"));
    QVERIFY(model.index(failed, Column::DetailsColumn).data().toString().startsWith(QStringLiteral("Does not fit")));
    QVERIFY(model.index(failed, 0).data(Qt::ToolTipRole).toString().contains(QStringLiteral("42,310 MB")));
    QCOMPARE(model.rowOf(QStringLiteral("nobody/nothing")), -1);
}

void TestFleetModelsModel::changesAreDiffs()
{
    FleetModelsModel model;
    const QAbstractItemModelTester tester(&model);
    const FleetModel a = fleetModel(QStringLiteral("a"), ModelStatus::Loaded, {QStringLiteral("n")});
    const FleetModel b = fleetModel(QStringLiteral("b"), ModelStatus::Unloaded);
    const FleetModel c = fleetModel(QStringLiteral("c"), ModelStatus::Unloaded);
    model.setModels({a, b, c});
    const QPersistentModelIndex selected(model.index(1, 0));
    QSignalSpy resets(&model, &QAbstractItemModel::modelReset);
    QSignalSpy changes(&model, &QAbstractItemModel::dataChanged);

    model.setModels({a, b, c});
    QCOMPARE(changes.size(), 0);
    FleetModel loading = b;
    loading.status = ModelStatus::Loading;
    loading.progress = ModelProgress{QStringLiteral("reading"), 0.5, 1, 2, 0};
    model.setModels({a, loading, c});
    QCOMPARE(changes.size(), 1);
    QCOMPARE(changes.at(0).at(0).toModelIndex().row(), 1);
    model.setModels({c, loading});
    QCOMPARE(selected.row(), 1);
    QCOMPARE(selected.data().toString(), QStringLiteral("b"));
    QCOMPARE(resets.size(), 0);
}

void TestFleetModelsModel::speedsComeAndGo()
{
    FleetModelsModel model;
    model.setModels({fleetModel(QStringLiteral("a"), ModelStatus::Loaded, {QStringLiteral("n")}),
                     fleetModel(QStringLiteral("b"), ModelStatus::Loaded, {QStringLiteral("n")})});
    QSignalSpy changes(&model, &QAbstractItemModel::dataChanged);
    // Two nodes run the same model: the row shows their sum.
    model.setThroughput(sampleAt(1, {{QStringLiteral("a"), 20.0}, {QStringLiteral("a"), 15.5}}));
    QCOMPARE(changes.size(), 1);
    QCOMPARE(model.index(0, Column::SpeedColumn).data(FleetModelsModel::SpeedRole).toDouble(), 35.5);
    QCOMPARE(model.index(0, Column::SpeedColumn).data().toString(), QLocale().toString(35.5, 'f', 1));
    QCOMPARE(model.index(1, Column::SpeedColumn).data().toString(), QString());
    model.setThroughput(sampleAt(2, {}));
    QCOMPARE(model.index(0, Column::SpeedColumn).data().toString(), QString());
}

void TestFleetModelsModel::progressStaysInRange()
{
    FleetModelsModel model;
    FleetModel wild = fleetModel(QStringLiteral("a"), ModelStatus::Loading);
    wild.progress = ModelProgress{QStringLiteral("reading"), 17, 1, 2, 0};
    model.setModels({wild});
    QCOMPARE(model.index(0, 0).data(FleetModelsModel::ProgressRole).toDouble(), 1.0);
    QCOMPARE(model.index(0, 0).data(FleetModelsModel::ProgressTextRole).toString(), QStringLiteral("100 %"));
}

QTEST_GUILESS_MAIN(TestFleetModelsModel)
#include "tst_fleetmodelsmodel.moc"
