// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QStringList>

namespace cortex::neuron {

/// `neuron pull ORG/NAME[:QUANT]`; `arguments` begin with the program's name. Fetches into the cache with progress on
/// stderr and prints the local path on stdout. Runs the application's event loop; an interrupt stops it and keeps what
/// has arrived. Returns the exit code: 0 done, 1 failed, 2 wrong use.
int runPull(const QStringList& arguments);

} // namespace cortex::neuron
