// SPDX-License-Identifier: GPL-3.0-only
#include "app/ui/statedelegate.h"

#include "app/models/fleetmodelsmodel.h"
#include "app/ui/colors.h"

#include <QApplication>
#include <QPainter>

namespace cortex {

namespace {

constexpr int margin = 6;
constexpr int badgePadding = 7;
constexpr int barHeight = 5;

/// A rounded field in a tint of the state's colour; returns its right edge.
int drawBadge(QPainter* painter, const QStyleOptionViewItem& option, const QString& text, QColor color)
{
    const QFontMetrics metrics(option.font);
    const int width = std::min(metrics.horizontalAdvance(text) + 2 * badgePadding, option.rect.width() - 2 * margin);
    QRect badge(option.rect.left() + margin, 0, width, metrics.height() + 4);
    badge.moveTop(option.rect.top() + (option.rect.height() - badge.height()) / 2);

    const bool isSelected = option.state & QStyle::State_Selected;
    QColor fill = isSelected ? option.palette.color(QPalette::Base) : color;
    if (!isSelected)
        fill.setAlphaF(0.14F);
    painter->setPen(Qt::NoPen);
    painter->setBrush(fill);
    painter->drawRoundedRect(badge, badge.height() / 2.0, badge.height() / 2.0);
    painter->setPen(color);
    const QRect inside = badge.adjusted(badgePadding, 0, -badgePadding, 0);
    painter->drawText(inside, int(Qt::AlignCenter) | Qt::TextSingleLine,
                      metrics.elidedText(text, Qt::ElideRight, inside.width()));
    return badge.right();
}

void drawProgress(QPainter* painter, const QStyleOptionViewItem& option, const QRect& area, double fraction,
                  const QString& text)
{
    const bool isSelected = option.state & QStyle::State_Selected;
    const QFontMetrics metrics(option.font);
    const int block = metrics.height() + 2 + barHeight;
    const QRect line(area.left(), area.top() + (area.height() - block) / 2, area.width(), metrics.height());
    painter->setPen(isSelected ? option.palette.color(QPalette::HighlightedText) : colors::muted(option.palette));
    painter->drawText(line, int(Qt::AlignLeft | Qt::AlignVCenter) | Qt::TextSingleLine,
                      metrics.elidedText(text, Qt::ElideRight, line.width()));

    QRectF bar(area.left(), line.bottom() + 3, area.width(), barHeight);
    painter->setPen(Qt::NoPen);
    painter->setBrush(colors::trough(option.palette));
    painter->drawRoundedRect(bar, barHeight / 2.0, barHeight / 2.0);
    bar.setWidth(bar.width() * fraction);
    painter->setBrush(isSelected ? option.palette.color(QPalette::HighlightedText) : colors::bar(option.palette));
    painter->drawRoundedRect(bar, barHeight / 2.0, barHeight / 2.0);
}

} // namespace

void StateDelegate::paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const
{
    QStyleOptionViewItem background = option;
    initStyleOption(&background, index);
    background.text.clear();
    const QStyle* style = option.widget ? option.widget->style() : QApplication::style();
    style->drawControl(QStyle::CE_ItemViewItem, &background, painter, option.widget);

    painter->save();
    painter->setRenderHint(QPainter::Antialiasing);
    painter->setFont(option.font);
    const auto status = ModelStatus(index.data(FleetModelsModel::StatusRole).toInt());
    const int badgeEnd = drawBadge(painter, option, index.data(FleetModelsModel::StatusTextRole).toString(),
                                   colors::ofModel(status, option.palette));
    const QVariant progress = index.data(FleetModelsModel::ProgressRole);
    const QRect rest = option.rect.adjusted(badgeEnd + margin + 2 - option.rect.left(), 0, -margin, 0);
    constexpr int narrowestBar = 24;
    if (progress.isValid() && rest.width() >= narrowestBar)
        drawProgress(painter, option, rest, progress.toDouble(),
                     index.data(FleetModelsModel::ProgressTextRole).toString());
    painter->restore();
}

QSize StateDelegate::sizeHint(const QStyleOptionViewItem& option, const QModelIndex& index) const
{
    const QFontMetrics metrics(option.font);
    int width = metrics.horizontalAdvance(index.data(FleetModelsModel::StatusTextRole).toString()) + 2 * badgePadding
        + 2 * margin;
    const QString progress = index.data(FleetModelsModel::ProgressTextRole).toString();
    if (!progress.isEmpty())
        width += metrics.horizontalAdvance(progress) + margin + 2;
    return {width, metrics.height() + 2 + barHeight + 2 * margin};
}

} // namespace cortex
