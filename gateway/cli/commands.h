// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QStringList>

namespace cortex::cli {

enum ExitCode { Done = 0, Failed = 1, WrongUse = 2 };

/// The subcommands. `arguments` are the words after the subcommand. Each prints results on stdout, messages on stderr,
/// and returns the exit code. A QCoreApplication exists.
int serve(const QStringList& arguments);
int status(const QStringList& arguments);
int models(const QStringList& arguments);
int load(const QStringList& arguments);
int unload(const QStringList& arguments);

} // namespace cortex::cli
