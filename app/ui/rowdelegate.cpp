// SPDX-License-Identifier: GPL-3.0-only
#include "app/ui/rowdelegate.h"

#include <QApplication>

namespace cortex {

void RowDelegate::paintBackground(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const
{
    QStyleOptionViewItem background = option;
    initStyleOption(&background, index);
    background.text.clear();
    const QStyle* style = option.widget ? option.widget->style() : QApplication::style();
    style->drawControl(QStyle::CE_ItemViewItem, &background, painter, option.widget);
}

} // namespace cortex
