// SPDX-License-Identifier: GPL-3.0-only
#include "app/models/fleetcontroller.h"
#include "app/ui/chatpane.h"
#include "app/ui/mainwindow.h"
#include "app/ui/messagebody.h"
#include "app/ui/messageview.h"
#include "app/ui/modelspane.h"
#include "app/ui/nodespane.h"
#include "app/ui/noticebar.h"
#include "app/ui/throughputpane.h"
#include "fakechatserver.h"
#include "fakefleet.h"

#include <QAction>
#include <QApplication>
#include <QClipboard>
#include <QComboBox>
#include <QJsonArray>
#include <QLineEdit>
#include <QMenu>
#include <QMessageBox>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QScreen>
#include <QScrollArea>
#include <QScrollBar>
#include <QTableView>
#include <QTemporaryDir>
#include <QTest>
#include <QThreadPool>
#include <QTreeView>

#include <algorithm>
#include <ctime>

using namespace cortex;
using namespace cortex::testing;

namespace {

const QString smol = QStringLiteral("HuggingFaceTB/SmolLM2-135M-Instruct");
const QString gemma = QStringLiteral("google/gemma-3-12b-it");
const QString gptOss = QStringLiteral("openai/gpt-oss-20b");

/// CPU seconds to show so many lines of code; the least of a few tries.
double secondsToShowCode(int lines)
{
    const QString code = QStringLiteral("```\n") + QStringLiteral("int main() { return 0; }\n").repeated(lines)
        + QStringLiteral("```\n");
    double least = 1e9;
    for (int round = 0; round < 3; ++round) {
        QScrollArea page;
        auto* body = new MessageBody(&page);
        page.setWidget(body);
        page.setWidgetResizable(true);
        page.show(); // what is hidden is not laid out
        const std::clock_t start = std::clock();
        body->showMarkdown(code);
        least = std::min(least, double(std::clock() - start) / CLOCKS_PER_SEC);
    }
    return least;
}

} // namespace

class TestMainWindow : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase();
    void init();
    void cleanup();
    void emptyStatesSayWhatToDo();
    void nodesAndDevicesAppear();
    void loadProgressMoves();
    void selectionSurvivesSnapshots();
    void modelsAreFilteredAndSorted();
    void loadAndUnloadByKeyboard();
    void keysOfTheListLeaveTextFieldsAlone();
    void contextMenuNamesTheNodes();
    void endpointIsShownAndCopied();
    void chartShowsTheSeries();
    void aLoadedModelIsChosenForTheChat();
    void theChosenModelStaysChosen();
    void aModelThatIsGoneStaysChosen_data();
    void aModelThatIsGoneStaysChosen();
    void theOperatorChoosesInTheBox();
    void chatStreamsIntoTheTranscript();
    void replyStops();
    void chatErrorIsReadable();
    void longConversationStaysAtItsEnd();
    void pageKeysScrollTheConversation();
    void longCodeTakesTimeByItsLength();
    void aLineWithoutEndIsAddedMoreSeldom();
    void theMessageFieldGrowsWithItsLines();
    void messagesFollowEachOtherInTheTabOrder();
    void repliesRunNoHtmlAndLoadNothing();
    void repliesShowNoImageOfThisMachine();
    void repliesKeepTheirLines();
    void failureToStartAsksAndRetries();
    void failedOperationIsNoticed();
    void everyFocusableWidgetHasAName();
    void everyActionOfTheMenusHasItsOwnShortcut();
    void layoutIsSavedAndRestored();
    void theFirstStartFitsTheScreen();
    void paletteMayChange();

private:
    void run(const FleetSnapshot& fleet);
    void say(const QString& text);
    QModelIndex modelRow(const QString& id, int column) const;
    MessageView* lastMessage() const { return m_window->chat()->messages().last(); }

    FakeFleetSource* m_source = nullptr; ///< the controller's
    std::unique_ptr<FakeChatServer> m_server;
    std::unique_ptr<FleetController> m_controller;
    std::unique_ptr<MainWindow> m_window;
};

