// SPDX-License-Identifier: GPL-3.0-only
#include "app/ui/pane.h"

#include "app/ui/colors.h"

#include <QBoxLayout>
#include <QEvent>
#include <QLabel>
#include <QStackedWidget>

namespace cortex {

namespace {

constexpr int margin = 10;

QLabel* makeCentredLabel(QWidget* parent)
{
    auto* label = new QLabel(parent);
    label->setAlignment(Qt::AlignCenter);
    label->setWordWrap(true);
    label->setTextFormat(Qt::PlainText);
    return label;
}

} // namespace

Pane::Pane(const QString& title, QWidget* parent)
    : QWidget(parent)
    , m_header(new QHBoxLayout)
    , m_column(new QVBoxLayout(this))
    , m_stack(new QStackedWidget(this))
{
    auto* titleLabel = new QLabel(title, this);
    QFont bold = titleLabel->font();
    bold.setBold(true);
    titleLabel->setFont(bold);
    titleLabel->setMinimumHeight(titleLabel->fontMetrics().height() + 12); // the panes' first lines are level
    m_header->setSpacing(6);
    m_header->addWidget(titleLabel);

    auto* empty = new QWidget(m_stack);
    m_heading = makeCentredLabel(empty);
    m_heading->setFont(bold);
    m_advice = makeCentredLabel(empty);
    auto* emptyColumn = new QVBoxLayout(empty);
    emptyColumn->setSpacing(6);
    emptyColumn->addStretch();
    emptyColumn->addWidget(m_heading);
    emptyColumn->addWidget(m_advice);
    emptyColumn->addStretch();
    m_stack->addWidget(empty);

    m_column->setContentsMargins(margin, margin, margin, margin);
    m_column->setSpacing(8);
    m_column->addLayout(m_header);
    m_column->addWidget(m_stack, 1);
    applyColors();
}

void Pane::setContent(QWidget* content)
{
    m_stack->addWidget(content);
    m_stack->setCurrentWidget(content);
}

void Pane::addHeaderWidget(QWidget* widget, int stretch)
{
    m_header->addWidget(widget, stretch);
}

void Pane::addHeaderStretch()
{
    m_header->addStretch(1);
}

void Pane::addFooterWidget(QWidget* widget)
{
    m_column->addWidget(widget);
}

void Pane::setEmptyState(const QString& heading, const QString& advice)
{
    m_heading->setText(heading);
    m_advice->setText(advice);
    m_stack->setCurrentIndex(heading.isEmpty() ? 1 : 0);
}

bool Pane::isShowingEmptyState() const
{
    return m_stack->currentIndex() == 0;
}

QString Pane::emptyStateText() const
{
    return isShowingEmptyState() ? m_heading->text() + QLatin1Char('\n') + m_advice->text() : QString();
}

void Pane::changeEvent(QEvent* event)
{
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange)
        applyColors();
}

void Pane::applyColors()
{
    QPalette muted = palette();
    muted.setColor(QPalette::WindowText, colors::muted(palette()));
    m_advice->setPalette(muted);
}

} // namespace cortex
