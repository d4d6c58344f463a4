// SPDX-License-Identifier: GPL-3.0-only
#include "app/models/fleetcontroller.h"
#include "fakefleet.h"

#include <QSignalSpy>
#include <QTest>

using namespace cortex;
using namespace cortex::testing;
using State = FleetController::State;

class TestFleetController : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void init();
    void startsAndStops();
    void failureCanBeRetried();
    void feedsTheModels();
    void actionsReachTheSource();
    void failedOperationsAreTold();

private:
    FakeFleetSource* m_source = nullptr; ///< the controller's
    std::unique_ptr<FleetController> m_controller;
};

void TestFleetController::init()
{
    auto source = std::make_unique<FakeFleetSource>();
    m_source = source.get();
    m_controller = std::make_unique<FleetController>(std::move(source));
}

void TestFleetController::startsAndStops()
{
    QCOMPARE(m_controller->state(), State::Stopped);
    m_controller->start();
    m_controller->start();
    QCOMPARE(m_source->starts, 1);
    QCOMPARE(m_controller->state(), State::Starting);
    QVERIFY(m_controller->clientEndpoint().isEmpty());
    Q_EMIT m_source->started(QUrl(QStringLiteral("http://127.0.0.1:31313")));
    QCOMPARE(m_controller->state(), State::Running);
    QCOMPARE(m_controller->clientEndpoint(), QStringLiteral("http://127.0.0.1:31313/v1"));
    m_controller->chat()->setModel(QStringLiteral("m"));
    QVERIFY(m_controller->chat()->canSend());
    m_controller->stop();
    QCOMPARE(m_source->stops, 1);
    QCOMPARE(m_controller->state(), State::Stopped);
    QVERIFY(!m_controller->chat()->canSend());
}

void TestFleetController::failureCanBeRetried()
{
    m_controller->start();
    Q_EMIT m_source->startFailed(QStringLiteral("Port 31313 is in use."));
    QCOMPARE(m_controller->state(), State::Failed);
    QCOMPARE(m_controller->failure(), QStringLiteral("Port 31313 is in use."));
    QVERIFY(m_controller->summary().contains(QStringLiteral("31313")));
    m_controller->start();
    QCOMPARE(m_source->starts, 2);
    QVERIFY(m_controller->failure().isEmpty());
}

void TestFleetController::feedsTheModels()
{
    QSignalSpy changes(m_controller.get(), &FleetController::fleetChanged);
    m_controller->start();
    Q_EMIT m_source->started(QUrl(QStringLiteral("http://127.0.0.1:31313")));
    QVERIFY(!m_controller->hasSnapshot());
    Q_EMIT m_source->fleetChanged(busyFleet());
    QCOMPARE(changes.size(), 1);
    QVERIFY(m_controller->hasSnapshot());
    QCOMPARE(m_controller->nodes()->rowCount(), 3);
    QCOMPARE(m_controller->models()->rowCount(), 6);
    QCOMPARE(m_controller->summary(), QStringLiteral("Gateway running · 2 of 3 nodes online · 2 models loaded"));
    Q_EMIT m_source->throughput(sampleAt(1, {{QStringLiteral("HuggingFaceTB/SmolLM2-135M-Instruct"), 120.0}}));
    QCOMPARE(m_controller->throughput()->current(), 120.0);
    const int row = m_controller->models()->rowOf(QStringLiteral("HuggingFaceTB/SmolLM2-135M-Instruct"));
    QCOMPARE(m_controller->models()->index(row, 0).data(FleetModelsModel::SpeedRole).toDouble(), 120.0);
}

void TestFleetController::actionsReachTheSource()
{
    const QString idle = QStringLiteral("openai/gpt-oss-20b");
    const QString loaded = QStringLiteral("Qwen/Qwen3-32B-GGUF:Q4_K_M");
    const QString loading = QStringLiteral("mistralai/Devstral-Small-2507");
    m_controller->start();
    Q_EMIT m_source->fleetChanged(busyFleet());
    QVERIFY(!m_controller->canLoad(idle));
    Q_EMIT m_source->started(QUrl(QStringLiteral("http://127.0.0.1:31313")));
    QVERIFY(m_controller->canLoad(idle) && !m_controller->canUnload(idle));
    QVERIFY(m_controller->canUnload(loaded));
    QVERIFY(!m_controller->canLoad(loading) && !m_controller->canUnload(loading));
    QVERIFY(!m_controller->canLoad(loaded));
    QVERIFY(!m_controller->canLoad(QStringLiteral("nobody/nothing")));
    QCOMPARE(m_controller->loadTargets(loaded), QStringList({QStringLiteral("borealis")}));
    QCOMPARE(m_controller->loadTargets(idle), QStringList({QStringLiteral("atlas"), QStringLiteral("borealis")}));

    m_controller->loadModel(idle);
    m_controller->loadModel(idle, QStringLiteral("borealis"));
    m_controller->unloadModel(loaded);
    using Request = QPair<QString, QString>;
    QCOMPARE(m_source->loads, QList<Request>({{idle, QString()}, {idle, QStringLiteral("borealis")}}));
    QCOMPARE(m_source->unloads, QList<Request>({{loaded, QString()}}));
}

void TestFleetController::failedOperationsAreTold()
{
    QSignalSpy failures(m_controller.get(), &FleetController::operationFailed);
    Q_EMIT m_source->operationFailed(QStringLiteral("does not fit"));
    QCOMPARE(failures.size(), 1);
}

QTEST_GUILESS_MAIN(TestFleetController)
#include "tst_fleetcontroller.moc"
