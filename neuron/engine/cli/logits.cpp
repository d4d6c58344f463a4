// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/cli/command.h"
#include "neuron/engine/cli/session.h"

#include <algorithm>
#include <bit>
#include <fstream>
#include <iostream>

namespace cortex::engine::cli {

namespace {

struct LogitsOptions {
    std::string model, tokens, out;
    std::string quant;
    int threads = 0;
    std::string instructions;
    std::string cacheType = "f32";
};

int run(const LogitsOptions& options)
{
    static_assert(std::endian::native == std::endian::little, "the output is defined as little-endian");
    const std::vector<int32_t> tokens = readTokens(options.tokens);
    LoadOptions load;
    load.threads = options.threads;
    load.quant = options.quant;
    load.instructions = options.instructions;
    load.cacheType = kernels::typeFromName(options.cacheType).value();
    load.maxSequences = 1;
    load.contextTokens = int(std::min<size_t>(std::max<size_t>(tokens.size(), 1), 1u << 26));
    load.text = false;
    const auto engine = loadEngine(load, options.model);

    // Opened with the first rows: what is there is not lost to tokens that the engine refuses.
    std::ofstream file;
    engine->logits(tokens, [&](std::span<const float> rows, int) {
        if (!file.is_open())
            file.open(options.out, std::ios::binary | std::ios::trunc);
        if (!file.is_open())
            throw Error(ErrorKind::BadRequest, options.out + ": cannot be written");
        file.write(reinterpret_cast<const char*>(rows.data()), std::streamsize(rows.size_bytes()));
    });
    file.close();
    if (!file)
        throw Error(ErrorKind::Internal, options.out + ": writing failed; is the disk full?");
    std::cerr << "neuron-engine: " << tokens.size() << " × " << engine->info().vocabularySize << " float32 in "
              << options.out << '\n';
    return Done;
}

} // namespace

void addLogits(CLI::App& app, Commands& commands)
{
    const auto options = std::make_shared<LogitsOptions>();
    CLI::App* command = app.add_subcommand(
        "logits", "Write the logits of every position: float32, little-endian, [tokens, vocabulary]");
    command->add_option("-m,--model", options->model, "GGUF file, safetensors directory, or ORG/NAME[:QUANT]")
        ->required();
    command->add_option("--tokens", options->tokens, "File with a JSON list of token ids (- is stdin)")->required();
    command->add_option("--out", options->out, "File to write")->required();
    addQuantOption(*command, options->quant);
    addThreadsOption(*command, options->threads);
    addInstructionsOption(*command, options->instructions);
    addCacheTypeOption(*command, options->cacheType);
    commands[command] = [options] { return run(*options); };
}

} // namespace cortex::engine::cli
