// SPDX-License-Identifier: GPL-3.0-only
#include "app/ui/mainwindow.h"

#include "app/models/fleetcontroller.h"
#include "app/ui/chatpane.h"
#include "app/ui/colors.h"
#include "app/ui/icons.h"
#include "app/ui/modelspane.h"
#include "app/ui/nodespane.h"
#include "app/ui/noticebar.h"
#include "app/ui/throughputpane.h"

#include <QApplication>
#include <QBoxLayout>
#include <QClipboard>
#include <QComboBox>
#include <QDataStream>
#include <QEvent>
#include <QFontDatabase>
#include <QLabel>
#include <QLineEdit>
#include <QMenuBar>
#include <QMessageBox>
#include <QPainter>
#include <QPlainTextEdit>
#include <QScreen>
#include <QSplitter>
#include <QStatusBar>
#include <QTableView>
#include <QToolBar>
#include <QTreeView>

namespace cortex {

namespace {

constexpr quint32 layoutVersion = 2;

QPixmap dot(const QColor& color, qreal devicePixelRatio)
{
    constexpr int size = 10;
    QPixmap pixmap(QSize(size, size) * devicePixelRatio);
    pixmap.setDevicePixelRatio(devicePixelRatio);
    pixmap.fill(Qt::transparent);
    QPainter painter(&pixmap);
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(Qt::NoPen);
    painter.setBrush(color);
    painter.drawEllipse(QRectF(0.5, 0.5, size - 1, size - 1));
    return pixmap;
}

QSplitter* makeSplitter(Qt::Orientation orientation, QWidget* parent)
{
    auto* splitter = new QSplitter(orientation, parent);
    splitter->setChildrenCollapsible(false);
    splitter->setHandleWidth(1);
    return splitter;
}

} // namespace

MainWindow::MainWindow(FleetController& controller, QWidget* parent)
    : QMainWindow(parent)
    , m_controller(controller)
    , m_endpoint(new QLineEdit(this))
    , m_notice(new NoticeBar(this))
    , m_stateDot(new QLabel(this))
    , m_state(new QLabel(this))
{
    setWindowTitle(tr("Cortex"));
    setWindowIcon(applicationIcon());
    createPanes();
    createToolBar();
    createMenus();
    m_stateDot->setContentsMargins(8, 0, 0, 0);
    statusBar()->addWidget(m_stateDot);
    statusBar()->addWidget(m_state, 1);
    const QSize room = screen()->availableSize() - QSize(0, style()->pixelMetric(QStyle::PM_TitleBarHeight));
    resize(QSize(1360, 820).boundedTo(room));

    connect(&controller, &FleetController::stateChanged, this, &MainWindow::updateState);
    connect(&controller, &FleetController::stateChanged, this, &MainWindow::askAfterFailure);
    connect(&controller, &FleetController::fleetChanged, this, &MainWindow::updateState);
    connect(&controller, &FleetController::operationFailed, m_notice, &NoticeBar::showMessage);
    connect(m_models, &ModelsPane::chatRequested, this, [this](const QString& id) {
        m_chat->show();
        m_chat->chooseModel(id);
        m_chat->input()->setFocus();
    });
    updateState();
    m_chat->input()->setFocus();
}

void MainWindow::createPanes()
{
    auto* central = new QWidget(this);
    auto* column = new QVBoxLayout(central);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addWidget(m_notice);
    m_columns = makeSplitter(Qt::Horizontal, central);
    column->addWidget(m_columns, 1);
    setCentralWidget(central);

    m_centre = makeSplitter(Qt::Vertical, m_columns);
    m_nodes = new NodesPane(m_controller, m_columns);
    m_models = new ModelsPane(m_controller, m_centre);
    m_throughput = new ThroughputPane(*m_controller.throughput(), m_centre);
    m_chat = new ChatPane(m_controller, m_columns);
    m_columns->addWidget(m_nodes);
    m_columns->addWidget(m_centre);
    m_columns->addWidget(m_chat);
    m_columns->setSizes({270, 710, 380});
    m_columns->setStretchFactor(0, 0);
    m_columns->setStretchFactor(1, 3);
    m_columns->setStretchFactor(2, 2);
    m_centre->addWidget(m_models);
    m_centre->addWidget(m_throughput);
    m_centre->setSizes({480, 260});
    m_centre->setStretchFactor(0, 2);
    m_centre->setStretchFactor(1, 1);
    m_nodes->setMinimumWidth(200);
    m_chat->setMinimumWidth(280);
}

void MainWindow::createToolBar()
{
    QToolBar* bar = addToolBar(tr("Endpoint"));
    bar->setObjectName(QStringLiteral("endpointBar"));
    bar->setMovable(false);
    bar->setIconSize(QSize(16, 16));
    bar->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);

