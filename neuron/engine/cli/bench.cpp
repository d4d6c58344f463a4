// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/cli/command.h"
#include "neuron/engine/cli/interrupt.h"
#include "neuron/engine/cli/session.h"

#include <algorithm>
#include <iomanip>
#include <iostream>
#include <latch>
#include <memory>

namespace cortex::engine::cli {

namespace {

/// Steps in which not all of several sequences generate: while they come in one after the other, and at the end.
constexpr int togetherMargin = 4;

/// Tokens of the prompt by which the time from load to first token is measured.
constexpr int shortPrompt = 8;

struct BenchOptions {
    std::string model;
    std::string quant;
    int promptTokens = 512;
    int newTokens = 128;
    int threads = 0;
    int repeat = 5;
    int sequences = 1;
    std::string instructions;
    bool text = true;
    bool json = false;
};

double median(std::vector<double> values)
{
    if (values.empty())
        return 0;
    std::sort(values.begin(), values.end());
    const size_t middle = values.size() / 2;
    return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

/// Any tokens do: the work does not depend on them.
std::vector<int32_t> someTokens(int count, int vocabulary)
{
    std::vector<int32_t> tokens;
    uint64_t state = 1;
    for (int i = 0; i < count; ++i) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        tokens.push_back(int32_t((state >> 33) % uint64_t(vocabulary)));
    }
    return tokens;
}

SequenceTimings measure(Engine& engine, int promptTokens, int newTokens)
{
    SequenceRequest request;
    request.prompt = someTokens(promptTokens, engine.info().vocabularySize);
    request.maxTokens = newTokens;
    request.sampling.temperature = 0;
    request.ignoreEos = true;
    const Generation generation = generate(engine, std::move(request));
    if (generation.result.reason == FinishReason::Cancelled)
        throw Error(ErrorKind::Cancelled, "interrupted");
    if (generation.result.reason != FinishReason::Length)
        throw Error(ErrorKind::Internal, "the run ended early: " + generation.result.error);
    return generation.result.timings;
}

/// Notes when each token of a sequence came, and counts down at its end. Its figures belong to the engine's thread
/// until the latch has opened.
class ClockSink : public SequenceSink {
public:
    using Clock = std::chrono::steady_clock;

    ClockSink(std::latch& ended, int newTokens)
        : m_ended(ended)
    {
        times.reserve(size_t(newTokens));
    }
    void token(int32_t, const std::string&) override { times.push_back(Clock::now()); }
    void finished(const SequenceResult& result, const std::string&) override
    {
        reason = result.reason;
        m_ended.count_down();
    }

