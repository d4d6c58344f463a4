// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/fleet/types.h"

#include <QColor>
#include <QPalette>

/// Colours beside the palette's own, in a light and a dark variant. They never carry a meaning alone: words stand with
/// them.
namespace cortex::colors {

bool isDark(const QPalette& palette);
QColor muted(const QPalette& palette); ///< secondary text, readable on base and window
QColor good(const QPalette& palette);
QColor busy(const QPalette& palette);
QColor bad(const QPalette& palette);
QColor bar(const QPalette& palette); ///< filled part of a memory or progress bar
QColor trough(const QPalette& palette); ///< empty part
QColor grid(const QPalette& palette); ///< hairlines
QColor halo(const QPalette& palette); ///< a broad line that others run over

QColor ofNode(NodeStatus status, const QPalette& palette);
QColor ofModel(ModelStatus status, const QPalette& palette);
/// The index-th line of a chart; safe for colour-blind eyes, repeating after seven.
QColor series(int index, const QPalette& palette);

} // namespace cortex::colors
