// SPDX-License-Identifier: GPL-3.0-only
#include "app/ui/chatpane.h"

#include "app/models/fleetcontroller.h"
#include "app/ui/colors.h"
#include "app/ui/icons.h"
#include "app/ui/messageview.h"

#include <QAbstractTextDocumentLayout>
#include <QAction>
#include <QBoxLayout>
#include <QClipboard>
#include <QComboBox>
#include <QGuiApplication>
#include <QKeyEvent>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QScrollArea>
#include <QScrollBar>
#include <QStyleOptionComboBox>
#include <QStylePainter>
#include <QStyledItemDelegate>
#include <QTextBlock>
#include <QToolButton>

#include <algorithm>

namespace cortex {

namespace {

constexpr int fewestInputLines = 2;
constexpr int mostInputLines = 8;

/// Shows an id that is too long for it with its middle left out.
class ModelChoice : public QComboBox {
public:
    using QComboBox::QComboBox;

protected:
    void paintEvent(QPaintEvent* /*event*/) override
    {
        QStylePainter painter(this);
        QStyleOptionComboBox option;
        initStyleOption(&option);
        const int width =
            style()->subControlRect(QStyle::CC_ComboBox, &option, QStyle::SC_ComboBoxEditField, this).width();
        const bool isEmpty = currentIndex() < 0;
        option.currentText =
            fontMetrics().elidedText(isEmpty ? placeholderText() : currentText(), Qt::ElideMiddle, width - 4);
        if (isEmpty)
            option.palette.setColor(QPalette::ButtonText, colors::muted(palette()));
        painter.drawComplexControl(QStyle::CC_ComboBox, option);
        painter.drawControl(QStyle::CE_ComboBoxLabel, option);
    }
};

/// Says with each id what state its model is in.
class ModelChoiceDelegate : public QStyledItemDelegate {
public:
    using QStyledItemDelegate::QStyledItemDelegate;

protected:
    void initStyleOption(QStyleOptionViewItem* option, const QModelIndex& index) const override
    {
        QStyledItemDelegate::initStyleOption(option, index);
        const auto status = ModelStatus(index.data(FleetModelsModel::StatusRole).toInt());
        option->text =
            ChatPane::tr("%1  (%2)").arg(option->text, index.data(FleetModelsModel::StatusTextRole).toString());
        option->palette.setColor(QPalette::Text,
                                 status == ModelStatus::Loaded ? option->palette.color(QPalette::Text)
                                                               : colors::muted(option->palette));
    }
};

/// As high as the lines it shows, wrapped ones too, within bounds.
class MessageField : public QPlainTextEdit {
public:
    explicit MessageField(QWidget* parent)
        : QPlainTextEdit(parent)
    {
        connect(this, &QPlainTextEdit::textChanged, this, &MessageField::fitHeight);
        fitHeight();
    }

protected:
    void resizeEvent(QResizeEvent* event) override
    {
        QPlainTextEdit::resizeEvent(event);
        fitHeight();
    }

private:
    void fitHeight()
    {
        int lines = 0;
        const QAbstractTextDocumentLayout* layout = document()->documentLayout();
        for (QTextBlock block = document()->begin(); block.isValid() && lines < mostInputLines; block = block.next()) {
            layout->blockBoundingRect(block); // lays the block out, which is else left until it is painted
            lines += block.lineCount();
        }
        const int frame = 2 * (frameWidth() + int(document()->documentMargin()));
        setFixedHeight(std::clamp(lines, fewestInputLines, mostInputLines) * fontMetrics().lineSpacing() + frame + 2);
    }
};

QToolButton* makeIconButton(QAction* action, QWidget* parent)
{
    auto* button = new QToolButton(parent);
    button->setDefaultAction(action);
    button->setAutoRaise(true);
    button->setFocusPolicy(Qt::TabFocus);
    button->setAccessibleName(action->text().remove(QLatin1Char('&')));
    return button;
}

} // namespace

ChatPane::ChatPane(FleetController& controller, QWidget* parent)
    : Pane(tr("Chat"), parent)
    , m_controller(controller)
    , m_models(new ModelChoice(this))
    , m_scroll(new QScrollArea(this))
    , m_input(new MessageField(this))
    , m_send(new QPushButton(this))
{
    createActions();
    createHeader();
    createTranscript();
    createInput();

    ChatSession* session = controller.chat();
    ChatTranscript* transcript = session->transcript();
    connect(session, &ChatSession::stateChanged, this, &ChatPane::updateState);
    connect(session, &ChatSession::modelChanged, this, &ChatPane::showModel);
    connect(transcript, &QAbstractItemModel::rowsInserted, this,
            [this](const QModelIndex&, int first, int last) { insertMessages(first, last); });
    connect(transcript, &QAbstractItemModel::rowsRemoved, this,
            [this](const QModelIndex&, int first, int last) { removeMessages(first, last); });
    connect(transcript, &QAbstractItemModel::dataChanged, this,
            [this](const QModelIndex& changed) { updateMessage(changed.row()); });
    connect(transcript, &ChatTranscript::textAppended, this,
            [this](int row, const QString& delta) { m_messages.at(row)->appendText(delta); });
    connect(transcript, &ChatTranscript::reasoningAppended, this,
            [this](int row, const QString& delta) { m_messages.at(row)->appendReasoning(delta); });
    connect(&controller, &FleetController::fleetChanged, this, &ChatPane::chooseDefaultModel);
    connect(&controller, &FleetController::fleetChanged, this, &ChatPane::showModel);
    connect(&controller, &FleetController::fleetChanged, this, &ChatPane::updateEmptyState);
    insertMessages(0, transcript->rowCount() - 1);
    chooseDefaultModel();
    showModel();
    updateState();
}

void ChatPane::createActions()
{
    ChatSession* session = m_controller.chat();
    m_new = new QAction(symbolIcon(QStringLiteral("new")), tr("&New Conversation"), this);
    m_new->setShortcut(QKeySequence::New);
    connect(m_new, &QAction::triggered, this, [this, session] {
        session->clear();
        m_input->setFocus();
    });
    m_stop = new QAction(symbolIcon(QStringLiteral("stop")), tr("&Stop the Reply"), this);
    m_stop->setShortcut(Qt::Key_Escape);
    connect(m_stop, &QAction::triggered, session, &ChatSession::stop);
    m_regenerate = new QAction(symbolIcon(QStringLiteral("regenerate")), tr("&Ask Again"), this);
    m_regenerate->setShortcut(Qt::CTRL | Qt::Key_R);
    connect(m_regenerate, &QAction::triggered, session, &ChatSession::regenerate);
    m_copy = new QAction(symbolIcon(QStringLiteral("copy")), tr("&Copy the Conversation"), this);
    connect(m_copy, &QAction::triggered, this,
            [session] { QGuiApplication::clipboard()->setText(session->transcript()->toMarkdown()); });
}

void ChatPane::createHeader()
{
    m_models->setModel(m_controller.models());
    m_models->setItemDelegate(new ModelChoiceDelegate(m_models));
    m_models->setAccessibleName(tr("Model to chat with"));
    m_models->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    m_models->setMinimumContentsLength(12);
    connect(m_models, &QComboBox::activated, this,
            [this](int row) { chooseModel(m_models->itemData(row, FleetModelsModel::IdRole).toString()); });
    addHeaderWidget(m_models, 1);
    addHeaderWidget(makeIconButton(m_regenerate, this));
    addHeaderWidget(makeIconButton(m_copy, this));
    addHeaderWidget(makeIconButton(m_new, this));
}

void ChatPane::createTranscript()
{
    auto* page = new QWidget(m_scroll);
    page->setBackgroundRole(QPalette::Base);
    auto* pageColumn = new QVBoxLayout(page);
    pageColumn->setContentsMargins(8, 8, 8, 8);
    m_column = new QVBoxLayout;
    m_column->setSpacing(6);
    pageColumn->addLayout(m_column);
    pageColumn->addStretch(1);
    m_scroll->setWidget(page);
    m_scroll->setWidgetResizable(true);
    m_scroll->setBackgroundRole(QPalette::Base);
    m_scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_scroll->setObjectName(QStringLiteral("conversation"));
    m_scroll->setAccessibleName(tr("Conversation"));
    setContent(m_scroll);

    const QScrollBar* bar = m_scroll->verticalScrollBar();
    connect(bar, &QScrollBar::valueChanged, this, [this, bar](int value) { m_followsEnd = value >= bar->maximum(); });
    connect(bar, &QScrollBar::rangeChanged, this, [this](int, int maximum) {
        if (m_followsEnd)
            m_scroll->verticalScrollBar()->setValue(maximum);
    });
}

void ChatPane::createInput()
{
    m_input->setAccessibleName(tr("Message to the model"));
    m_input->setPlaceholderText(tr("Message (Shift+Enter: new line)"));
    m_input->setTabChangesFocus(true);
    m_input->installEventFilter(this);
    connect(m_input, &QPlainTextEdit::textChanged, this, &ChatPane::updateState);

    m_send->setAutoDefault(false);
    connect(m_send, &QPushButton::clicked, this, [this] {
        if (m_controller.chat()->isBusy())
            m_controller.chat()->stop();
        else
            send();
    });
    auto* row = new QWidget(this);
    auto* layout = new QHBoxLayout(row);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(m_input, 1);
    layout->addWidget(m_send, 0, Qt::AlignBottom);
    addFooterWidget(row);
}

bool ChatPane::eventFilter(QObject* watched, QEvent* event)
{
    if (watched == m_input && event->type() == QEvent::KeyPress) {
        const auto* key = static_cast<QKeyEvent*>(event);
        const bool isEnter = key->key() == Qt::Key_Return || key->key() == Qt::Key_Enter;
        if (isEnter && !(key->modifiers() & Qt::ShiftModifier)) {
            send();
            return true;
        }
        if (key->matches(QKeySequence::MoveToPreviousPage) || key->matches(QKeySequence::MoveToNextPage)) {
            QCoreApplication::sendEvent(m_scroll, event);
            return true;
        }
    }
    return Pane::eventFilter(watched, event);
}

void ChatPane::send()
{
    const QString text = m_input->toPlainText();
    if (!m_controller.chat()->canSend() || text.trimmed().isEmpty())
        return;
    m_input->clear();
    m_followsEnd = true;
    m_controller.chat()->send(text);
}

void ChatPane::insertMessages(int first, int last)
{
    for (int row = first; row <= last; ++row) {
        auto* view = new MessageView(m_controller.chat()->transcript()->at(row), m_scroll->widget());
        m_messages.insert(row, view);
        m_column->insertWidget(row, view);
        view->setTabOrderAfter(row == 0 ? m_scroll : m_messages.at(row - 1)->lastInTabOrder());
    }
    updateState();
}

void ChatPane::removeMessages(int first, int last)
{
    for (int row = last; row >= first; --row)
        delete m_messages.takeAt(row);
    updateState();
}

void ChatPane::updateMessage(int row)
{
    m_messages.at(row)->setMessage(m_controller.chat()->transcript()->at(row));
}

void ChatPane::chooseModel(const QString& id)
{
    m_userChose = true;
    m_controller.chat()->setModel(id);
}

/// Until the operator chooses or a conversation begins, a model that answers at once is chosen for them.
void ChatPane::chooseDefaultModel()
{
    ChatSession* session = m_controller.chat();
    const FleetModelsModel* models = m_controller.models();
    if (!session->model().isEmpty() && (m_userChose || !session->transcript()->isEmpty()))
        return;
    const auto isLoaded = [models](int row) {
        return row >= 0 && models->index(row, 0).data(FleetModelsModel::StatusRole).toInt() == int(ModelStatus::Loaded);
    };
    int chosen = models->rowOf(session->model());
    for (int row = 0; row < models->rowCount() && !isLoaded(chosen); ++row) {
        if (isLoaded(row) || chosen < 0)
            chosen = row;
    }
    session->setModel(models->index(chosen, 0).data(FleetModelsModel::IdRole).toString());
}

/// The session says which model it is, never the box: a row that leaves the list would take the box to its neighbour.
void ChatPane::showModel()
{
    const QString id = m_controller.chat()->model();
    const int row = m_controller.models()->rowOf(id);
    const bool isGone = row < 0 && !id.isEmpty();
    m_models->setPlaceholderText(isGone ? tr("%1 (gone)").arg(id) : tr("No model"));
    m_models->setToolTip(isGone ? tr("No node offers %1 now. It stays chosen for when it comes back.").arg(id) : id);
    m_models->setCurrentIndex(row);
}

void ChatPane::updateState()
{
    const ChatSession* session = m_controller.chat();
    const bool isBusy = session->isBusy();
    const bool isEmpty = m_controller.chat()->transcript()->isEmpty();
    m_send->setText(isBusy ? tr("Stop") : tr("Send"));
    m_send->setIcon(symbolIcon(isBusy ? QStringLiteral("stop") : QStringLiteral("send")));
    m_send->setAccessibleName(isBusy ? tr("Stop the reply") : tr("Send the message"));
    m_send->setToolTip(isBusy ? tr("Stop the reply (Esc)") : tr("Send the message (Enter)"));
    m_send->setEnabled(isBusy || (session->canSend() && !m_input->toPlainText().trimmed().isEmpty()));
    m_stop->setEnabled(isBusy);
    m_regenerate->setEnabled(session->canRegenerate());
    m_new->setEnabled(!isEmpty);
    m_copy->setEnabled(!isEmpty);
    updateEmptyState();
}

void ChatPane::updateEmptyState()
{
    if (!m_controller.chat()->transcript()->isEmpty())
        setEmptyState({}, {});
    else if (m_controller.models()->rowCount() == 0)
        setEmptyState(tr("Nobody to talk to yet"),
                      tr("As soon as a node has a model, choose it above and write below."));
    else
        setEmptyState(tr("Try a model"),
                      tr("Choose one above and write below. A model that is not loaded is loaded first."));
}

} // namespace cortex
