// SPDX-License-Identifier: GPL-3.0-only
/// The window over a real gateway on its own thread and a fake neuron: the whole way but for the model.
#include "app/models/fleetcontroller.h"
#include "app/models/gatewaysource.h"
#include "app/ui/chatpane.h"
#include "app/ui/mainwindow.h"
#include "app/ui/messageview.h"
#include "app/ui/modelspane.h"
#include "app/ui/nodespane.h"
#include "core/sse.h"
#include "fakeneuron.h"

#include <QAction>
#include <QPlainTextEdit>
#include <QSignalSpy>
#include <QTcpServer>
#include <QTest>
#include <QThreadPool>
#include <QTreeView>

using namespace cortex;

namespace {

const QString modelId = QStringLiteral("org/tiny");

GatewayConfig configFor(const QUrl& neuron)
{
    GatewayConfig config;
    config.listen = QStringLiteral("127.0.0.1:0");
    config.metricsListen = QStringLiteral("127.0.0.1:0");
    config.neurons = {NeuronEntry{QStringLiteral("local"), neuron}};
    return config;
}

/// A completion that says "Good", " ", "day" and ends.
void answerGoodDay(const HttpRequest& /*request*/, const std::shared_ptr<ResponseStream>& response)
{
    response->beginEventStream();
    for (const char* event : {R"({"choices":[{"index":0,"delta":{"role":"assistant","content":"Good"}}]})",
                              R"({"choices":[{"index":0,"delta":{"content":" "}}]})",
                              R"({"choices":[{"index":0,"delta":{"content":"day"}}]})",
                              R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})",
                              R"({"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":3,"total_tokens":8}})"})
        response->write(sseFrame({}, event));
    response->write(sseFrame({}, "[DONE]"));
    response->end();
}

} // namespace

class TestConsole : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase();
    void loadsAModelAndTalksToIt();
    void portInUseIsSaid();
    void startsAgainAfterAStop();
};

/// Qt paints large surfaces on several threads of its pool. The lists by which these are told off are guarded by locks
/// of Qt's that the thread sanitizer cannot see, so that here there is one.
void TestConsole::initTestCase()
{
    QThreadPool::globalInstance()->setMaxThreadCount(1);
}

void TestConsole::loadsAModelAndTalksToIt()
{
    FakeNeuron neuron;
    neuron.listen();
    neuron.addModel(modelId);
    neuron.onCompletion = answerGoodDay;
    FleetController controller(std::make_unique<GatewaySource>(configFor(neuron.endpoint()), Catalogue()));
    MainWindow window(controller);
    window.show();
    QVERIFY(QTest::qWaitForWindowExposed(&window));
    controller.start();

    QTRY_COMPARE(controller.state(), FleetController::State::Running);
    QVERIFY(window.shownEndpoint().startsWith(QStringLiteral("http://127.0.0.1:")));
    QTRY_COMPARE(controller.nodes()->onlineCount(), 1);
    QTRY_COMPARE(controller.models()->rowOf(modelId), 0);
    QVERIFY(window.nodes()->view()->isExpanded(controller.nodes()->index(0, 0)));

    window.models()->selectModel(modelId);
    window.models()->loadAction()->trigger();
    QTRY_COMPARE(neuron.loadOrders, 1);
    neuron.setStatus(modelId, ModelStatus::Loading, 0.5);
    const QModelIndex row = controller.models()->index(0, 0);
    QTRY_COMPARE(row.data(FleetModelsModel::ProgressRole).toDouble(), 0.5);
    neuron.setStatus(modelId, ModelStatus::Loaded);
    QTRY_COMPARE(row.data(FleetModelsModel::StatusRole).toInt(), int(ModelStatus::Loaded));
    QVERIFY(!window.models()->loadAction()->isEnabled());

    window.chat()->input()->setPlainText(QStringLiteral("Hello"));
    QTest::keyClick(window.chat()->input(), Qt::Key_Return);
    QTRY_VERIFY(!controller.chat()->transcript()->last().isRunning());
    const MessageView* reply = window.chat()->messages().last();
    QCOMPARE(reply->shownError(), QString());
    QCOMPARE(reply->shownText().trimmed(), QStringLiteral("Good day"));
    QVERIFY(reply->shownFooter().contains(QStringLiteral("3 tokens")));

    window.models()->unloadAction()->trigger();
    QTRY_COMPARE(neuron.unloadOrders, 1);
}

void TestConsole::portInUseIsSaid()
{
    QTcpServer other;
    QVERIFY(other.listen(QHostAddress::LocalHost));
    GatewayConfig config = configFor(QUrl(QStringLiteral("http://127.0.0.1:1")));
    config.listen = QStringLiteral("127.0.0.1:%1").arg(other.serverPort());
    FleetController controller(std::make_unique<GatewaySource>(config, Catalogue()));
    controller.start();
    QTRY_COMPARE(controller.state(), FleetController::State::Failed);
    QVERIFY2(controller.failure().contains(QString::number(other.serverPort())), qPrintable(controller.failure()));
    other.close();
    controller.start();
    QTRY_COMPARE(controller.state(), FleetController::State::Running);
}

void TestConsole::startsAgainAfterAStop()
{
    FakeNeuron neuron;
    neuron.listen();
    FleetController controller(std::make_unique<GatewaySource>(configFor(neuron.endpoint()), Catalogue()));
    for (int round = 0; round < 2; ++round) {
        controller.start();
        QTRY_COMPARE(controller.state(), FleetController::State::Running);
        QTRY_COMPARE(controller.nodes()->onlineCount(), 1);
        controller.stop();
        QCOMPARE(controller.state(), FleetController::State::Stopped);
    }
}

QTEST_MAIN(TestConsole)
#include "tst_console.moc"
