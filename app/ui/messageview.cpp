// SPDX-License-Identifier: GPL-3.0-only
#include "app/ui/messageview.h"

#include "app/models/format.h"
#include "app/ui/colors.h"
#include "app/ui/icons.h"
#include "app/ui/messagebody.h"

#include <QBoxLayout>
#include <QClipboard>
#include <QElapsedTimer>
#include <QEvent>
#include <QGuiApplication>
#include <QLabel>
#include <QLocale>
#include <QPainter>
#include <QToolButton>

#include <algorithm>

namespace cortex {

namespace {

constexpr int shortestFlushIntervalMs = 33;
constexpr int flushShare = 5; ///< adding text may take one part in so many of the time
constexpr double cornerRadius = 7;

QLabel* makeNoteLabel(QWidget* parent)
{
    auto* label = new QLabel(parent);
    label->setWordWrap(true);
    label->setTextFormat(Qt::PlainText);
    label->setTextInteractionFlags(Qt::TextSelectableByMouse);
    label->hide();
    return label;
}

} // namespace

MessageView::MessageView(const ChatMessage& message, QWidget* parent)
    : QFrame(parent)
    , m_isUser(message.author == ChatMessage::Author::User)
    , m_text(message.text)
    , m_author(new QLabel(this))
    , m_copy(new QToolButton(this))
    , m_reasoningToggle(new QToolButton(this))
    , m_reasoning(new MessageBody(this))
    , m_body(new MessageBody(this))
    , m_error(makeNoteLabel(this))
    , m_footer(makeNoteLabel(this))
{
    createWidgets();
    const QString author = m_isUser ? tr("You") : format::shortModelName(message.model);
    m_author->setToolTip(m_isUser ? QString() : message.model);
    m_author->setText(author);
    m_body->setAccessibleName(tr("Message: %1").arg(author));
    m_reasoning->setAccessibleName(tr("Thoughts: %1").arg(author));
    m_copy->setAccessibleName(tr("Copy this message"));
    m_flushTimer.setSingleShot(true);
    m_flushTimer.setInterval(shortestFlushIntervalMs);
    connect(&m_flushTimer, &QTimer::timeout, this, &MessageView::flush);
    applyColors();
    m_body->showPlain(message.text);
    setMessage(message);
}

void MessageView::createWidgets()
{
    QFont bold = m_author->font();
    bold.setBold(true);
    m_author->setFont(bold);
    m_author->setTextFormat(Qt::PlainText);
    m_author->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);

    m_copy->setIcon(symbolIcon(QStringLiteral("copy")));
    m_copy->setToolTip(tr("Copy this message"));
    m_copy->setAutoRaise(true);
    connect(m_copy, &QToolButton::clicked, this, [this] { QGuiApplication::clipboard()->setText(m_text); });

    m_reasoningToggle->setText(tr("Thoughts"));
    m_reasoningToggle->setAccessibleName(tr("Show what the model thought"));
    m_reasoningToggle->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    m_reasoningToggle->setCheckable(true);
    m_reasoningToggle->setAutoRaise(true);
    connect(m_reasoningToggle, &QToolButton::toggled, this, &MessageView::showReasoning);
    m_reasoningToggle->hide();
    showReasoning(false);

    auto* header = new QHBoxLayout;
    header->addWidget(m_author, 1);
    header->addWidget(m_copy);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(12, 8, 8, 10);
    column->setSpacing(4);
    column->addLayout(header);
    column->addWidget(m_reasoningToggle, 0, Qt::AlignLeft);
    column->addWidget(m_reasoning);
    column->addWidget(m_body);
    column->addWidget(m_error);
    column->addWidget(m_footer);
}

void MessageView::appendText(const QString& delta)
{
    m_text += delta;
    m_pendingText += delta;
    if (!m_flushTimer.isActive())
        m_flushTimer.start();
}

void MessageView::appendReasoning(const QString& delta)
{
    if (m_reasoningToggle->isHidden()) {
        m_reasoningToggle->show();
        m_reasoningToggle->setChecked(true);
    }
    m_pendingReasoning += delta;
    if (!m_flushTimer.isActive())
        m_flushTimer.start();
}

