// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/cli/command.h"
#include "neuron/engine/cli/session.h"
#include "neuron/engine/models/checkpoint.h"

#include <iostream>

namespace cortex::engine::cli {

namespace {

using Json = nlohmann::json;

struct TokenizeOptions {
    std::string model, tokenizer; ///< one of them
    bool bos = false;
    bool lines = false;
};

std::shared_ptr<const Tokenizer> openTokenizer(const TokenizeOptions& options)
{
    if (!options.tokenizer.empty() && !options.tokenizer.ends_with(".gguf"))
        return tokenizerFromJson(options.tokenizer);
    const Checkpoint checkpoint(options.tokenizer.empty() ? findModel(options.model)
                                                          : std::filesystem::path(options.tokenizer));
    auto tokenizer = checkpoint.tokenizer();
    if (!tokenizer)
        throw Error(ErrorKind::NotFound, checkpoint.path().string() + " has no tokenizer");
    return tokenizer;
}

std::string dump(const Json& json)
{
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// Applies `convert` to each line of JSON. A bad line gives {"error": …} in its place and the rest goes on.
void forEachLine(const std::function<Json(const Json&)>& convert)
{
    std::string line;
    while (std::getline(std::cin, line)) {
        Json result;
        try {
            result = convert(Json::parse(line));
        } catch (const Json::exception& error) {
            result = {{"error", error.what()}};
        } catch (const Error& error) {
            result = {{"error", error.what()}};
        }
        std::cout << dump(result) << '\n';
    }
}

int tokenize(const TokenizeOptions& options)
{
    const auto tokenizer = openTokenizer(options);
    const auto encode = [&](const std::string& text) { return Json(tokenizer->encode(text, {.addBos = options.bos})); };
    if (!options.lines) {
        std::cout << dump(encode(readAll(std::cin))) << '\n';
        return Done;
    }
    forEachLine([&](const Json& json) {
        if (!json.is_string())
            throw Error(ErrorKind::BadRequest, "not a JSON string");
        return encode(json.get<std::string>());
    });
    return Done;
}

int detokenize(const TokenizeOptions& options)
{
    const auto tokenizer = openTokenizer(options);
    const auto decode = [&](const std::vector<int32_t>& tokens) {
        for (const int32_t token : tokens)
            if (token >= tokenizer->vocabularySize())
                throw Error(ErrorKind::BadRequest,
                            "token " + std::to_string(token) + " is not in the vocabulary of "
                                + std::to_string(tokenizer->vocabularySize()));
        return tokenizer->decode(tokens);
    };
    if (!options.lines) {
        std::cout << decode(readTokens("-"));
        return Done;
    }
    forEachLine([&](const Json& json) { return Json(decode(tokensFromJson(json, "input"))); });
    return Done;
}

std::shared_ptr<TokenizeOptions> addOptions(CLI::App* command)
{
    const auto options = std::make_shared<TokenizeOptions>();
    CLI::Option_group* source = command->add_option_group("source", "Whose tokenizer");
    source->add_option("-m,--model", options->model, "GGUF file, safetensors directory, or ORG/NAME[:QUANT]");
    source->add_option("--tokenizer", options->tokenizer, "tokenizer.json, or a GGUF file");
    source->require_option(1);
    command->add_flag("--jsonl", options->lines, "One JSON value a line, in and out");
    return options;
}

} // namespace

void addTokenize(CLI::App& app, Commands& commands)
{
    CLI::App* encode = app.add_subcommand("tokenize", "Text on stdin to a JSON list of token ids");
    const auto encodeOptions = addOptions(encode);
    encode->add_flag("--bos", encodeOptions->bos, "Put the beginning-of-sequence token first");
    commands[encode] = [encodeOptions] { return tokenize(*encodeOptions); };

    CLI::App* decode = app.add_subcommand("detokenize", "A JSON list of token ids on stdin to text");
    const auto decodeOptions = addOptions(decode);
    commands[decode] = [decodeOptions] { return detokenize(*decodeOptions); };
}

} // namespace cortex::engine::cli