    auto* label = new QLabel(tr("Endpoint for clients"), bar);
    label->setContentsMargins(8, 0, 6, 0);
    label->setBuddy(m_endpoint);
    m_endpoint->setObjectName(QStringLiteral("endpoint"));
    m_endpoint->setReadOnly(true);
    m_endpoint->setFont(QFontDatabase::systemFont(QFontDatabase::FixedFont));
    m_endpoint->setAccessibleName(tr("Endpoint for clients"));
    m_endpoint->setPlaceholderText(tr("not running"));
    m_endpoint->setFixedWidth(m_endpoint->fontMetrics().averageCharWidth() * 38);
    m_copyEndpoint = new QAction(symbolIcon(QStringLiteral("copy")), tr("Copy &Endpoint"), this);
    m_copyEndpoint->setToolTip(tr("Copy the endpoint: the base URL that editors, agents and SDKs are configured with"));
    m_copyEndpoint->setShortcut(Qt::CTRL | Qt::SHIFT | Qt::Key_E);
    connect(m_copyEndpoint, &QAction::triggered, this,
            [this] { QGuiApplication::clipboard()->setText(m_controller.clientEndpoint()); });
    m_restart = new QAction(symbolIcon(QStringLiteral("regenerate")), tr("&Start the Gateway"), this);
    connect(m_restart, &QAction::triggered, &m_controller, &FleetController::start);

    bar->addWidget(label);
    bar->addWidget(m_endpoint);
    bar->addAction(m_copyEndpoint);
    bar->addAction(m_restart);
    bar->widgetForAction(m_copyEndpoint)->setFocusPolicy(Qt::TabFocus);
    bar->widgetForAction(m_copyEndpoint)->setAccessibleName(tr("Copy the endpoint"));
    bar->widgetForAction(m_restart)->setFocusPolicy(Qt::TabFocus);
    bar->widgetForAction(m_restart)->setAccessibleName(tr("Start the gateway"));
}

void MainWindow::createMenus()
{
    QMenu* file = menuBar()->addMenu(tr("&File"));
    file->addAction(m_copyEndpoint);
    file->addAction(m_restart);
    file->addSeparator();
    QAction* quit = file->addAction(tr("&Quit"), this, &QWidget::close);
    quit->setShortcut(QKeySequence::Quit);

    QMenu* models = menuBar()->addMenu(tr("&Models"));
    models->addActions({m_models->loadAction(), m_models->unloadAction()});
    models->addSeparator();
    models->addActions({m_models->chatAction(), m_models->copyIdAction()});

    QMenu* chat = menuBar()->addMenu(tr("&Chat"));
    chat->addActions({m_chat->newAction(), m_chat->regenerateAction(), m_chat->stopAction(), m_chat->copyAction()});

    QMenu* view = menuBar()->addMenu(tr("&View"));
    addPaneAction(view, tr("&Nodes"), m_nodes, m_nodes->view(), 1);
    addPaneAction(view, tr("&Models"), m_models, m_models->view(), 2);
    addPaneAction(view, tr("&Chat"), m_chat, m_chat->input(), 3);
    view->addSeparator();
    for (const auto& [text, pane] : {std::pair<QString, Pane*>{tr("Show N&odes"), m_nodes},
                                     {tr("Show &Throughput"), m_throughput},
                                     {tr("Show C&hat"), m_chat}}) {
        QAction* show = view->addAction(text);
        show->setCheckable(true);
        show->setChecked(true);
        connect(show, &QAction::toggled, pane, &QWidget::setVisible);
        connect(view, &QMenu::aboutToShow, show, [show, pane = pane] { show->setChecked(!pane->isHidden()); });
    }

    QMenu* help = menuBar()->addMenu(tr("&Help"));
    help->addAction(tr("&About Cortex"), this, &MainWindow::showAbout);
}

