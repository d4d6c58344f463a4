// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/cli/command.h"
#include "neuron/engine/cli/session.h"
#include "neuron/engine/models/checkpoint.h"
#include "neuron/engine/template/contextreader.h"

#include <cstdio>
#include <iostream>

namespace cortex::engine::cli {

namespace {

struct RenderOptions {
    std::string model, file; ///< one of them
    std::string now;
    bool lines = false;
};

/// "2026-07-04T09:30" or with seconds, as local time; nothing for anything else.
std::optional<std::chrono::local_seconds> parseTime(const std::string& text)
{
    int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, length = 0, secondsLength = 0;
    bool matched =
        std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d%n", &year, &month, &day, &hour, &minute, &length) == 5;
    const std::string rest = text.substr(size_t(length));
    if (!rest.empty())
        matched = matched && std::sscanf(rest.c_str(), ":%2d%n", &second, &secondsLength) == 1
            && size_t(secondsLength) == rest.size();
    const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(unsigned(month)),
                                           std::chrono::day(unsigned(day))};
    const auto within = [](int value, int limit) { return value >= 0 && value <= limit; };
    if (!matched || !date.ok() || !within(hour, 23) || !within(minute, 59) || !within(second, 60))
        return std::nullopt;
    return std::chrono::local_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute)
        + std::chrono::seconds(second);
}

/// A template, and what a model adds to a context that does not say otherwise.
struct Source {
    ChatTemplate chatTemplate;
    TemplateContext defaults;
};

std::string readTemplate(const std::string& path)
{
    std::error_code ignored; // what is wrong with the file, open() says better
    if (std::filesystem::file_size(path, ignored) == 0)
        return {}; // a template that renders nothing; there is nothing to map in it
    const auto file = MappedFile::open(path);
    const auto bytes = file->bytes();
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Source openTemplate(const RenderOptions& options)
{
    if (!options.file.empty())
        return {ChatTemplate(readTemplate(options.file), options.file), TemplateContext::object()};
    const Checkpoint checkpoint(findModel(options.model));
    const auto source = checkpoint.chatTemplateSource();
    if (!source)
        throw Error(ErrorKind::NotFound, checkpoint.path().string() + " has no chat template");
    TemplateContext defaults = TemplateContext::object();
    if (const auto tokenizer = checkpoint.tokenizer()) {
        if (tokenizer->bos())
            defaults["bos_token"] = tokenizer->tokenBytes(*tokenizer->bos());
        if (tokenizer->eos())
            defaults["eos_token"] = tokenizer->tokenBytes(*tokenizer->eos());
    }
    return {ChatTemplate(*source, checkpoint.path().string()), defaults};
}

std::string render(const Source& source, const std::string& text, std::chrono::local_seconds now)
{
    TemplateContext context = readContext(text, "the context");
    if (!context.is_object())
        throw Error(ErrorKind::BadRequest, "the context is not a JSON object");
    for (const auto& [name, value] : source.defaults.items()) {
        if (!context.contains(name))
            context[name] = value;
    }
    return source.chatTemplate.render(context, now);
}

int run(const RenderOptions& options)
{
    const auto now = options.now.empty() ? localNow() : *parseTime(options.now);
    const Source source = openTemplate(options);
    if (!options.lines) {
        std::cout << render(source, readAll(std::cin), now);
        return Done;
    }
    std::string line;
    while (std::getline(std::cin, line)) {
        nlohmann::ordered_json result;
        try {
            result["prompt"] = render(source, line, now);
        } catch (const Error& error) {
            result["error"] = error.what();
        }
        std::cout << result.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
    }
    return Done;
}

} // namespace

void addRender(CLI::App& app, Commands& commands)
{
    const auto options = std::make_shared<RenderOptions>();
    CLI::App* command = app.add_subcommand("render", "A template context (JSON on stdin) to the prompt");
    CLI::Option_group* source = command->add_option_group("source", "Whose template");
    source->add_option("-m,--model", options->model, "GGUF file, safetensors directory, or ORG/NAME[:QUANT]");
    source->add_option("--template", options->file, "File with a Jinja template");
    source->require_option(1);
    command->add_option("--now", options->now, "The time that strftime_now tells, like 2026-07-04T09:30 (default: now)")
        ->check([](const std::string& text) {
            return parseTime(text) ? std::string() : "not a time like 2026-07-04T09:30: " + text;
        });
    command->add_flag("--jsonl", options->lines, R"(One context a line; one {"prompt": …} or {"error": …} a line)");
    commands[command] = [options] { return run(*options); };
}

} // namespace cortex::engine::cli
