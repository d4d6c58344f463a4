// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QString>

namespace cortex {

/// Sends Qt's messages to stderr, one line each: "2026-07-04T09:30:00.123Z warning cortex.http: text". Where stderr
/// goes to the systemd journal, which keeps time and level itself, the line is "<4>cortex.http: text". Debug messages
/// are off until QT_LOGGING_RULES turns a category on. Call once, first thing in main; messages may come from any
/// thread.
void installLogging();

/// The line that a message becomes; for tests.
QByteArray logLine(QtMsgType type, const char* category, const QString& text, bool toJournal);

} // namespace cortex
