// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/cli/command.h"
#include "neuron/engine/cli/interrupt.h"
#include "neuron/engine/cli/session.h"

#include <iomanip>
#include <iostream>
#include <random>

namespace cortex::engine::cli {

namespace {

/// Which of its options gives what to continue; its value may be empty.
enum class Input { Prompt, Chat, Tokens };

struct GenerateOptions {
    std::string model;
    std::string quant;
    std::string cacheType = "f16";
    Input input = Input::Prompt;
    std::string prompt, chat, tokens; ///< the one that `input` says
    std::string system;
    int newTokens = 0;
    int threads = 0;
    int context = 0;
    SamplingOptions sampling;
    std::optional<uint64_t> seed;
    std::vector<std::string> stop;
    bool ignoreEos = false;
    bool json = false;
};

std::string chatPrompt(const Engine& engine, const GenerateOptions& options)
{
    if (!engine.chatTemplate())
        throw Error(ErrorKind::BadRequest, options.model + " has no chat template; use --prompt");
    TemplateContext context;
    context["messages"] = TemplateContext::array();
    if (!options.system.empty())
        context["messages"].push_back({{"role", "system"}, {"content", options.system}});
    context["messages"].push_back({{"role", "user"}, {"content", options.chat}});
    context["add_generation_prompt"] = true;
    const Tokenizer& tokenizer = *engine.tokenizer();
    if (tokenizer.bos())
        context["bos_token"] = tokenizer.tokenBytes(*tokenizer.bos());
    if (tokenizer.eos())
        context["eos_token"] = tokenizer.tokenBytes(*tokenizer.eos());
    return engine.chatTemplate()->render(context, localNow());
}

std::vector<int32_t> promptTokens(const Engine& engine, const GenerateOptions& options)
{
    if (options.input == Input::Tokens)
        return readTokens(options.tokens);
    if (!engine.tokenizer())
        throw Error(ErrorKind::BadRequest, options.model + " has no tokenizer; use --tokens");
    if (options.input == Input::Chat)
        return encodeRendered(*engine.tokenizer(), chatPrompt(engine, options));
    return engine.tokenizer()->encode(options.prompt, {.addBos = engine.tokenizer()->wantsBos()});
}

const char* reasonName(FinishReason reason)
{
    switch (reason) {
    case FinishReason::Stop:
    case FinishReason::StopString:
        return "stop";
    case FinishReason::Length:
        return "length";
    case FinishReason::Cancelled:
        return "cancelled";
    case FinishReason::Failed:
        return "error";
    }
    return "error";
}

double rate(int tokens, double seconds)
{
    return seconds > 0 ? tokens / seconds : 0;
}

nlohmann::ordered_json resultJson(const std::vector<int32_t>& prompt, const Generation& generation, double loadSeconds)
{
    const SequenceResult& result = generation.result;
    nlohmann::ordered_json json;
    json["prompt_tokens"] = prompt;
    json["tokens"] = generation.tokens;
    json["text"] = generation.text;
    json["finish_reason"] = reasonName(result.reason);
    json["timings"] = {
        {"load_s", loadSeconds},
        {"prefill_s", result.timings.prefill},
        {"decode_s", result.timings.decode},
        {"prefill_tok_s", rate(result.promptTokens, result.timings.prefill)},
        {"decode_tok_s", rate(result.generatedTokens - 1, result.timings.decode)},
    };
    return json;
}

void reportSpeed(const SequenceResult& result)
{
    std::cerr << std::fixed << std::setprecision(1) << "neuron-engine: " << result.promptTokens << " prompt tokens at "
              << rate(result.promptTokens, result.timings.prefill) << " tok/s, " << result.generatedTokens
              << " generated at " << rate(result.generatedTokens - 1, result.timings.decode) << " tok/s\n";
}

int run(GenerateOptions& options)
{
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    LoadOptions load;
    load.threads = options.threads;
    load.quant = options.quant;
    load.cacheType = kernels::typeFromName(options.cacheType).value();
    load.contextTokens = options.context;
    load.maxSequences = 1;
    const auto engine = loadEngine(load, options.model);
    const double loadSeconds = std::chrono::duration<double>(Clock::now() - begin).count();

    SequenceRequest request;
    request.prompt = promptTokens(*engine, options);
    request.maxTokens = options.newTokens;
    request.sampling = options.sampling;
    request.sampling.seed = options.seed ? *options.seed : std::random_device{}();
    request.stop = options.stop;
    request.ignoreEos = options.ignoreEos;
    const std::vector<int32_t> prompt = request.prompt;

    std::function<bool(const std::string&)> stream;
    if (!options.json)
        stream = [](const std::string& text) { return bool(std::cout << text << std::flush); };
    const Generation generation = generate(*engine, std::move(request), stream);
    if (generation.result.reason == FinishReason::Failed)
        throw Error(ErrorKind::Internal, generation.result.error);
    if (options.json)
        std::cout << resultJson(prompt, generation, loadSeconds)
                         .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)
                  << '\n';
    else
        std::cout << '\n';
    std::cout.flush();
    if (generation.result.reason == FinishReason::Cancelled) {
        std::cerr << (Interrupt::requested() ? "neuron-engine: interrupted\n" : "neuron-engine: stdout was closed\n");
        return Failed;
    }
    if (!options.json)
        reportSpeed(generation.result);
    return Done;
}

} // namespace