/// Qt paints large surfaces on several threads of its pool. The lists by which these are told off are guarded by locks
/// of Qt's that the thread sanitizer cannot see, so that here there is one.
void TestMainWindow::initTestCase()
{
    QThreadPool::globalInstance()->setMaxThreadCount(1);
}

void TestMainWindow::init()
{
    m_server = std::make_unique<FakeChatServer>();
    auto source = std::make_unique<FakeFleetSource>();
    m_source = source.get();
    m_controller = std::make_unique<FleetController>(std::move(source));
    m_window = std::make_unique<MainWindow>(*m_controller);
    m_window->show();
    QVERIFY(QTest::qWaitForWindowExposed(m_window.get()));
    m_window->activateWindow();
    QVERIFY(QTest::qWaitForWindowActive(m_window.get()));
    m_controller->start();
}

void TestMainWindow::cleanup()
{
    m_window.reset();
    m_controller.reset();
    m_server.reset();
}

void TestMainWindow::run(const FleetSnapshot& fleet)
{
    Q_EMIT m_source->started(m_server->endpoint());
    Q_EMIT m_source->fleetChanged(fleet);
}

/// Types as a person would.
void TestMainWindow::say(const QString& text)
{
    QTest::keyClicks(m_window->chat()->input(), text);
    QTest::keyClick(m_window->chat()->input(), Qt::Key_Return);
}

QModelIndex TestMainWindow::modelRow(const QString& id, int column) const
{
    const QAbstractItemModel* shown = m_window->models()->view()->model();
    for (int row = 0; row < shown->rowCount(); ++row) {
        if (shown->index(row, 0).data(FleetModelsModel::IdRole).toString() == id)
            return shown->index(row, column);
    }
    return {};
}

void TestMainWindow::emptyStatesSayWhatToDo()
{
    QVERIFY(m_window->nodes()->emptyStateText().contains(QStringLiteral("Waiting for the gateway")));
    run(fleetOf({}, {}));
    QVERIFY(m_window->nodes()->emptyStateText().contains(QStringLiteral("cortex.toml")));
    QVERIFY(m_window->models()->emptyStateText().contains(QStringLiteral("neuron pull")));
    QVERIFY(!m_window->chat()->emptyStateText().isEmpty());
    QVERIFY(!m_window->chat()->sendButton()->isEnabled());
    Q_EMIT m_source->fleetChanged(busyFleet());
    QVERIFY(!m_window->nodes()->isShowingEmptyState());
    QVERIFY(!m_window->models()->isShowingEmptyState());
}

void TestMainWindow::nodesAndDevicesAppear()
{
    run(busyFleet());
    const QTreeView* view = m_window->nodes()->view();
    const QModelIndex atlas = view->model()->index(0, 0);
    QCOMPARE(view->model()->rowCount(), 3);
    QVERIFY(view->isExpanded(atlas));
    const QModelIndex device = view->model()->index(1, 0, atlas);
    QVERIFY(view->visualRect(device).isValid());
    QVERIFY(m_window->shownState().contains(QStringLiteral("2 of 3 nodes online")));

    // More memory in use draws a longer bar.
    const QImage before = view->viewport()->grab(view->visualRect(device)).toImage();
    FleetSnapshot later = busyFleet();
    later.nodes[0].health.devices[1].vramUsedMb = 4000;
    Q_EMIT m_source->fleetChanged(later);
    QVERIFY(view->viewport()->grab(view->visualRect(device)).toImage() != before);
}

void TestMainWindow::loadProgressMoves()
{
    run(busyFleet());
    QTableView* view = m_window->models()->view();
    const QModelIndex state = modelRow(gemma, FleetModelsModel::StateColumn);
    QCOMPARE(state.data().toString(), QStringLiteral("Downloading 17 % · 48.0 MB/s"));
    const QImage before = view->viewport()->grab(view->visualRect(state)).toImage();
    FleetSnapshot later = busyFleet();
    for (FleetModel& model : later.models) {
        if (model.id == gemma)
            model.progress->fraction = 0.8;
    }
    Q_EMIT m_source->fleetChanged(later);
    QCOMPARE(state.data(FleetModelsModel::ProgressRole).toDouble(), 0.8);
    QVERIFY(view->viewport()->grab(view->visualRect(state)).toImage() != before);
}

