// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QStringList>

namespace cortex::neuron {

/// `neuron serve`: runs the daemon until SIGTERM or SIGINT. `arguments` without the subcommand. Returns the exit code.
int runServe(const QStringList& arguments);

} // namespace cortex::neuron
