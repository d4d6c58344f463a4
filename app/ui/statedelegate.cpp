// SPDX-License-Identifier: GPL-3.0-only
#include "app/ui/statedelegate.h"

#include "app/models/fleetmodelsmodel.h"
#include "app/ui/colors.h"

#include <QPainter>

#include <algorithm>

namespace cortex {

namespace {

constexpr int margin = 6;
constexpr int badgePadding = 7;
constexpr int barHeight = 5;

/// A rounded field in a tint of the state's colour.
void drawBadge(QPainter* painter, const QStyleOptionViewItem& option, const QString& text, const QColor& color)
{
    const QFontMetrics metrics(option.font);
    const int width =
        std::min(metrics.horizontalAdvance(text) + 2 * badgePadding + 2, option.rect.width() - 2 * margin);
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
}

/// The words over a bar of the whole width.
void drawProgress(QPainter* painter, const QStyleOptionViewItem& option, const QString& text, const QColor& color,
                  double fraction)
{
    const bool isSelected = option.state & QStyle::State_Selected;
    const QColor highlighted = option.palette.color(QPalette::HighlightedText);
    const QFontMetrics metrics(option.font);
    const int block = metrics.height() + 2 + barHeight;
    QRect line(option.rect.left() + margin, option.rect.top() + (option.rect.height() - block) / 2,
               option.rect.width() - 2 * margin, metrics.height());
    painter->setPen(isSelected ? highlighted : color);
    painter->drawText(line, int(Qt::AlignLeft | Qt::AlignVCenter) | Qt::TextSingleLine,
                      metrics.elidedText(text, Qt::ElideRight, line.width()));

    QRectF bar(line.left(), line.bottom() + 3, line.width(), barHeight);
    painter->setPen(Qt::NoPen);
    painter->setBrush(colors::trough(option.palette));
    painter->drawRoundedRect(bar, barHeight / 2.0, barHeight / 2.0);
    bar.setWidth(bar.width() * fraction);
    painter->setBrush(isSelected ? highlighted : colors::bar(option.palette));
    painter->drawRoundedRect(bar, barHeight / 2.0, barHeight / 2.0);
}

} // namespace

void StateDelegate::paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const
{
    paintBackground(painter, option, index);
    painter->save();
    painter->setRenderHint(QPainter::Antialiasing);
    painter->setFont(option.font);
    const QColor color = colors::ofModel(ModelStatus(index.data(FleetModelsModel::StatusRole).toInt()), option.palette);
    const QVariant progress = index.data(FleetModelsModel::ProgressRole);
    if (progress.isValid())
        drawProgress(painter, option, index.data().toString(), color, progress.toDouble());
    else
        drawBadge(painter, option, index.data().toString(), color);
    painter->restore();
}

QSize StateDelegate::sizeHint(const QStyleOptionViewItem& option, const QModelIndex& index) const
{
    const QFontMetrics metrics(option.font);
    const int width = metrics.horizontalAdvance(index.data().toString()) + 2 * badgePadding + 2 * margin;
    return {width, metrics.height() + 2 + barHeight + 2 * margin};
}

} // namespace cortex
