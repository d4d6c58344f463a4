// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QString>

namespace cortex::cli {

enum class Colour { None, Good, Busy, Bad, Dim, Strong };

/// How to draw on standard output. Plain where it is no terminal, or NO_COLOR is set, or TERM is dumb.
struct TerminalStyle {
    bool colours = false;
    bool unicode = false; ///< the locale's encoding is UTF-8
    int width = 100; ///< columns

    QString paint(const QString& text, Colour colour) const;
    static TerminalStyle detect();
};

void print(const QString& text); ///< to stdout, as it is, flushed
void printError(const QString& text); ///< to stderr, with a newline

/// Text from elsewhere made safe for a terminal: control characters, which could move the cursor or worse, become '?'.
QString printable(const QString& text);

} // namespace cortex::cli
