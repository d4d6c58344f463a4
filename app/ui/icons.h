// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QIcon>

namespace cortex {

/// A symbol of resources/icons ("copy", "load", …), drawn in the application palette's text colour at the moment of
/// painting, so that it follows a change between light and dark.
QIcon symbolIcon(const QString& name);

QIcon applicationIcon();

} // namespace cortex
