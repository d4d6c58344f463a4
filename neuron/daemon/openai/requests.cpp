// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/openai/requests.h"

#include "neuron/daemon/apierror.h"
#include "neuron/daemon/openai/fields.h"

#include <algorithm>
#include <charconv>
#include <random>

namespace cortex::neuron {

namespace {

constexpr size_t MaxStopStrings = 64;
constexpr size_t MaxStopBytes = 1024;
constexpr size_t MaxLogitBiases = 1024; // each costs something for every token, on the engine's thread
constexpr int64_t MaxTokens = 1 << 30;

/// A known field that we cannot honour: honest refusal instead of an answer that silently differs.
[[noreturn]] void throwUnsupported(const char* name, const QString& what)
{
    const QString field = QLatin1String(name);
    throw ApiError(400, QStringLiteral("invalid_request_error"), QStringLiteral("unsupported_parameter"),
                   QStringLiteral("'%1': %2 is not supported by this server").arg(field, what), field);
}

QString requireModel(const Json& body)
{
    const auto model = stringField(body, "model");
    if (!model || model->empty())
        throw ApiError::badRequest(QStringLiteral("you must provide a 'model'"), QStringLiteral("model"));
    return QString::fromStdString(*model);
}

std::vector<std::string> parseStop(const Json& body)
{
    const Json* field = findField(body, "stop");
    if (!field)
        return {};
    std::vector<std::string> stops;
    const auto add = [&stops](const Json& item) {
        if (!item.is_string() || item.get_ref<const std::string&>().size() > MaxStopBytes)
            throwBadField("stop",
                          QStringLiteral("a string or a list of strings, each at most %1 bytes").arg(MaxStopBytes));
        if (!item.get_ref<const std::string&>().empty())
            stops.push_back(item.get<std::string>());
    };
    if (!field->is_array()) {
        add(*field);
        return stops;
    }
    if (field->size() > MaxStopStrings)
        throwBadField("stop", QStringLiteral("at most %1 strings").arg(MaxStopStrings));
    for (const Json& item : *field)
        add(item);
    return stops;
}

std::map<int32_t, float> parseLogitBias(const Json& body)
{
    const Json* field = findField(body, "logit_bias");
    if (!field)
        return {};
    const QString expected = QStringLiteral("an object from token ids to numbers from -100 to 100");
    if (!field->is_object())
        throwBadField("logit_bias", expected);
    if (field->size() > MaxLogitBiases)
        throwBadField("logit_bias", QStringLiteral("at most %1 token ids").arg(MaxLogitBiases));
    std::map<int32_t, float> bias;
    for (const auto& [key, value] : field->items()) {
        int32_t token = 0;
        const auto [end, fault] = std::from_chars(key.data(), key.data() + key.size(), token);
        const bool whole = fault == std::errc() && end == key.data() + key.size() && token >= 0;
        if (!whole || !value.is_number() || !(std::abs(value.get<double>()) <= 100))
            throwBadField("logit_bias", expected);
        bias[token] = value.get<float>();
    }
    return bias;
}

uint64_t randomSeed()
{
    std::random_device device;
    return uint64_t(device()) << 32 | device();
}

engine::SamplingOptions parseSampling(const Json& body)
{
    engine::SamplingOptions sampling;
    sampling.temperature = float(numberField(body, "temperature", 0, 100).value_or(1));
    sampling.topP = float(numberField(body, "top_p", 0, 1).value_or(1));
    sampling.minP = float(numberField(body, "min_p", 0, 1).value_or(0));
    sampling.topK = int(std::max<int64_t>(0, integerField(body, "top_k", -1, MaxTokens).value_or(0))); // -1: all
    sampling.presencePenalty = float(numberField(body, "presence_penalty", -2, 2).value_or(0));
    sampling.frequencyPenalty = float(numberField(body, "frequency_penalty", -2, 2).value_or(0));
    sampling.repetitionPenalty = float(numberField(body, "repetition_penalty", 0.01, 100).value_or(1));
    sampling.logitBias = parseLogitBias(body);
    const auto seed =
        integerField(body, "seed", std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max());
    sampling.seed = seed ? uint64_t(*seed) : randomSeed();
    return sampling;
}

/// What changes the answer and cannot be done here.
void refuseUnsupported(const Json& body)
{
    if (integerField(body, "n", 1, 128).value_or(1) != 1)
        throwUnsupported("n", QStringLiteral("more than one choice"));
    if (integerField(body, "best_of", 1, 128).value_or(1) != 1)
        throwUnsupported("best_of", QStringLiteral("more than one candidate"));
    if (const Json* logprobs = findField(body, "logprobs"); logprobs && *logprobs != false)
        throwUnsupported("logprobs", QStringLiteral("log probabilities"));
    if (const Json* format = findField(body, "response_format")) {
        const auto type = format->is_object() ? stringField(*format, "type") : std::nullopt;
        if (!type)
            throwBadField("response_format", QStringLiteral("an object with a type"));
        if (*type != "text")
            throwUnsupported("response_format", QStringLiteral("constrained output"));
    }
}

GenerationOptions parseOptions(const Json& body)
{
    refuseUnsupported(body);
    GenerationOptions options;
    const auto maxCompletionTokens = integerField(body, "max_completion_tokens", 1, MaxTokens);
    const auto maxTokens = integerField(body, "max_tokens", 1, MaxTokens);
    options.maxTokens = int(maxCompletionTokens ? *maxCompletionTokens : maxTokens.value_or(0));
    options.sampling = parseSampling(body);
    options.stop = parseStop(body);
    options.ignoreEos = boolField(body, "ignore_eos").value_or(false);
    options.stream = boolField(body, "stream").value_or(false);
    if (const Json* streamOptions = findField(body, "stream_options")) {
        if (!streamOptions->is_object())
            throwBadField("stream_options", QStringLiteral("an object"));
        options.includeUsage = boolField(*streamOptions, "include_usage").value_or(false);
    }
    return options;
}

// Conversations.
// -------------------------------------------------------------------------------------------------------

/// "messages[3].content", for error messages.
std::string placeOf(size_t index, const char* field)
{
    return "messages[" + std::to_string(index) + "]." + field;
}

/// Content as one string. Parts other than text are refused: no model here sees pictures.
std::string contentText(const Json& message, size_t index)
{
    const Json* content = findField(message, "content");
    if (!content)
        return {};
    if (content->is_string())
        return content->get<std::string>();
    const std::string place = placeOf(index, "content");
    if (!content->is_array())
        throwBadField(place.c_str(), QStringLiteral("a string, null, or a list of text parts"));
    std::string text;
    for (const Json& part : *content) {
        const auto type = part.is_object() ? stringField(part, "type") : std::nullopt;
        const auto partText = part.is_object() ? stringField(part, "text") : std::nullopt;
        if (type && *type != "text")
            throwUnsupported(place.c_str(),
                             QStringLiteral("content of type \"%1\"").arg(QString::fromStdString(*type)));
        if (!type || !partText)
            throwBadField(place.c_str(), QStringLiteral("parts of the form {\"type\": \"text\", \"text\": \"…\"}"));
        text += *partText;
    }
    return text;
}

/// Templates print arguments as JSON objects; OpenAI's wire has them as a string of JSON.
void unpackToolCalls(Json& message, size_t index)
{
    const auto calls = message.find("tool_calls");
    if (calls == message.end() || calls->is_null())
        return;
    const std::string place = placeOf(index, "tool_calls");
    const QString expected = QStringLiteral("a list of {\"function\": {\"name\", \"arguments\"}}");
    if (!calls->is_array())
        throwBadField(place.c_str(), expected);
    for (Json& call : *calls) {
        if (!call.is_object() || !call.contains("function") || !call["function"].is_object())
            throwBadField(place.c_str(), expected);
        Json& function = call["function"];
        const auto arguments = function.find("arguments");
        if (arguments == function.end() || !arguments->is_string())
            continue;
        try {
            Json object = parseJson(arguments->get_ref<const std::string&>());
            if (object.is_object())
                *arguments = std::move(object);
        } catch (const ApiError&) {
            // a model may have written arguments that are not JSON; the template shows them as they stand
        }
    }
}

Json normaliseMessage(const Json& source, size_t index)
{
    if (!source.is_object())
        throwBadField(("messages[" + std::to_string(index) + "]").c_str(), QStringLiteral("an object"));
    const auto role = stringField(source, "role");
    static const std::vector<std::string> roles = {"system", "developer", "user", "assistant", "tool", "function"};
    if (!role || std::find(roles.begin(), roles.end(), *role) == roles.end()) {
        throwBadField(placeOf(index, "role").c_str(),
                      QStringLiteral("one of system, developer, user, assistant, tool, function"));
    }
    const bool mayBeEmpty = *role == "assistant" || *role == "tool" || *role == "function";
    if (!mayBeEmpty && !findField(source, "content"))
        throwBadField(placeOf(index, "content").c_str(), QStringLiteral("a string or a list of text parts"));
    Json message = source;
    message["role"] = *role == "developer" ? "system" : *role;
    message["content"] = contentText(source, index);
    if (const Json* reasoning = findField(source, "reasoning"); reasoning && !findField(source, "reasoning_content"))
        message["reasoning_content"] = *reasoning; // as OpenRouter's clients name it
    unpackToolCalls(message, index);
    return message;
}

Json parseTools(const Json& body)
{
    const Json* tools = findField(body, "tools");
    if (!tools)
        return nullptr;
    if (!tools->is_array())
        throwBadField("tools", QStringLiteral("a list"));
    for (const Json& tool : *tools) {
        if (!tool.is_object())
            throwBadField("tools", QStringLiteral("a list of objects"));
    }
    const Json* choice = findField(body, "tool_choice");
    const bool none = choice && *choice == "none";
    return tools->empty() || none ? Json(nullptr) : *tools;
}

Conversation parseConversation(const Json& body)
{
    const Json* messages = findField(body, "messages");
    if (!messages || !messages->is_array() || messages->empty())
        throwBadField("messages", QStringLiteral("a list of at least one message"));
    Conversation conversation;
    for (size_t i = 0; i < messages->size(); ++i)
        conversation.messages.push_back(normaliseMessage((*messages)[i], i));
    conversation.tools = parseTools(body);
    conversation.addGenerationPrompt = boolField(body, "add_generation_prompt").value_or(true);
    if (const Json* variables = findField(body, "chat_template_kwargs")) {
        if (!variables->is_object())
            throwBadField("chat_template_kwargs", QStringLiteral("an object"));
        conversation.templateVariables = *variables;
    }
    return conversation;
}

Prompt parsePrompt(const Json& body)
{
    const Json* field = findField(body, "prompt");
    const QString expected = QStringLiteral("a string or a list of token ids");
    if (!field)
        throwBadField("prompt", expected);
    if (field->is_string())
        return field->get<std::string>();
    if (!field->is_array() || field->empty())
        throwBadField("prompt", expected);
    const Json& first = field->front();
    if (!first.is_string() && !first.is_array())
        return tokenList(*field, "prompt");
    if (field->size() != 1) // a batch in one request
        throwUnsupported("prompt", QStringLiteral("more than one prompt in a request"));
    return first.is_string() ? Prompt(first.get<std::string>()) : Prompt(tokenList(first, "prompt"));
}

QString optionalModel(const Json& body)
{
    return QString::fromStdString(stringField(body, "model").value_or(std::string()));
}

} // namespace

ChatRequest parseChatRequest(QByteArrayView bytes)
{
    const Json body = parseObject(bytes);
    return {requireModel(body), parseConversation(body), parseOptions(body)};
}

CompletionRequest parseCompletionRequest(QByteArrayView bytes)
{
    const Json body = parseObject(bytes);
    if (boolField(body, "echo").value_or(false))
        throwUnsupported("echo", QStringLiteral("echoing the prompt"));
    if (const auto suffix = stringField(body, "suffix"); suffix && !suffix->empty())
        throwUnsupported("suffix", QStringLiteral("filling in before a suffix"));
    return {requireModel(body), parsePrompt(body), parseOptions(body)};
}

TokenizeRequest parseTokenizeRequest(QByteArrayView bytes)
{
    const Json body = parseObject(bytes);
    TokenizeRequest request;
    request.model = optionalModel(body);
    request.addSpecial = boolField(body, "add_special").value_or(false);
    if (findField(body, "messages")) {
        request.input = parseConversation(body);
        return request;
    }
    auto text = stringField(body, "content");
    if (!text)
        text = stringField(body, "prompt");
    if (!text)
        throwBadField("content", QStringLiteral("a string (or \"messages\")"));
    request.input = std::move(*text);
    return request;
}

DetokenizeRequest parseDetokenizeRequest(QByteArrayView bytes)
{
    const Json body = parseObject(bytes);
    const Json* tokens = findField(body, "tokens");
    if (!tokens || !tokens->is_array())
        throwBadField("tokens", QStringLiteral("a list of token ids"));
    return {optionalModel(body), tokenList(*tokens, "tokens")};
}

QString parseEmbeddingsModel(QByteArrayView bytes)
{
    return optionalModel(parseObject(bytes));
}

} // namespace cortex::neuron
