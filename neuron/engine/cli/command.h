// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <CLI/CLI.hpp>

#include <functional>
#include <map>

namespace cortex::engine::cli {

/// What the program ends with.
enum ExitCode { Done = 0, Failed = 1, WrongUse = 2, TemplateRaised = 3 };

/// The subcommands that were added, by CLI11's object: what each does when it is chosen. Returns an ExitCode; throws
/// engine::Error.
using Commands = std::map<const CLI::App*, std::function<int()>>;

// One file each.
void addGenerate(CLI::App& app, Commands& commands);
void addBench(CLI::App& app, Commands& commands);
void addLogits(CLI::App& app, Commands& commands);
void addTokenize(CLI::App& app, Commands& commands); ///< and detokenize
void addRender(CLI::App& app, Commands& commands);
void addPlan(CLI::App& app, Commands& commands);
void addQuantize(CLI::App& app, Commands& commands);

} // namespace cortex::engine::cli