void addGenerate(CLI::App& app, Commands& commands)
{
    const auto options = std::make_shared<GenerateOptions>();
    CLI::App* command = app.add_subcommand("generate", "Continue a prompt, streaming the text");
    command->add_option("-m,--model", options->model, "GGUF file, safetensors directory, or ORG/NAME[:QUANT]")
        ->required();
    CLI::Option_group* input = command->add_option_group("input", "What to continue");
    input->add_option("-p,--prompt", options->prompt, "Text, as it stands");
    CLI::Option* chat = input->add_option("-c,--chat", options->chat, "A user's message, in the model's chat template");
    CLI::Option* tokens =
        input->add_option("--tokens", options->tokens, "File with a JSON list of token ids (- is stdin)");
    input->require_option(1);
    command->add_option("--system", options->system, "System message before --chat")->needs(chat);
    command->add_option("-n", options->newTokens, "Most tokens to generate (0: until the context is full)")
        ->check(integerBetween(0, mostTokens))
        ->default_val(256);
    command->add_option("--temperature", options->sampling.temperature, "0 is greedy")
        ->check(between(0, 100))
        ->capture_default_str();
    command->add_option("--top-k", options->sampling.topK, "Keep the k likeliest tokens (0: all)")
        ->check(integerBetween(0, mostTokens))
        ->capture_default_str();
    command->add_option("--top-p", options->sampling.topP, "Keep the likeliest tokens that make up this share")
        ->check(between(0, 1))
        ->capture_default_str();
    command->add_option("--min-p", options->sampling.minP, "Drop tokens less likely than this share of the likeliest")
        ->check(between(0, 1))
        ->capture_default_str();
    command
        ->add_option("--repetition-penalty", options->sampling.repetitionPenalty,
                     "Above 1: tokens seen become less likely")
        ->check(between(0.01, 100))
        ->capture_default_str();
    command
        ->add_option("--presence-penalty", options->sampling.presencePenalty,
                     "Subtracted from logits of generated tokens")
        ->check(between(-100, 100))
        ->capture_default_str();
    command->add_option("--frequency-penalty", options->sampling.frequencyPenalty, "The same, per occurrence")
        ->check(between(-100, 100))
        ->capture_default_str();
    command->add_option("--seed", options->seed, "Equal seeds give equal texts (default: another one each time)");
    // One text at a time: CLI11 reads "[a,b]" as two where it collects a list itself.
    command
        ->add_option_function<std::string>(
            "--stop", [options](const std::string& text) { options->stop.push_back(text); },
            "Stop before this text; may be given several times")
        ->trigger_on_parse();
    addQuantOption(*command, options->quant);
    addCacheTypeOption(*command, options->cacheType);
    addThreadsOption(*command, options->threads);
    command->add_option("--context", options->context, "Longest sequence (0: the model's, or what fits)")
        ->check(integerBetween(0, mostTokens));
    command->add_flag("--ignore-eos", options->ignoreEos, "Go on after an end token");
    command->add_flag("--json", options->json, "Print one object with tokens, text and timings at the end");
    commands[command] = [options, chat, tokens] {
        options->input = chat->count() > 0 ? Input::Chat : tokens->count() > 0 ? Input::Tokens : Input::Prompt;
        return run(*options);
    };
}

} // namespace cortex::engine::cli
