// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/cli/numbers.h"
#include "neuron/engine/formats/quotedname.h"
#include "neuron/engine/quantize/quantmix.h"

#include <functional>
#include <map>
#include <string>

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

/// CLI11's check of an option that names a type of file, in any case.
inline std::string checkQuantMix(const std::string& name)
{
    return findQuantMix(name) ? std::string() : quotedName(name) + " is none of the types " + quantMixNames();
}

/// --threads, --quant, --isa and --cache-type, which several of them have.
inline void addThreadsOption(CLI::App& command, int& threads)
{
    command.add_option("--threads", threads, "Worker threads (0: one per core)")->check(integerBetween(0, mostThreads));
}

inline void addQuantOption(CLI::App& command, std::string& quant)
{
    command
        .add_option("--quant", quant,
                    "Round dense weights to q8_0, q6_k, q4_k, … while loading; f32 expands all weights, and rounds no "
                    "activation: slow and exact")
        ->check(checkQuantMix);
}

inline void addInstructionsOption(CLI::App& command, std::string& instructions)
{
    command.add_option("--isa", instructions, "Force an instruction path")
        ->check(CLI::IsMember({"portable", "avx2", "avx512", "avx512-vnni"}));
}

/// `type` holds the default, by its name in kernels::typeFromName; whatever is given is one of three that it knows.
inline void addCacheTypeOption(CLI::App& command, std::string& type)
{
    command.add_option("--cache-type", type, "Type of keys and values in the cache: f32 (nothing rounded), f16 or bf16")
        ->check(CLI::IsMember({"f32", "f16", "bf16"}))
        ->capture_default_str();
}

} // namespace cortex::engine::cli
