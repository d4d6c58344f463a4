// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "app/ui/rowdelegate.h"

namespace cortex {

/// Draws a model's state as a badge, or as words over a progress bar while there is work under way.
class StateDelegate : public RowDelegate {
    Q_OBJECT
public:
    using RowDelegate::RowDelegate;

    void paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const override;
    QSize sizeHint(const QStyleOptionViewItem& option, const QModelIndex& index) const override;
};

} // namespace cortex
