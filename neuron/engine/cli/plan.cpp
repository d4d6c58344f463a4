// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/cli/command.h"
#include "neuron/engine/cli/session.h"

#include <algorithm>
#include <fstream>
#include <future>
#include <iomanip>
#include <iostream>

namespace cortex::engine::cli {

namespace {

struct PlanOptions {
    std::string model;
    std::string quant;
    int context = 0;
    int sequences = 0;
    int threads = 0;
    bool measure = false;
    bool json = false;
};

/// Memory of this process that is its own, without what is mapped from files: RssAnon of /proc/self/status.
size_t ownResidentBytes()
{
    std::ifstream status("/proc/self/status");
    std::string line;
    while (std::getline(status, line)) {
        if (line.rfind("RssAnon:", 0) == 0)
            return std::stoull(line.substr(8)) * 1024;
    }
    throw Error(ErrorKind::Unsupported, "/proc/self/status tells no RssAnon, so nothing can be measured");
}

/// What loading and filling every sequence to its end really takes. The cache may hold fewer sequences than run.
size_t measureResident(const LoadOptions& load, const std::string& model)
{
    const size_t before = ownResidentBytes();
    const auto engine = loadEngine(load, model);
    // Pages that nobody touched are not resident: logits of many positions fill their room, sequences the cache.
    engine->logits(std::vector<int32_t>(size_t(std::min(engine->memory().contextTokens, 64)), 0), [](auto, int) {});
    std::vector<std::future<Generation>> running;
    for (int i = 0; i < engine->memory().sequences; ++i) {
        SequenceRequest request;
        request.prompt.assign(size_t(engine->memory().contextTokens - 1), 0);
        request.maxTokens = 1;
        request.ignoreEos = true;
        running.push_back(std::async(std::launch::async, [&engine, request] { return generate(*engine, request); }));
    }
    for (auto& sequence : running) {
        const Generation generation = sequence.get();
        if (generation.result.reason != FinishReason::Length)
            throw Error(ErrorKind::Internal, "a measured sequence ended early: " + generation.result.error);
    }
    return ownResidentBytes() - before;
}

void row(const char* what, size_t bytes, const std::string& note = {})
{
    std::cout << "  " << std::left << std::setw(12) << what << std::right << std::setw(12) << std::fixed
              << std::setprecision(1) << double(bytes) / (1 << 20) << " MiB" << (note.empty() ? "" : "   ") << note
              << '\n';
}

int run(const PlanOptions& options)
{
    LoadOptions load;
    load.model = findModel(options.model);
    load.contextTokens = options.context;
    load.maxSequences = options.sequences;
    load.threads = options.threads;
    load.quant = options.quant;
    const ModelInfo info = Engine::inspect(load.model, load.quant);
    const MemoryPlan plan = Engine::plan(load);
    load.text = false;
    const size_t measured = options.measure ? measureResident(load, options.model) : 0;
    if (options.json) {
        nlohmann::ordered_json json;
        json["model"] = info.name;
        json["architecture"] = info.architecture;
        json["quantization"] = info.quantization;
        json["parameters"] = info.parameters;
        json["weight_bytes"] = plan.weightBytes;
        json["mapped_bytes"] = plan.mappedBytes;
        json["kv_bytes_per_token"] = plan.kvBytesPerToken;
        json["state_bytes_per_sequence"] = plan.stateBytesPerSequence;
        json["workspace_bytes"] = plan.workspaceBytes;
        json["context"] = plan.contextTokens;
        json["sequences"] = plan.sequences;
        json["kv_bytes"] = plan.kvBytes;
        json["total_bytes"] = plan.totalBytes;
        json["free_bytes"] = plan.freeBytes;
        json["fits"] = plan.fits;
        json["largest_context"] = plan.largestContext;
        json["context_limit"] = info.contextLimit;
        if (options.measure)
            json["measured_bytes"] = measured;
        std::cout << json.dump(2) << '\n';
        return Done;
    }
    std::cout << info.name << " (" << info.architecture << ", " << info.quantization << ", " << std::fixed
              << std::setprecision(1) << double(info.parameters) / 1e6 << " M parameters)\n";
    row("weights", plan.weightBytes,
        std::to_string(plan.mappedBytes >> 20) + " MiB more are read in place from the file");
    row("KV cache", plan.kvBytes,
        std::to_string(plan.kvBytesPerToken) + " bytes per token, context " + std::to_string(plan.contextTokens) + ", "
            + std::to_string(plan.sequences) + " sequences");
    if (plan.stateBytesPerSequence > 0)
        row("states", plan.stateBytesPerSequence * size_t(plan.sequences));
    row("workspace", plan.workspaceBytes);
    row("total", plan.totalBytes, plan.fits ? "fits" : "does not fit");
    if (options.measure)
        row("measured", measured, "after loading and filling every sequence");
    row("free", plan.freeBytes, "longest context for one sequence: " + std::to_string(plan.largestContext));
    return Done;
}

} // namespace

void addPlan(CLI::App& app, Commands& commands)
{
    const auto options = std::make_shared<PlanOptions>();
    CLI::App* command = app.add_subcommand("plan", "What a model would take of memory, without loading it");
    command->add_option("-m,--model", options->model, "GGUF file, safetensors directory, or ORG/NAME[:QUANT]")
        ->required();
    command->add_option("--context", options->context, "Longest sequence (0: the model's, or what fits)")
        ->check(integerBetween(0, mostTokens));
    command->add_option("--sequences", options->sequences, "Sequences at once (0: 16)")->check(integerBetween(0, 4096));
    addQuantOption(*command, options->quant);
    addThreadsOption(*command, options->threads);
    command->add_flag("--measure", options->measure,
                      "Load it all the same, fill every sequence, and tell what it took");
    command->add_flag("--json", options->json, "Print one object");
    commands[command] = [options] { return run(*options); };
}

} // namespace cortex::engine::cli
