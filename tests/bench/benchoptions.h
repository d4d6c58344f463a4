// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/cpu/cpudevice.h"

#include <CLI/CLI.hpp>

#include <cstdlib>
#include <string>

/// What both bench programs are told: [threads] [path].
struct BenchOptions {
    int threads = cortex::kernels::createCpuDevice()->info().threads;
    std::string path; ///< of instructions; empty: none named

    /// Ends the program where the arguments ask for help or are wrong.
    BenchOptions(int argc, char** argv, const std::string& description)
    {
        CLI::App app{description};
        app.add_option("threads", threads, "How many (default: what a model would be run with)")
            ->check(CLI::Range(1, 1024));
        app.add_option("path", path, "Which instructions")
            ->check(CLI::IsMember(cortex::kernels::cpuInstructionPaths()));
        try {
            app.parse(argc, argv);
        } catch (const CLI::ParseError& error) {
            std::exit(app.exit(error) == 0 ? 0 : 2);
        }
    }
};