void TestMainWindow::selectionSurvivesSnapshots()
{
    run(busyFleet());
    m_window->models()->selectModel(gptOss);
    QCOMPARE(m_window->models()->selectedModel(), gptOss);
    FleetSnapshot later = busyFleet();
    later.models.removeFirst();
    later.models.prepend(fleetModel(QStringLiteral("a/new"), ModelStatus::Unloaded));
    Q_EMIT m_source->fleetChanged(later);
    QCOMPARE(m_window->models()->selectedModel(), gptOss);
    later.models.removeLast();
    Q_EMIT m_source->fleetChanged(later);
    QCOMPARE(m_window->models()->selectedModel(), QString()); // no neighbour takes its place
    QVERIFY(!m_window->models()->loadAction()->isEnabled());
}

void TestMainWindow::modelsAreFilteredAndSorted()
{
    run(busyFleet());
    QTableView* view = m_window->models()->view();
    auto* filter = m_window->models()->findChild<QLineEdit*>();
    filter->setFocus();
    QTest::keyClicks(filter, QStringLiteral("GPT"));
    QCOMPARE(view->model()->rowCount(), 1);
    filter->clear();
    m_window->models()->selectModel(smol);
    QTest::keyClicks(filter, QStringLiteral("GPT"));
    QCOMPARE(m_window->models()->selectedModel(), QString());
    filter->clear();
    view->sortByColumn(FleetModelsModel::StateColumn, Qt::AscendingOrder);
    QCOMPARE(view->model()->index(0, FleetModelsModel::StateColumn).data().toString(), QStringLiteral("Loaded"));
}

void TestMainWindow::loadAndUnloadByKeyboard()
{
    run(busyFleet());
    QTest::keyClick(m_window.get(), Qt::Key_2, Qt::ControlModifier);
    QVERIFY(m_window->models()->view()->hasFocus());
    m_window->models()->selectModel(gptOss);
    QTest::keyClick(m_window.get(), Qt::Key_L, Qt::ControlModifier);
    QCOMPARE(m_source->loads.size(), 1);
    QCOMPARE(m_source->loads.first().first, gptOss);
    QTest::keyClick(m_window.get(), Qt::Key_U, Qt::ControlModifier);
    QVERIFY(m_source->unloads.isEmpty()); // it is not loaded
    m_window->models()->selectModel(smol);
    QTest::keyClick(m_window.get(), Qt::Key_U, Qt::ControlModifier);
    QCOMPARE(m_source->unloads.size(), 1);
    QCOMPARE(m_source->unloads.first().first, smol);
    QTest::keyClick(m_window.get(), Qt::Key_C, Qt::ControlModifier | Qt::ShiftModifier);
    QCOMPARE(QGuiApplication::clipboard()->text(), smol);
}

void TestMainWindow::keysOfTheListLeaveTextFieldsAlone()
{
    run(busyFleet());
    m_window->models()->selectModel(smol);
    for (QWidget* field : {static_cast<QWidget*>(m_window->chat()->input()),
                           m_window->models()->findChild<QWidget*>(QStringLiteral("filter"))}) {
        QVERIFY(field);
        field->setFocus();
        QVERIFY(m_window->models()->unloadAction()->isEnabled());
        QTest::keyClick(field, Qt::Key_U, Qt::ControlModifier);
        QTest::keyClick(field, Qt::Key_L, Qt::ControlModifier);
    }
    QVERIFY(m_source->unloads.isEmpty());
    QVERIFY(m_source->loads.isEmpty());
}

void TestMainWindow::contextMenuNamesTheNodes()
{
    run(busyFleet());
    m_window->models()->selectModel(QStringLiteral("Qwen/Qwen3-32B-GGUF:Q4_K_M"));
    const std::unique_ptr<QMenu> menu(m_window->models()->createContextMenu());
    const QList<QMenu*> submenus = menu->findChildren<QMenu*>();
    QCOMPARE(submenus.size(), 2);
    QCOMPARE(submenus[0]->actions().size(), 1);
    QCOMPARE(submenus[0]->actions().first()->text(), QStringLiteral("borealis"));
    submenus[0]->actions().first()->trigger();
    QCOMPARE(m_source->loads.first().second, QStringLiteral("borealis"));
    QCOMPARE(submenus[1]->actions().first()->text(), QStringLiteral("atlas"));
    submenus[1]->actions().first()->trigger();
    QCOMPARE(m_source->unloads.first().second, QStringLiteral("atlas"));
}

