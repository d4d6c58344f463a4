// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/fleet/types.h"
#include "gateway/cli/terminal.h"

namespace cortex::cli {

/// The page of `cortex status`: a line on the whole, the nodes with their devices, the models.
QString statusPage(const FleetSnapshot& fleet, const QString& url, const TerminalStyle& style);

/// The list of `cortex models`: one line a model, with its state, where it is, its context and its aliases.
QString modelsPage(const FleetSnapshot& fleet, const TerminalStyle& style);

/// "loading 42 %", "loaded", "available": the state of a model in a word or two.
QString stateOf(const FleetModel& model);

/// "2.1 GB" of mebibytes.
QString memoryText(qint64 mb);

} // namespace cortex::cli