/// An action that brings the keyboard to a pane.
void MainWindow::addPaneAction(QMenu* menu, const QString& text, Pane* pane, QWidget* focus, int number)
{
    QAction* action = menu->addAction(tr("Go to %1").arg(text));
    action->setShortcut(QKeySequence(Qt::CTRL | Qt::Key(Qt::Key_0 + number)));
    connect(action, &QAction::triggered, pane, [pane, focus] {
        pane->show();
        focus->setFocus(Qt::ShortcutFocusReason);
    });
}

void MainWindow::updateState()
{
    using State = FleetController::State;
    const State state = m_controller.state();
    QColor color = colors::busy(palette());
    if (state == State::Running)
        color = colors::good(palette());
    else if (state == State::Failed)
        color = colors::bad(palette());
    m_stateDot->setPixmap(dot(color, devicePixelRatioF()));
    m_state->setText(m_controller.summary());
    if (const QString endpoint = m_controller.clientEndpoint(); m_endpoint->text() != endpoint) {
        m_endpoint->setText(endpoint); // only when it is another one: what is selected in it stays
        m_endpoint->setCursorPosition(0);
    }
    m_copyEndpoint->setEnabled(state == State::Running);
    m_restart->setVisible(state == State::Failed || state == State::Stopped);
}

void MainWindow::askAfterFailure()
{
    if (m_controller.state() != FleetController::State::Failed)
        return;
    auto* box = new QMessageBox(QMessageBox::Critical, tr("The gateway did not start"), m_controller.failure(),
                                QMessageBox::Retry | QMessageBox::Close, this);
    box->setObjectName(QStringLiteral("startFailed"));
    box->setAttribute(Qt::WA_DeleteOnClose);
    box->setInformativeText(
        tr("Nothing is served until it runs. Put it right and try again, or close this message and look around."));
    connect(box, &QDialog::finished, &m_controller, [this](int button) {
        if (button == QMessageBox::Retry)
            m_controller.start();
    });
    box->open();
}

void MainWindow::showAbout()
{
    QMessageBox::about(this, tr("About Cortex"),
                       tr("<b>Cortex %1</b><p>One endpoint for a fleet of GPU machines.</p>"
                          "<p>Free software under the GNU General Public License, version 3. Built with Qt %2.</p>")
                           .arg(QCoreApplication::applicationVersion(), QLatin1String(qVersion())));
}

void MainWindow::changeEvent(QEvent* event)
{
    QMainWindow::changeEvent(event);
    if (event->type() == QEvent::PaletteChange)
        updateState();
}

QString MainWindow::shownEndpoint() const
{
    return m_endpoint->text();
}

QString MainWindow::shownState() const
{
    return m_state->text();
}

QByteArray MainWindow::saveLayout() const
{
    QByteArray layout;
    QDataStream stream(&layout, QIODevice::WriteOnly);
    stream << layoutVersion << saveGeometry() << m_columns->saveState() << m_centre->saveState() << m_nodes->isHidden()
           << m_throughput->isHidden() << m_chat->isHidden();
    return layout;
}

void MainWindow::restoreLayout(const QByteArray& layout)
{
    QDataStream stream(layout);
    quint32 version = 0;
    QByteArray geometry;
    QByteArray columns;
    QByteArray centre;
    bool hidesNodes = false;
    bool hidesThroughput = false;
    bool hidesChat = false;
    stream >> version >> geometry >> columns >> centre >> hidesNodes >> hidesThroughput >> hidesChat;
    if (stream.status() != QDataStream::Ok || version != layoutVersion)
        return;
    restoreGeometry(geometry);
    m_columns->restoreState(columns);
    m_centre->restoreState(centre);
    m_nodes->setHidden(hidesNodes);
    m_throughput->setHidden(hidesThroughput);
    m_chat->setHidden(hidesChat);
}

} // namespace cortex