void TestMainWindow::endpointIsShownAndCopied()
{
    QVERIFY(m_window->shownEndpoint().isEmpty());
    run(busyFleet());
    QCOMPARE(m_window->shownEndpoint(), m_server->endpoint().toString() + QStringLiteral("/v1"));
    QTest::keyClick(m_window.get(), Qt::Key_E, Qt::ControlModifier | Qt::ShiftModifier);
    QCOMPARE(QGuiApplication::clipboard()->text(), m_window->shownEndpoint());

    auto* field = m_window->findChild<QLineEdit*>(QStringLiteral("endpoint"));
    QVERIFY(field);
    field->selectAll();
    Q_EMIT m_source->fleetChanged(fleetOf({}, {}));
    QCOMPARE(field->selectedText(), m_window->shownEndpoint());
}

void TestMainWindow::chartShowsTheSeries()
{
    run(busyFleet());
    for (int second = 0; second < 20; ++second)
        Q_EMIT m_source->throughput(sampleAt(second, {{smol, 10.0 * second}, {gptOss, 5}}));
    QCOMPARE(m_window->throughput()->shownTotal().size(), 20);
    QCOMPARE(m_window->throughput()->shownTotal().last(), QPointF(0, 195));
    QCOMPARE(m_window->throughput()->shownModels().size(), 2);
    for (int second = 20; second < 400; ++second)
        Q_EMIT m_source->throughput(sampleAt(second, {}));
    QVERIFY(m_window->throughput()->shownModels().isEmpty());
}

void TestMainWindow::aLoadedModelIsChosenForTheChat()
{
    run(fleetOf({},
                {fleetModel(QStringLiteral("a"), ModelStatus::Unloaded),
                 fleetModel(QStringLiteral("b"), ModelStatus::Loading)}));
    QCOMPARE(m_controller->chat()->model(), QStringLiteral("a"));
    Q_EMIT m_source->fleetChanged(fleetOf({},
                                          {fleetModel(QStringLiteral("a"), ModelStatus::Unloaded),
                                           fleetModel(QStringLiteral("b"), ModelStatus::Loaded)}));
    QCOMPARE(m_controller->chat()->model(), QStringLiteral("b"));
    QCOMPARE(m_window->chat()->modelChoice()->currentText(), QStringLiteral("b"));
}

void TestMainWindow::theChosenModelStaysChosen()
{
    run(busyFleet());
    Q_EMIT m_window->models()->chatRequested(gptOss);
    QCOMPARE(m_controller->chat()->model(), gptOss);
    QVERIFY(m_window->chat()->input()->hasFocus());
    FleetSnapshot later = busyFleet();
    later.models.prepend(fleetModel(QStringLiteral("a/new"), ModelStatus::Loaded));
    Q_EMIT m_source->fleetChanged(later);
    QCOMPARE(m_controller->chat()->model(), gptOss);
    QCOMPARE(m_window->chat()->modelChoice()->currentText(), gptOss);
}

void TestMainWindow::aModelThatIsGoneStaysChosen_data()
{
    QTest::addColumn<bool>("byTheOperator");
    QTest::newRow("the operator's choice") << true;
    QTest::newRow("the model of a conversation") << false;
}

void TestMainWindow::aModelThatIsGoneStaysChosen()
{
    QFETCH(bool, byTheOperator);
    run(busyFleet());
    if (byTheOperator)
        Q_EMIT m_window->models()->chatRequested(gptOss);
    else
        say(QStringLiteral("Hello"));
    const QString chosen = byTheOperator ? gptOss : smol;
    const QComboBox* choice = m_window->chat()->modelChoice();
    QCOMPARE(choice->currentText(), chosen);
    FleetSnapshot without = busyFleet();
    without.models.removeIf([&](const FleetModel& model) { return model.id == chosen; });
    Q_EMIT m_source->fleetChanged(without);
    QCOMPARE(m_controller->chat()->model(), chosen);
    QCOMPARE(choice->currentIndex(), -1);
    QVERIFY(choice->placeholderText().startsWith(chosen));
    QVERIFY(choice->placeholderText().size() > chosen.size()); // and says that it is gone
    Q_EMIT m_source->fleetChanged(busyFleet());
    QCOMPARE(choice->currentText(), chosen);
}

