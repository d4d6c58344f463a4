// SPDX-License-Identifier: GPL-3.0-only
// neuron-engine: the engine from a terminal, without Qt and without a server.
#include "neuron/engine/cli/command.h"
#include "neuron/engine/cli/interrupt.h"
#include "neuron/engine/error.h"

#include <iostream>

using namespace cortex::engine;

namespace {

constexpr const char* Examples = R"(Examples:
  neuron-engine generate --model model.gguf --chat "What is the capital of France?" -n 64 --temperature 0
  neuron-engine generate --model ORG/NAME:Q4_K_M --prompt "Once upon a time" -n 100 --seed 7
  neuron-engine bench --model model.gguf -p 512 -n 128 --threads 2 --json
  echo '"Hello, world"' | neuron-engine tokenize --model model.gguf --jsonl
  neuron-engine plan --model model.gguf --context 8192 --sequences 4
  neuron-engine quantize model-f16.gguf model-q4_k_m.gguf q4_k_m

M is a GGUF file, a directory with config.json and *.safetensors, or an id ORG/NAME[:QUANT] of the local
Hugging Face cache. Results go to stdout, messages to stderr.
Exit codes: 0 done, 1 failed, 2 wrong use, 3 the chat template raised an error.)";

int report(const std::exception& error, int code)
{
    std::cerr << "neuron-engine: " << error.what() << '\n';
    return code;
}

} // namespace

int main(int argc, char** argv)
{
    std::ios::sync_with_stdio(false);
    CLI::App app("Runs language models on this machine.", "neuron-engine");
    app.require_subcommand(1);
    app.footer(Examples);
    app.set_version_flag("--version", CORTEX_VERSION);

    cli::Commands commands;
    cli::addGenerate(app, commands);
    cli::addBench(app, commands);
    cli::addLogits(app, commands);
    cli::addTokenize(app, commands);
    cli::addRender(app, commands);
    cli::addPlan(app, commands);
    cli::addQuantize(app, commands);

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == int(CLI::ExitCodes::Success)) { // --help, --version
            app.exit(error);
            return cli::Done;
        }
        // Without a subcommand CLI11 complains of that first, and not of the word that it did not know.
        const std::vector<std::string> unknown = app.get_subcommands().empty() ? app.remaining() : std::vector<std::string>();
        std::cerr << "neuron-engine: " << (unknown.empty() ? error.what() : "unknown option or subcommand " + unknown.front())
                  << "\nneuron-engine: try --help\n";
        return cli::WrongUse;
    }

    cli::Interrupt::install();
    try {
        const int code = commands.at(app.get_subcommands().front())();
        std::cout.flush();
        if (!std::cout) {
            std::cerr << "neuron-engine: stdout could not be written\n";
            return cli::Failed;
        }
        return code;
    } catch (const Error& error) {
        return report(error, error.kind() == ErrorKind::TemplateRaised ? cli::TemplateRaised : cli::Failed);
    } catch (const std::exception& error) { // bad_alloc, a device's fault: still one line and an exit code
        return report(error, cli::Failed);
    }
}
