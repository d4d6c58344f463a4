// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "app/ui/rowdelegate.h"

namespace cortex {

/// Draws the rows of FleetTreeModel: a node as a status dot, its name and a line about it; a device as its name, a bar
/// of its memory, and its readings.
class NodeDelegate : public RowDelegate {
    Q_OBJECT
public:
    using RowDelegate::RowDelegate;

    void paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const override;
    QSize sizeHint(const QStyleOptionViewItem& option, const QModelIndex& index) const override;
};

} // namespace cortex