void TestMainWindow::theOperatorChoosesInTheBox()
{
    run(busyFleet());
    QComboBox* choice = m_window->chat()->modelChoice();
    choice->setFocus();
    QTest::keyClick(choice, Qt::Key_End);
    QCOMPARE(choice->currentIndex(), choice->count() - 1);
    QCOMPARE(m_controller->chat()->model(), choice->currentText());
    Q_EMIT m_source->fleetChanged(busyFleet());
    QCOMPARE(choice->currentIndex(), choice->count() - 1);
}

void TestMainWindow::chatStreamsIntoTheTranscript()
{
    run(busyFleet());
    say(QStringLiteral("Hello"));
    QTRY_VERIFY(m_server->isStreaming());
    QCOMPARE(m_server->requests.first().value(QLatin1String("model")).toString(), smol);
    QVERIFY(m_window->chat()->input()->toPlainText().isEmpty());
    QCOMPARE(m_window->chat()->messages().size(), 2);
    QCOMPARE(m_window->chat()->messages().first()->shownText(), QStringLiteral("Hello"));
    QVERIFY(lastMessage()->shownFooter().contains(QStringLiteral("Waiting")));

    m_server->sendContent(QStringLiteral("Some **bold"));
    QTRY_COMPARE(lastMessage()->shownText(), QStringLiteral("Some **bold"));
    m_server->sendContent(QStringLiteral("** words"));
    QTRY_COMPARE(lastMessage()->shownText(), QStringLiteral("Some **bold** words"));
    m_server->sendFinish(QStringLiteral("stop"), 9);
    QTRY_COMPARE(lastMessage()->shownText().trimmed(), QStringLiteral("Some bold words"));
    QVERIFY(lastMessage()->shownFooter().contains(QStringLiteral("9 tokens")));
    QVERIFY(lastMessage()->shownFooter().contains(QStringLiteral("tok/s")));
}

void TestMainWindow::replyStops()
{
    run(busyFleet());
    say(QStringLiteral("Count"));
    QTRY_VERIFY(m_server->isStreaming());
    m_server->sendContent(QStringLiteral("1, 2"));
    QTRY_COMPARE(lastMessage()->shownText(), QStringLiteral("1, 2"));
    QPushButton* button = m_window->chat()->sendButton();
    QCOMPARE(button->text(), QStringLiteral("Stop"));
    QTest::mouseClick(button, Qt::LeftButton);
    QTRY_VERIFY(m_server->clientLeft);
    QCOMPARE(button->text(), QStringLiteral("Send"));
    QVERIFY(lastMessage()->shownFooter().contains(QStringLiteral("Stopped")));

    say(QStringLiteral("Again"));
    QTRY_VERIFY(m_server->isStreaming());
    QTest::keyClick(m_window->chat()->input(), Qt::Key_Escape);
    QTRY_VERIFY(m_server->clientLeft);
}

void TestMainWindow::chatErrorIsReadable()
{
    run(busyFleet());
    m_server->answer = FakeChatServer::Answer::Refuse;
    say(QStringLiteral("Hello"));
    QTRY_COMPARE(lastMessage()->shownError(), QStringLiteral("No node has room for this model."));
    QVERIFY(m_window->chat()->regenerateAction()->isEnabled());
}