    std::vector<Clock::time_point> times;
    FinishReason reason = FinishReason::Failed;

private:
    std::latch& m_ended;
};

/// Tokens per second of several sequences that generate side by side, from empty contexts, while all of them do: from
/// the first token of the one that began last to the step before the first one's last token. So every step that counts
/// yields a token of each.
double measureTogether(Engine& engine, int sequences, int newTokens)
{
    std::latch ended(sequences);
    std::vector<std::shared_ptr<ClockSink>> sinks;
    for (int i = 0; i < sequences; ++i) {
        SequenceRequest request;
        request.prompt = someTokens(1, engine.info().vocabularySize);
        request.maxTokens = newTokens;
        request.sampling.temperature = 0;
        request.ignoreEos = true;
        sinks.push_back(std::make_shared<ClockSink>(ended, newTokens));
        engine.submit(std::move(request), sinks.back());
    }
    ended.wait();

    auto begin = ClockSink::Clock::time_point::min(), firstEnd = ClockSink::Clock::time_point::max();
    for (const auto& sink : sinks) {
        if (sink->reason != FinishReason::Length)
            throw Error(ErrorKind::Internal, "a sequence ended early");
        begin = std::max(begin, sink->times.front());
        firstEnd = std::min(firstEnd, sink->times.back());
    }
    int tokens = 0;
    auto end = begin;
    for (const auto& sink : sinks) {
        const auto first = std::upper_bound(sink->times.begin(), sink->times.end(), begin);
        const auto last = std::lower_bound(first, sink->times.end(), firstEnd);
        tokens += int(last - first);
        end = last == first ? end : std::max(end, *(last - 1));
    }
    if (tokens == 0)
        throw Error(ErrorKind::BadRequest, "so many sequences never generate all at once: ask for more tokens (-n)");
    return tokens / std::chrono::duration<double>(end - begin).count();
}

int run(const BenchOptions& options)
{
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    LoadOptions load;
    load.threads = options.threads;
    load.quant = options.quant;
    load.instructions = options.instructions;
    load.maxSequences = options.sequences;
    load.contextTokens = std::max({options.promptTokens, options.newTokens + togetherMargin, shortPrompt}) + 1;
    load.text = options.text; // the runs take token ids; but who waits for a first token waits for the tokenizer
    const auto engine = loadEngine(load, options.model);
    const double loadSeconds = std::chrono::duration<double>(Clock::now() - begin).count();

    measure(*engine, shortPrompt, 1);
    const double firstTokenSeconds = std::chrono::duration<double>(Clock::now() - begin).count();

    // A prompt alone, then generation from an empty context: one token of prompt, and n intervals between n + 1 tokens.
    std::vector<double> prefill, decode, together, ceiling, peak;
    // Warms caches and page tables: each sequence's pages of cache and state are real once it has run.
    measure(*engine, std::max(1, options.promptTokens), 2);
    if (options.sequences > 1)
        measureTogether(*engine, options.sequences, options.newTokens + togetherMargin);
    for (int round = 0; round < options.repeat; ++round) {
        if (options.promptTokens > 0)
            prefill.push_back(options.promptTokens / measure(*engine, options.promptTokens, 1).prefill);
        if (options.newTokens > 0)
            decode.push_back(options.newTokens / measure(*engine, 1, options.newTokens + 1).decode);
        if (options.sequences > 1)
            together.push_back(measureTogether(*engine, options.sequences, options.newTokens + togetherMargin));
        ceiling.push_back(kernels::measureReadBandwidth(engine->device().threads));
        peak.push_back(kernels::measureDotPeak(engine->device().threads));
    }

    const double bytes = double(engine->info().weightBytesPerToken);
    nlohmann::ordered_json result;
    result["model"] = engine->info().name;
    result["quantization"] = engine->info().quantization;
    result["device"] = engine->device().name;
    result["threads"] = engine->device().threads;
    result["isa"] = engine->device().instructions;
    result["prompt_tokens"] = options.promptTokens;
    result["new_tokens"] = options.newTokens;
    result["repeat"] = options.repeat;
    result["load_s"] = loadSeconds;
    result["first_token_s"] = firstTokenSeconds;
    result["prefill_tok_s"] = median(prefill);
    result["decode_tok_s"] = median(decode);
    result["weight_bytes_per_token"] = engine->info().weightBytesPerToken;
    result["decode_gb_s"] = median(decode) * bytes / 1e9;
    result["read_ceiling_gb_s"] = median(ceiling) / 1e9;
    result["dot_peak_gop_s"] = median(peak) / 1e9;
    if (options.sequences > 1) {
        result["sequences"] = options.sequences;
        result["aggregate_decode_tok_s"] = median(together);
    }
    if (options.json) {
        std::cout << result.dump() << '\n';
        return Done;
    }
    std::cout << std::fixed << std::setprecision(1) << engine->info().name << " (" << engine->info().quantization
              << "), " << engine->device().name << ", " << engine->device().instructions << ", "
              << engine->device().threads << " threads; medians of " << options.repeat << "\n"
              << "  load     " << std::setw(8) << std::setprecision(2) << loadSeconds << " s, " << firstTokenSeconds
              << " s to the first token\n"
              << std::setprecision(1) << "  prefill  " << std::setw(8) << median(prefill) << " tok/s  ("
              << options.promptTokens << " tokens)\n"
              << "  decode   " << std::setw(8) << median(decode) << " tok/s  (" << options.newTokens << " tokens)\n"
              << "  weights  " << std::setw(8) << bytes / 1e6 << " MB read per token: " << median(decode) * bytes / 1e9
              << " GB/s of " << median(ceiling) / 1e9 << " GB/s that this memory gives\n";
    if (options.sequences > 1)
        std::cout << "  together " << std::setw(8) << median(together) << " tok/s  (" << options.sequences
                  << " sequences)\n";
    return Done;
}

} // namespace

void addBench(CLI::App& app, Commands& commands)
{
    const auto options = std::make_shared<BenchOptions>();
    CLI::App* command = app.add_subcommand("bench", "Measure the speed of prefill and decode beside the memory's");
    command->add_option("-m,--model", options->model, "GGUF file, safetensors directory, or ORG/NAME[:QUANT]")
        ->required();
    command->add_option("-p", options->promptTokens, "Tokens of the prompt (0: skip)")
        ->check(integerBetween(0, mostTokens))
        ->capture_default_str();
    command->add_option("-n", options->newTokens, "Tokens to generate (0: skip)")
        ->check(integerBetween(0, mostTokens))
        ->capture_default_str();
    addQuantOption(*command, options->quant);
    addThreadsOption(*command, options->threads);
    command->add_option("--repeat", options->repeat, "Rounds; medians are printed")
        ->check(integerBetween(1, 1000))
        ->capture_default_str();
    command->add_option("--sequences", options->sequences, "Also generate with so many sequences side by side")
        ->check(integerBetween(1, 1024))
        ->capture_default_str();
    addInstructionsOption(*command, options->instructions);
    command->add_flag("!--no-text", options->text, "Load no tokenizer and no chat template");
    command->add_flag("--json", options->json, "Print one object");
    commands[command] = [options] { return run(*options); };
}

} // namespace cortex::engine::cli
