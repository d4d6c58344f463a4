// SPDX-License-Identifier: GPL-3.0-only
#include "app/ui/nodedelegate.h"

#include "app/models/fleettreemodel.h"
#include "app/models/format.h"
#include "app/ui/colors.h"

#include <QPainter>

#include <algorithm>

namespace cortex {

namespace {

constexpr int padding = 6;
constexpr int gap = 4;
constexpr int barHeight = 6;
constexpr int dotDiameter = 9;

/// Where and in which colours the lines of one row are drawn.
struct RowStyle {
    QRect area;
    QFont font;
    QFont bold;
    QColor text;
    QColor muted;
    QPalette palette;
    bool isSelected;

    RowStyle(const QStyleOptionViewItem& option)
        : area(option.rect.adjusted(padding / 2, padding, -padding, -padding))
        , font(option.font)
        , bold(option.font)
        , palette(option.palette)
        , isSelected(option.state & QStyle::State_Selected)
    {
        bold.setBold(true);
        const QPalette::ColorGroup group = option.state & QStyle::State_Active ? QPalette::Active : QPalette::Inactive;
        text = palette.color(group, isSelected ? QPalette::HighlightedText : QPalette::Text);
        muted = isSelected ? text : colors::muted(palette);
    }

    int lineHeight() const { return QFontMetrics(font).height(); }

    void drawLine(QPainter* painter, const QRect& line, const QString& words,
                  Qt::Alignment alignment = Qt::AlignLeft) const
    {
        const QString shown = QFontMetrics(painter->font()).elidedText(words, Qt::ElideRight, line.width());
        painter->drawText(line, int(alignment | Qt::AlignVCenter) | Qt::TextSingleLine, shown);
    }
};

void drawNode(QPainter* painter, const RowStyle& style, const QModelIndex& index)
{
    const int line = style.lineHeight();
    const auto status = NodeStatus(index.data(FleetTreeModel::StatusRole).toInt());
    QRectF dot(0, 0, dotDiameter, dotDiameter);
    dot.moveCenter(QPointF(style.area.left() + dotDiameter / 2.0 + 1, style.area.top() + line / 2.0));
    painter->setPen(style.isSelected ? QPen(style.text, 1.5) : QPen(Qt::NoPen));
    painter->setBrush(colors::ofNode(status, style.palette));
    painter->drawEllipse(dot);

    const QRect text = style.area.adjusted(dotDiameter + 9, 0, 0, 0);
    painter->setFont(style.bold);
    painter->setPen(style.text);
    style.drawLine(painter, QRect(text.left(), text.top(), text.width(), line),
                   index.data(FleetTreeModel::NameRole).toString());
    painter->setFont(style.font);
    painter->setPen(!style.isSelected && status == NodeStatus::Offline ? colors::bad(style.palette) : style.muted);
    style.drawLine(painter, QRect(text.left(), text.top() + line + 2, text.width(), line),
                   index.data(FleetTreeModel::DetailRole).toString());
}

void drawMemoryBar(QPainter* painter, const RowStyle& style, const QRectF& bar, const QModelIndex& index)
{
    painter->setPen(Qt::NoPen);
    painter->setBrush(colors::trough(style.palette));
    painter->drawRoundedRect(bar, barHeight / 2.0, barHeight / 2.0);
    const QVariant used = index.data(FleetTreeModel::UsedMbRole);
    const double total = index.data(FleetTreeModel::TotalMbRole).toDouble();
    if (!used.isValid() || total <= 0)
        return;
    const double fraction = std::clamp(used.toDouble() / total, 0.0, 1.0);
    QRectF filled = bar;
    filled.setWidth(std::max(bar.width() * fraction, fraction > 0 ? double(barHeight) : 0.0));
    painter->setBrush(style.isSelected ? style.text : colors::bar(style.palette));
    painter->drawRoundedRect(filled, barHeight / 2.0, barHeight / 2.0);
}

QString readingsText(const QModelIndex& index)
{
    QStringList parts;
    if (const QVariant value = index.data(FleetTreeModel::UtilizationRole); value.isValid())
        parts.append(format::percent(value.toDouble()));
    if (const QVariant value = index.data(FleetTreeModel::TemperatureRole); value.isValid())
        parts.append(format::temperature(value.toDouble()));
    return parts.join(QStringLiteral(" · "));
}

void drawDevice(QPainter* painter, const RowStyle& style, const QModelIndex& index)
{
    const int line = style.lineHeight();
    QRect row(style.area.left(), style.area.top(), style.area.width(), line);
    painter->setFont(style.font);
    painter->setPen(style.text);
    style.drawLine(painter, row, index.data(FleetTreeModel::NameRole).toString());

    const QRectF bar(row.left(), row.bottom() + 1 + gap, row.width(), barHeight);
    drawMemoryBar(painter, style, bar, index);

    row.moveTop(int(bar.bottom()) + gap);
    const QString readings = readingsText(index);
    const int readingsWidth = QFontMetrics(style.font).horizontalAdvance(readings);
    painter->setPen(style.muted);
    style.drawLine(painter, row, readings, Qt::AlignRight);
    style.drawLine(painter, row.adjusted(0, 0, -readingsWidth - padding, 0),
                   index.data(FleetTreeModel::DetailRole).toString());
}

bool isDevice(const QModelIndex& index)
{
    return index.data(FleetTreeModel::KindRole).value<FleetTreeModel::Kind>() == FleetTreeModel::Kind::Device;
}

} // namespace

void NodeDelegate::paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const
{
    paintBackground(painter, option, index);
    painter->save();
    painter->setRenderHint(QPainter::Antialiasing);
    const RowStyle row(option);
    if (isDevice(index))
        drawDevice(painter, row, index);
    else
        drawNode(painter, row, index);
    painter->restore();
}

QSize NodeDelegate::sizeHint(const QStyleOptionViewItem& option, const QModelIndex& index) const
{
    const int line = QFontMetrics(option.font).height();
    const int content = isDevice(index) ? 2 * line + 2 * gap + barHeight + 1 : 2 * line + 2;
    return {12 * line, content + 2 * padding};
}

} // namespace cortex
