// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/daemon/hub/hubsettings.h"

#include <QStringList>

namespace cortex::neuron {

/// `neuron pull ORG/NAME[:QUANT]`: fetches into the cache with progress on stderr and prints the local path on stdout. Runs
/// the application's event loop; an interrupt stops it and keeps what has arrived. Returns the exit code: 0 done, 1 failed,
/// 2 wrong use.
int runPull(const QStringList& arguments, const HubSettings& settings);

} // namespace cortex::neuron
