// SPDX-License-Identifier: GPL-3.0-only
#pragma once

namespace cortex::engine::cli {

/// Ctrl-C and SIGTERM as something that a command can wait for. The first signal asks for an orderly end; a second one
/// ends the program as usual. A closed stdout is a failed write, not a signal.
class Interrupt {
public:
    static void install();
    static bool requested();
    /// Readable once an end was asked for: for poll(2).
    static int descriptor();
};

} // namespace cortex::engine::cli
