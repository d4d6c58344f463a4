// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/openai/prompt.h"

#include "neuron/daemon/apierror.h"
#include "neuron/daemon/openai/outputparser.h"

#include <ctime>

namespace cortex::neuron {

namespace {

/// The wall clock of this machine's time zone, for strftime_now.
std::chrono::local_seconds localNow()
{
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    localtime_r(&now, &parts);
    return std::chrono::local_seconds(std::chrono::seconds(now + parts.tm_gmtoff));
}

/// The variables that transformers gives a template: absent tools and documents are none, not undefined.
engine::TemplateContext templateContext(const engine::Tokenizer& tokenizer, const Conversation& conversation)
{
    engine::TemplateContext context =
        conversation.templateVariables.is_object() ? conversation.templateVariables : Json::object();
    context["messages"] = conversation.messages;
    context["tools"] = conversation.tools;
    if (!context.contains("documents"))
        context["documents"] = nullptr;
    context["add_generation_prompt"] = conversation.addGenerationPrompt;
    if (const auto bos = tokenizer.bos())
        context["bos_token"] = tokenizer.tokenBytes(*bos);
    if (const auto eos = tokenizer.eos())
        context["eos_token"] = tokenizer.tokenBytes(*eos);
    return context;
}

/// Refuses what its bytes alone show to be too long. Tokenizing takes long, and would only tell by how much.
void checkLength(const engine::Engine& engine, const engine::Tokenizer& tokenizer, const std::string& text,
                 const QString& param)
{
    const size_t least = tokenizer.leastTokens(text);
    const auto context = size_t(engine.memory().contextTokens);
    if (least <= context)
        return;
    throw ApiError(400, QStringLiteral("invalid_request_error"), QStringLiteral("context_length_exceeded"),
                   QStringLiteral("This model's maximum context length is %1 tokens, and the prompt has at least %2. "
                                  "Shorten the prompt.")
                       .arg(context)
                       .arg(least),
                   param);
}

} // namespace

void throwIfAbandoned(const Abandoned& abandoned)
{
    if (abandoned)
        throw ApiError::unavailable(QStringLiteral("model_unloading"), QStringLiteral("The model is being unloaded"),
                                    5);
}

const engine::Tokenizer& requireTokenizer(const engine::Engine& engine)
{
    const auto tokenizer = engine.tokenizer();
    if (!tokenizer)
        throw ApiError::badRequest(
            QStringLiteral("this model comes without a tokenizer: send token ids to /v1/completions"));
    return *tokenizer; // the engine holds it too, and the engine is leased
}

std::string renderConversation(const engine::Engine& engine, const Conversation& conversation)
{
    const engine::Tokenizer& tokenizer = requireTokenizer(engine);
    const engine::ChatTemplate* chatTemplate = engine.chatTemplate();
    if (!chatTemplate) {
        throw ApiError::badRequest(
            QStringLiteral("this model has no chat template (it is a base model): use /v1/completions"),
            QStringLiteral("messages"));
    }
    try {
        return chatTemplate->render(templateContext(tokenizer, conversation), localNow());
    } catch (const engine::Error& error) {
        throw ApiError::fromEngine(error, QStringLiteral("messages"));
    }
}

RenderedPrompt conversationPrompt(const engine::Engine& engine, const Conversation& conversation,
                                  const Abandoned& abandoned)
{
    const std::string text = renderConversation(engine, conversation);
    const engine::Tokenizer& tokenizer = requireTokenizer(engine);
    checkLength(engine, tokenizer, text, QStringLiteral("messages"));
    throwIfAbandoned(abandoned);
    return {tokenizer.encode(text, {.addBos = false, .parseSpecial = true}), opensReasoning(text)};
}

std::vector<int32_t> promptTokens(const engine::Engine& engine, const Prompt& prompt, const Abandoned& abandoned)
{
    if (const auto* tokens = std::get_if<std::vector<int32_t>>(&prompt))
        return *tokens;
    const engine::Tokenizer& tokenizer = requireTokenizer(engine);
    const auto& text = std::get<std::string>(prompt);
    checkLength(engine, tokenizer, text, QStringLiteral("prompt"));
    throwIfAbandoned(abandoned);
    return tokenizer.encode(text, {.addBos = tokenizer.wantsBos(), .parseSpecial = true});
}

} // namespace cortex::neuron