void TestMainWindow::longConversationStaysAtItsEnd()
{
    run(busyFleet());
    const auto* scroll = m_window->chat()->findChild<QAbstractScrollArea*>(QStringLiteral("conversation"));
    QVERIFY(scroll);
    say(QStringLiteral("Write"));
    QTRY_VERIFY(m_server->isStreaming());
    for (int line = 0; line < 200; ++line)
        m_server->sendContent(QStringLiteral("line %1\n\n").arg(line));
    QTRY_VERIFY(lastMessage()->shownText().contains(QStringLiteral("line 199")));
    QScrollBar* bar = scroll->verticalScrollBar();
    QTRY_VERIFY(bar->maximum() > 0 && bar->value() == bar->maximum());
    bar->setValue(0); // the reader scrolls back: the text that comes must not pull the page away
    m_server->sendContent(QStringLiteral("the end"));
    QTRY_VERIFY(lastMessage()->shownText().contains(QStringLiteral("the end")));
    QCOMPARE(bar->value(), 0);
}

void TestMainWindow::pageKeysScrollTheConversation()
{
    run(busyFleet());
    say(QStringLiteral("Write"));
    QTRY_VERIFY(m_server->isStreaming());
    for (int line = 0; line < 200; ++line)
        m_server->sendContent(QStringLiteral("line %1\n\n").arg(line));
    const auto* scroll = m_window->chat()->findChild<QAbstractScrollArea*>(QStringLiteral("conversation"));
    const QScrollBar* bar = scroll->verticalScrollBar();
    QTRY_VERIFY(lastMessage()->shownText().contains(QStringLiteral("line 199")));
    QTRY_VERIFY(bar->maximum() > 0 && bar->value() == bar->maximum());
    for (QWidget* widget : {static_cast<QWidget*>(m_window->chat()->input()), lastMessage()->lastInTabOrder()}) {
        widget->setFocus();
        const int before = bar->value();
        QTest::keyClick(widget, Qt::Key_PageUp);
        QVERIFY(bar->value() < before);
        QTest::keyClick(widget, Qt::Key_PageDown);
        QCOMPARE(bar->value(), before);
    }
}

void TestMainWindow::longCodeTakesTimeByItsLength()
{
    const double few = secondsToShowCode(300);
    const double many = secondsToShowCode(2400);
    // Eight times the time, where laying out all for each line would take 64 times.
    QVERIFY2(many < 24 * few, qPrintable(QStringLiteral("%1 s, %2 s").arg(few).arg(many)));
}

void TestMainWindow::aLineWithoutEndIsAddedMoreSeldom()
{
    ChatMessage reply;
    reply.author = ChatMessage::Author::Assistant;
    reply.state = ChatMessage::State::Streaming;
    MessageView view(reply);
    view.appendText(QStringLiteral("short "));
    QTRY_COMPARE(view.shownText(), QStringLiteral("short "));
    const int usual = view.flushInterval();
    const QString line = QStringLiteral("word ").repeated(200000);
    view.appendText(line);
    QTRY_COMPARE(view.shownText().size(), line.size() + 6);
    QVERIFY(view.flushInterval() > usual);
}

void TestMainWindow::theMessageFieldGrowsWithItsLines()
{
    run(busyFleet());
    QPlainTextEdit* input = m_window->chat()->input();
    const int empty = input->height();
    for (const char* line : {"one", "two", "three", "four"}) {
        QTest::keyClicks(input, QLatin1String(line));
        QTest::keyClick(input, Qt::Key_Return, Qt::ShiftModifier);
    }
    const int line = input->fontMetrics().lineSpacing();
    QCOMPARE(input->height(), empty + 3 * line); // five lines in all, where there is always room for two
    input->setPlainText(QStringLiteral("word ").repeated(15));
    const int wrapped = input->height();
    QVERIFY(wrapped > empty);
    m_window->chat()->setFixedWidth(m_window->chat()->width() * 3 / 4);
    QTRY_VERIFY(input->height() > wrapped);
    input->setPlainText(QStringLiteral("word ").repeated(4000));
    QCOMPARE(input->height(), empty + 6 * line);
    input->clear();
    QCOMPARE(input->height(), empty);
}

