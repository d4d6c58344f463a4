// SPDX-License-Identifier: GPL-3.0-only
#include "app/ui/noticebar.h"

#include "app/ui/colors.h"
#include "app/ui/icons.h"

#include <QAccessible>
#include <QBoxLayout>
#include <QEvent>
#include <QLabel>
#include <QPainter>
#include <QToolButton>

namespace cortex {

NoticeBar::NoticeBar(QWidget* parent)
    : QFrame(parent)
    , m_icon(new QLabel(this))
    , m_text(new QLabel(this))
    , m_dismiss(new QToolButton(this))
{
    drawIcon();
    m_text->setWordWrap(true);
    m_text->setTextFormat(Qt::PlainText);
    m_text->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_dismiss->setIcon(symbolIcon(QStringLiteral("close")));
    m_dismiss->setAutoRaise(true);
    m_dismiss->setToolTip(tr("Dismiss"));
    m_dismiss->setAccessibleName(tr("Dismiss the notice"));
    connect(m_dismiss, &QToolButton::clicked, this, &QWidget::hide);

    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(12, 6, 8, 6);
    row->addWidget(m_icon, 0, Qt::AlignTop);
    row->addWidget(m_text, 1);
    row->addWidget(m_dismiss, 0, Qt::AlignTop);
    hide();
}

void NoticeBar::showMessage(const QString& message)
{
    m_text->setText(message);
    m_text->setAccessibleName(message);
    setAccessibleName(message);
    show();
    QAccessibleEvent alert(this, QAccessible::Alert);
    QAccessible::updateAccessibility(&alert);
}

QString NoticeBar::message() const
{
    return isHidden() ? QString() : m_text->text();
}

void NoticeBar::drawIcon()
{
    constexpr QSize size(16, 16);
    m_icon->setPixmap(symbolIcon(QStringLiteral("warning")).pixmap(size, devicePixelRatioF()));
}

void NoticeBar::changeEvent(QEvent* event)
{
    QFrame::changeEvent(event);
    if (event->type() == QEvent::PaletteChange)
        drawIcon();
}

void NoticeBar::paintEvent(QPaintEvent* event)
{
    QFrame::paintEvent(event);
    QPainter painter(this);
    QColor tint = colors::bad(palette());
    painter.fillRect(QRect(0, 0, 4, height()), tint);
    tint.setAlphaF(0.14F);
    painter.fillRect(rect(), tint);
}

} // namespace cortex
