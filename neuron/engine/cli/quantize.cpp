// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/cli/command.h"
#include "neuron/engine/cli/interrupt.h"
#include "neuron/engine/engine.h"
#include "neuron/engine/formats/ggufwriter.h"
#include "neuron/engine/quantize/exportgguf.h"
#include "neuron/engine/quantize/quantizegguf.h"

#include <chrono>
#include <cmath>
#include <csignal>
#include <iomanip>
#include <iostream>

#include <unistd.h>

namespace cortex::engine::cli {

namespace {

struct QuantizeOptions {
    std::string in, out, type;
    int threads = 0;
};

/// A line that is written over, on a terminal; elsewhere one line for each tenth.
class ProgressLine {
public:
    bool operator()(double fraction, const std::string& tensor)
    {
        const int percent = int(std::lround(100 * fraction));
        if (m_terminal)
            std::cerr << "\r\033[K" << percent << " %  " << tensor << std::flush;
        else if (percent / 10 > m_tenths)
            std::cerr << "neuron-engine: " << percent << " %\n";
        m_tenths = percent / 10;
        return !Interrupt::requested();
    }
    ~ProgressLine()
    {
        if (m_terminal)
            std::cerr << "\r\033[K" << std::flush;
    }

private:
    bool m_terminal = ::isatty(STDERR_FILENO) != 0;
    int m_tenths = 0;
};

/// The GGUF file to start from. A safetensors checkpoint is written as one first, beside the output and for as long as
/// this lives.
class Unquantized {
public:
    Unquantized(const std::filesystem::path& in, const std::filesystem::path& out)
        : m_path(in)
        , m_temporary(std::filesystem::is_directory(in))
    {
        if (!m_temporary)
            return;
        m_path = out;
        m_path += ".unquantized-" + std::to_string(::getpid());
        ProgressLine line;
        exportGguf(Checkpoint(in), m_path, std::ref(line));
    }
    ~Unquantized()
    {
        std::error_code ignored; // the file is at worst left over
        if (m_temporary)
            std::filesystem::remove(m_path, ignored);
    }
    Unquantized(const Unquantized&) = delete;
    Unquantized& operator=(const Unquantized&) = delete;

    const std::filesystem::path& path() const { return m_path; }

private:
    std::filesystem::path m_path;
    bool m_temporary;
};

int run(const QuantizeOptions& options)
{
    const QuantMix mix = findQuantMix(options.type).value();
    const std::filesystem::path in = findModel(options.in);
    checkWritable(options.out);
    std::signal(SIGXFSZ, SIG_IGN); // a file size limit is an error of write(), as a full disk is
    const auto begin = std::chrono::steady_clock::now();
    const Unquantized unquantized(in, options.out);
    const GgufFile source(unquantized.path());
    QuantizeResult result;
    {
        ProgressLine line;
        result = quantizeGguf(source, options.out, mix, options.threads, std::ref(line));
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    std::cerr << "neuron-engine: " << options.out << ": " << std::fixed << std::setprecision(1)
              << double(result.bytesAfter) / (1 << 20) << " MiB of weights, " << double(result.bytesBefore) / (1 << 20)
              << " before, in " << seconds << " s;";
    for (const auto& [type, count] : result.tensorsByType)
        std::cerr << ' ' << count << ' ' << type;
    std::cerr << '\n';
    return Done;
}

} // namespace

void addQuantize(CLI::App& app, Commands& commands)
{
    const auto options = std::make_shared<QuantizeOptions>();
    CLI::App* command = app.add_subcommand("quantize", "Write a model as a GGUF file of another type");
    command->add_option("in", options->in, "GGUF file, safetensors directory, or ORG/NAME[:QUANT]")->required();
    command->add_option("out", options->out, "GGUF file to write; one that is there is replaced at the end")
        ->required();
    command->add_option("type", options->type, "One of " + quantMixNames())->required()->check(checkQuantMix);
    addThreadsOption(*command, options->threads);
    commands[command] = [options] { return run(*options); };
}

} // namespace cortex::engine::cli