void TestMainWindow::messagesFollowEachOtherInTheTabOrder()
{
    run(busyFleet());
    say(QStringLiteral("Hello"));
    QTRY_VERIFY(m_server->isStreaming());
    m_server->sendContent(QStringLiteral("Good day"));
    m_server->sendFinish(QStringLiteral("stop"), 2);
    QTRY_VERIFY(!m_controller->chat()->isBusy());
    say(QStringLiteral("Again"));
    QList<QWidget*> wanted;
    for (MessageView* message : m_window->chat()->messages())
        wanted.append(message->lastInTabOrder());
    QCOMPARE(wanted.size(), 4);
    wanted.append(m_window->chat()->input());
    QList<QWidget*> found;
    QWidget* widget = m_window->chat()->findChild<QWidget*>(QStringLiteral("conversation"));
    while (widget != m_window->chat()->input()) {
        widget = widget->nextInFocusChain();
        QVERIFY(m_window->chat()->isAncestorOf(widget));
        if (wanted.contains(widget))
            found.append(widget);
    }
    QCOMPARE(found, wanted);
}

void TestMainWindow::repliesRunNoHtmlAndLoadNothing()
{
    run(busyFleet());
    say(QStringLiteral("Hello"));
    QTRY_VERIFY(m_server->isStreaming());
    m_server->sendContent(QStringLiteral("<b>loud</b> ![x](file:///etc/passwd) ![y](http://127.0.0.1:9/z.png)\n\n")
                          + QString(3000, QLatin1Char('>')) + QStringLiteral("deep\n\n")
                          + QString(3000, QLatin1Char('[')) + QStringLiteral("\n\n|a|\n|-|\n|b"));
    m_server->sendFinish(QStringLiteral("stop"), 9);
    QTRY_VERIFY(!m_controller->chat()->isBusy());
    QVERIFY2(lastMessage()->shownText().contains(QStringLiteral("<b>loud</b>")),
             qPrintable(lastMessage()->shownText().left(200)));
}

void TestMainWindow::repliesShowNoImageOfThisMachine()
{
    const QTemporaryDir folder;
    const QString file = folder.filePath(QStringLiteral("tall.png"));
    QImage image(20, 500, QImage::Format_RGB32);
    image.fill(Qt::red);
    QVERIFY(image.save(file));
    MessageBody body;
    body.resize(400, 300);
    body.show();
    for (const QString& source : {QUrl::fromLocalFile(file).toString(), file, QStringLiteral("file:") + file}) {
        body.showMarkdown(QStringLiteral("![x](%1)").arg(source));
        QVERIFY2(body.height() < image.height(), qPrintable(source));
    }
}

void TestMainWindow::repliesKeepTheirLines()
{
    run(busyFleet());
    say(QStringLiteral("Hello"));
    QTRY_VERIFY(m_server->isStreaming());
    m_server->sendContent(
        QStringLiteral("A verse\nand another\n\n- an item\n- a second\n\n````\ncode\n```\nmore  code\n````\n"
                       "Below\nit\n\n```span```\none\nmore"));
    m_server->sendFinish(QStringLiteral("stop"), 9);
    QTRY_VERIFY(!m_controller->chat()->isBusy());
    QString shown = lastMessage()->shownText();
    shown.replace(QChar::LineSeparator, QLatin1Char('\n'));
    QCOMPARE(
        shown,
        QStringLiteral("A verse\nand another\nan item\na second\ncode\n```\nmore  code\nBelow\nit\nspan\none\nmore"));
}

void TestMainWindow::failureToStartAsksAndRetries()
{
    Q_EMIT m_source->startFailed(
        QStringLiteral("Port 31313 of 127.0.0.1 is in use. Stop the other program or change listen."));
    auto* box = m_window->findChild<QMessageBox*>(QStringLiteral("startFailed"));
    QVERIFY(box && box->isVisible());
    QVERIFY(box->text().contains(QStringLiteral("31313")));
    QVERIFY(m_window->shownState().contains(QStringLiteral("not running")));
    QTest::mouseClick(box->button(QMessageBox::Retry), Qt::LeftButton);
    QCOMPARE(m_source->starts, 2);
}

