// SPDX-License-Identifier: GPL-3.0-only
#include "app/models/fleettreemodel.h"
#include "fakefleet.h"

#include <QAbstractItemModelTester>
#include <QPersistentModelIndex>
#include <QSignalSpy>
#include <QTest>

using namespace cortex;
using namespace cortex::testing;

class TestFleetTreeModel : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void showsNodesAndDevices();
    void sameSnapshotIsSilent();
    void readingChangesOneDevice();
    void nodesComeGoAndMoveWithoutAReset();
    void devicesComeAndGo();
    void offlineNodeShowsNoReadings();
    void twinsFromAHostileNodeAreHarmless();

private:
    NodeSnapshot atlas() const
    {
        return onlineNode(QStringLiteral("atlas"),
                          {cudaDevice(0, QStringLiteral("RTX"), 24000), cudaDevice(1, QStringLiteral("RTX"), 24000)},
                          {reading(0, 6000, 24000, 50, 60), reading(1, 0, 24000, 0, 30)});
    }
};

void TestFleetTreeModel::showsNodesAndDevices()
{
    FleetTreeModel model;
    const QAbstractItemModelTester tester(&model);
    model.setNodes(busyFleet().nodes);

    QCOMPARE(model.rowCount(), 3);
    QCOMPARE(model.onlineCount(), 2);
    const QModelIndex node = model.index(0, 0);
    QCOMPARE(node.data().toString(), QStringLiteral("atlas"));
    QCOMPARE(node.data(FleetTreeModel::StatusRole).toInt(), int(NodeStatus::Online));
    QCOMPARE(node.data(FleetTreeModel::DetailRole).toString(), QStringLiteral("atlas.lan · 2 models loaded"));
    QCOMPARE(model.rowCount(node), 2);

    const QModelIndex device = model.index(1, 0, node);
    QCOMPARE(device.parent(), node);
    QCOMPARE(device.data(FleetTreeModel::KindRole).value<FleetTreeModel::Kind>(), FleetTreeModel::Kind::Device);
    QCOMPARE(device.data(FleetTreeModel::UsedMbRole).toLongLong(), 46800);
    QCOMPARE(device.data(FleetTreeModel::TotalMbRole).toLongLong(), 49140);
    QCOMPARE(device.data(FleetTreeModel::UtilizationRole).toDouble(), 93.0);
    QCOMPARE(device.data(FleetTreeModel::TemperatureRole).toDouble(), 76.0);
    QVERIFY(device.data(Qt::AccessibleTextRole).toString().contains(QStringLiteral("45.7 of 48.0 GiB")));

    const QModelIndex offline = model.index(2, 0);
    QVERIFY(offline.data(FleetTreeModel::DetailRole).toString().contains(QStringLiteral("refused")));
    QVERIFY(offline.data(Qt::AccessibleTextRole).toString().contains(QStringLiteral("offline")));
}

void TestFleetTreeModel::sameSnapshotIsSilent()
{
    FleetTreeModel model;
    model.setNodes(busyFleet().nodes);
    QSignalSpy changes(&model, &QAbstractItemModel::dataChanged);
    QList<NodeSnapshot> later = busyFleet().nodes;
    later[0].lastSeen = later[0].lastSeen.addSecs(1);
    model.setNodes(later);
    QCOMPARE(changes.size(), 0);
}

void TestFleetTreeModel::readingChangesOneDevice()
{
    FleetTreeModel model;
    const QAbstractItemModelTester tester(&model);
    NodeSnapshot node = atlas();
    model.setNodes({node});
    QSignalSpy changes(&model, &QAbstractItemModel::dataChanged);
    node.health.devices[1].vramUsedMb = 1234;
    model.setNodes({node});
    QCOMPARE(changes.size(), 1);
    QCOMPARE(changes.at(0).at(0).toModelIndex(), model.index(1, 0, model.index(0, 0)));
}

void TestFleetTreeModel::nodesComeGoAndMoveWithoutAReset()
{
    FleetTreeModel model;
    const QAbstractItemModelTester tester(&model);
    QSignalSpy resets(&model, &QAbstractItemModel::modelReset);
    const NodeSnapshot b = onlineNode(QStringLiteral("b"), {cudaDevice(0, QStringLiteral("RTX"), 24000)}, {});
    const NodeSnapshot c = offlineNode(QStringLiteral("c"), QStringLiteral("down"));
    model.setNodes({atlas(), b, c});
    const QPersistentModelIndex selected(model.index(0, 0, model.index(1, 0)));

    model.setNodes({c, atlas(), b});
    QCOMPARE(QModelIndex(selected).parent().data().toString(), QStringLiteral("b"));
    model.setNodes({onlineNode(QStringLiteral("d"), {}, {}), b});
    QVERIFY(selected.isValid());
    QCOMPARE(QModelIndex(selected).parent().row(), 1);
    QCOMPARE(model.rowCount(), 2);
    model.setNodes({});
    QVERIFY(!selected.isValid());
    QCOMPARE(resets.size(), 0);
}

void TestFleetTreeModel::devicesComeAndGo()
{
    FleetTreeModel model;
    const QAbstractItemModelTester tester(&model);
    NodeSnapshot node = atlas();
    node.discovery.devices.clear();
    node.status = NodeStatus::Connecting;
    model.setNodes({node});
    QCOMPARE(model.rowCount(model.index(0, 0)), 0);
    model.setNodes({atlas()});
    QCOMPARE(model.rowCount(model.index(0, 0)), 2);
    node = atlas();
    node.discovery.devices.removeFirst();
    model.setNodes({node});
    QCOMPARE(model.rowCount(model.index(0, 0)), 1);
    QCOMPARE(model.index(0, 0, model.index(0, 0)).data(FleetTreeModel::UsedMbRole).toLongLong(), 0);
}

void TestFleetTreeModel::offlineNodeShowsNoReadings()
{
    FleetTreeModel model;
    NodeSnapshot node = atlas();
    model.setNodes({node});
    QVERIFY(model.index(0, 0, model.index(0, 0)).data(FleetTreeModel::UsedMbRole).isValid());
    node.status = NodeStatus::Offline;
    model.setNodes({node});
    const QModelIndex device = model.index(0, 0, model.index(0, 0));
    QVERIFY(!device.data(FleetTreeModel::UsedMbRole).isValid());
    QVERIFY(!device.data(FleetTreeModel::UtilizationRole).isValid());
    QCOMPARE(device.data(FleetTreeModel::StatusRole).toInt(), int(NodeStatus::Offline));
}

void TestFleetTreeModel::twinsFromAHostileNodeAreHarmless()
{
    FleetTreeModel model;
    const QAbstractItemModelTester tester(&model);
    NodeSnapshot node = atlas();
    node.discovery.devices[1].index = 0;
    model.setNodes({node, node});
    QCOMPARE(model.rowCount(), 2);
    QCOMPARE(model.rowCount(model.index(1, 0)), 2);
    model.setNodes({atlas()});
    QCOMPARE(model.rowCount(), 1);
}

QTEST_GUILESS_MAIN(TestFleetTreeModel)
#include "tst_fleettreemodel.moc"