/// A line without end is laid out as a whole each time, longer and longer: the window must stay at hand all the same.
void MessageView::flush()
{
    QElapsedTimer clock;
    clock.start();
    if (!m_pendingReasoning.isEmpty())
        m_reasoning->appendPlain(std::exchange(m_pendingReasoning, {}));
    if (!m_pendingText.isEmpty())
        m_body->appendPlain(std::exchange(m_pendingText, {}));
    m_flushTimer.setInterval(std::max(shortestFlushIntervalMs, flushShare * int(clock.elapsed())));
}

void MessageView::setTabOrderAfter(QWidget* previous)
{
    for (QWidget* widget : std::initializer_list<QWidget*>{m_copy, m_reasoningToggle, m_reasoning, m_body}) {
        setTabOrder(previous, widget);
        previous = widget;
    }
}

QWidget* MessageView::lastInTabOrder() const
{
    return m_body;
}

void MessageView::setMessage(const ChatMessage& message)
{
    m_body->setVisible(!message.text.isEmpty());
    m_copy->setVisible(!message.text.isEmpty());
    if (!message.isRunning() && !m_isWhole)
        showWhole(message);
    m_error->setText(message.error);
    m_error->setAccessibleName(message.error);
    m_error->setVisible(!message.error.isEmpty());
    const QString footer = footerText(message);
    m_footer->setText(footer);
    m_footer->setAccessibleName(footer);
    m_footer->setVisible(!footer.isEmpty());
}

void MessageView::showWhole(const ChatMessage& message)
{
    m_isWhole = true;
    flush();
    m_flushTimer.stop();
    if (!m_isUser)
        m_body->showMarkdown(message.text);
    if (!message.text.isEmpty())
        m_reasoningToggle->setChecked(false);
}

void MessageView::showReasoning(bool show)
{
    m_reasoningToggle->setArrowType(show ? Qt::DownArrow : Qt::RightArrow);
    m_reasoning->setVisible(show);
}

QString MessageView::footerText(const ChatMessage& message)
{
    if (message.author == ChatMessage::Author::User)
        return {};
    if (message.state == ChatMessage::State::Waiting)
        return tr("Waiting for the model…");
    QStringList parts;
    if (message.state == ChatMessage::State::Stopped)
        parts.append(tr("Stopped"));
    if (message.finishReason == QLatin1String("length"))
        parts.append(tr("Cut at the token limit"));
    const ReplyTimings& timings = message.timings;
    if (timings.tokensPerSecond)
        parts.append(format::tokensPerSecond(*timings.tokensPerSecond));
    if (timings.tokens > 0)
        parts.append(timings.tokens == 1 ? tr("1 token") : tr("%1 tokens").arg(QLocale().toString(timings.tokens)));
    if (timings.timeToFirstToken)
        parts.append(tr("first after %1").arg(format::seconds(*timings.timeToFirstToken)));
    return parts.join(QStringLiteral(" · "));
}

void MessageView::paintEvent(QPaintEvent* event)
{
    QFrame::paintEvent(event);
    if (!m_isUser)
        return;
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(Qt::NoPen);
    QColor tint = colors::bar(palette());
    tint.setAlphaF(colors::isDark(palette()) ? 0.20F : 0.11F);
    painter.setBrush(tint);
    painter.drawRoundedRect(QRectF(rect()), cornerRadius, cornerRadius);
}

void MessageView::changeEvent(QEvent* event)
{
    QFrame::changeEvent(event);
    if (event->type() == QEvent::PaletteChange)
        applyColors();
}

void MessageView::applyColors()
{
    const auto paint = [this](QWidget* widget, const QColor& color) {
        QPalette changed = palette();
        changed.setColor(QPalette::Text, color);
        changed.setColor(QPalette::WindowText, color);
        changed.setColor(QPalette::Base, Qt::transparent);
        widget->setPalette(changed);
    };
    paint(m_footer, colors::muted(palette()));
    paint(m_error, colors::bad(palette()));
    paint(m_reasoning, colors::muted(palette()));
    paint(m_body, palette().color(QPalette::Text));
}

QString MessageView::shownText() const
{
    return m_body->toPlainText();
}

QString MessageView::shownError() const
{
    return m_error->isHidden() ? QString() : m_error->text();
}

QString MessageView::shownFooter() const
{
    return m_footer->isHidden() ? QString() : m_footer->text();
}

} // namespace cortex