void TestMainWindow::failedOperationIsNoticed()
{
    run(busyFleet());
    QVERIFY(m_window->notice()->message().isEmpty());
    Q_EMIT m_source->operationFailed(QStringLiteral("gpt-oss-20b does not fit"));
    QVERIFY(m_window->notice()->isVisible());
    QCOMPARE(m_window->notice()->message(), QStringLiteral("gpt-oss-20b does not fit"));
    auto* dismiss = m_window->notice()->findChild<QAbstractButton*>();
    QTest::mouseClick(dismiss, Qt::LeftButton);
    QVERIFY(!m_window->notice()->isVisible());
}

void TestMainWindow::everyFocusableWidgetHasAName()
{
    run(busyFleet());
    say(QStringLiteral("Hello"));
    QTRY_VERIFY(m_server->isStreaming());
    m_server->sendEvent("{\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}");
    m_server->sendContent(QStringLiteral("Good day"));
    m_server->sendFinish(QStringLiteral("stop"), 2);
    QTRY_VERIFY(!m_controller->chat()->isBusy());
    Q_EMIT m_source->operationFailed(QStringLiteral("no"));

    int swept = 0;
    const QList<QWidget*> widgets = m_window->findChildren<QWidget*>();
    for (const QWidget* widget : widgets) {
        if (widget->focusPolicy() == Qt::NoFocus || !widget->isVisibleTo(m_window.get()))
            continue;
        ++swept;
        QVERIFY2(!widget->accessibleName().isEmpty(),
                 qPrintable(QStringLiteral("%1 in %2 has no accessible name")
                                .arg(QLatin1String(widget->metaObject()->className()),
                                     QLatin1String(widget->parentWidget()->metaObject()->className()))));
    }
    QVERIFY2(swept > 12, qPrintable(QString::number(swept)));
}

void TestMainWindow::everyActionOfTheMenusHasItsOwnShortcut()
{
    QHash<QString, QString> taken;
    const QList<QAction*> actions = m_window->findChildren<QAction*>();
    for (const QAction* action : actions) {
        const QString keys = action->shortcut().toString();
        if (keys.isEmpty())
            continue;
        QVERIFY2(!taken.contains(keys) || taken.value(keys) == action->text(), qPrintable(keys + action->text()));
        taken.insert(keys, action->text());
    }
    QVERIFY(taken.size() >= 10);
}

void TestMainWindow::layoutIsSavedAndRestored()
{
    // The offscreen platform's screen is narrower than the window may be, and Qt fits what it restores to the screen:
    // the height alone tells.
    m_window->resize(m_window->width(), 700);
    const QByteArray layout = m_window->saveLayout();
    MainWindow other(*m_controller);
    QVERIFY(other.height() != 700);
    other.restoreLayout(layout);
    QCOMPARE(other.height(), 700);
    other.restoreLayout({});
    other.restoreLayout(QByteArray(40, '\xff'));
    QCOMPARE(other.height(), 700);

    QVERIFY(!other.nodes()->isHidden() && !other.throughput()->isHidden() && !other.chat()->isHidden());
    m_window->nodes()->hide();
    m_window->throughput()->hide();
    other.restoreLayout(m_window->saveLayout());
    QVERIFY(other.nodes()->isHidden() && other.throughput()->isHidden() && !other.chat()->isHidden());
}

void TestMainWindow::theFirstStartFitsTheScreen()
{
    const MainWindow fresh(*m_controller);
    const QSize room = fresh.screen()->availableSize();
    QVERIFY(fresh.width() <= room.width() && fresh.height() <= room.height());
    QVERIFY(fresh.minimumSizeHint().width() <= 1280);
}

void TestMainWindow::paletteMayChange()
{
    run(busyFleet());
    const QPalette before = QApplication::palette();
    const auto lightnessOfTheTable = [this] {
        const QImage image = m_window->models()->view()->viewport()->grab().toImage();
        return image.pixelColor(image.width() / 2, image.height() - 2).lightness();
    };
    const int light = lightnessOfTheTable();
    QPalette dark(QColor(0x2b2b2e));
    dark.setColor(QPalette::Base, QColor(0x1b1c1f));
    QApplication::setPalette(dark);
    QTRY_VERIFY(lightnessOfTheTable() < light);
    QApplication::setPalette(before);
    QTRY_COMPARE(lightnessOfTheTable(), light);
}

QTEST_MAIN(TestMainWindow)
#include "tst_mainwindow.moc"
