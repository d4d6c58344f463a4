// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/openai/completionformat.h"

#include "core/sse.h"

#include <QDateTime>
#include <QJsonArray>
#include <QJsonDocument>
#include <QStringDecoder>
#include <QUuid>

namespace cortex::neuron {

namespace {

/// All of it: QString's own conversions take a U+FEFF at the front for a byte order mark, and each piece has a front.
QString textOf(const std::string& utf8)
{
    return QStringDecoder(QStringDecoder::Utf8, QStringDecoder::Flag::ConvertInitialBom).decode(QByteArrayView(utf8));
}

QJsonObject usageOf(const engine::SequenceResult& result)
{
    return {
        {QStringLiteral("prompt_tokens"), result.promptTokens},
        {QStringLiteral("completion_tokens"), result.generatedTokens},
        {QStringLiteral("total_tokens"), result.promptTokens + result.generatedTokens},
        {QStringLiteral("prompt_tokens_details"), QJsonObject{{QStringLiteral("cached_tokens"), result.cachedTokens}}}};
}

/// Our extension. Decode begins at the first token, so its speed counts the ones after it.
QJsonObject timingsOf(const engine::SequenceResult& result)
{
    const auto perSecond = [](int tokens, double seconds) {
        return seconds > 0 && tokens > 0 ? tokens / seconds : 0.0;
    };
    const engine::SequenceTimings& timings = result.timings;
    return {
        {QStringLiteral("queue_ms"), timings.queue * 1000},
        {QStringLiteral("prefill_ms"), timings.prefill * 1000},
        {QStringLiteral("decode_ms"), timings.decode * 1000},
        {QStringLiteral("prompt_per_second"), perSecond(result.promptTokens - result.cachedTokens, timings.prefill)},
        {QStringLiteral("predicted_per_second"), perSecond(result.generatedTokens - 1, timings.decode)}};
}

/// Says which stop string ended it, as vLLM does; translators to other dialects need it.
void addStopString(QJsonObject& choice, const engine::SequenceResult& result)
{
    if (result.reason == engine::FinishReason::StopString)
        choice.insert(QStringLiteral("stop_reason"), textOf(result.stopString));
}

} // namespace

void CompletionOutput::add(OutputPiece piece)
{
    if (const auto* content = std::get_if<ContentText>(&piece))
        text += content->text;
    else if (const auto* thought = std::get_if<ReasoningText>(&piece))
        reasoning += thought->text;
    else
        toolCalls.push_back(std::move(std::get<ToolCall>(piece)));
}

CompletionFormat::CompletionFormat(Kind kind, const QString& model)
    : m_kind(kind)
    , m_id((kind == Kind::Chat ? QStringLiteral("chatcmpl-") : QStringLiteral("cmpl-"))
           + QUuid::createUuid().toString(QUuid::Id128))
    , m_model(model)
    , m_created(QDateTime::currentSecsSinceEpoch())
{
}

QString CompletionFormat::promptParam() const
{
    return m_kind == Kind::Chat ? QStringLiteral("messages") : QStringLiteral("prompt");
}

QJsonObject CompletionFormat::envelope(bool chunk) const
{
    const QString object = m_kind == Kind::Text ? QStringLiteral("text_completion")
        : chunk                                 ? QStringLiteral("chat.completion.chunk")
                                                : QStringLiteral("chat.completion");
    return {{QStringLiteral("id"), m_id},
            {QStringLiteral("object"), object},
            {QStringLiteral("created"), m_created},
            {QStringLiteral("model"), m_model}};
}

QJsonObject CompletionFormat::choice(const QJsonObject& content, const QJsonValue& reason) const
{
    QJsonObject choice = content;
    choice.insert(QStringLiteral("index"), 0);
    choice.insert(QStringLiteral("logprobs"), QJsonValue());
    choice.insert(QStringLiteral("finish_reason"), reason);
    return choice;
}

QByteArray CompletionFormat::frame(const QJsonObject& choiceObject, const QJsonObject& extra) const
{
    QJsonObject chunk = envelope(true);
    chunk.insert(QStringLiteral("choices"), QJsonArray{choiceObject});
    for (auto field = extra.begin(); field != extra.end(); ++field)
        chunk.insert(field.key(), field.value());
    return sseFrame({}, QJsonDocument(chunk).toJson(QJsonDocument::Compact));
}

QByteArray CompletionFormat::opening() const
{
    if (m_kind == Kind::Text)
        return {};
    const QJsonObject delta{{QStringLiteral("role"), QStringLiteral("assistant")},
                            {QStringLiteral("content"), QString()}};
    return frame(choice({{QStringLiteral("delta"), delta}}, QJsonValue()));
}

QByteArray CompletionFormat::piece(const OutputPiece& piece)
{
    QJsonObject delta;
    if (const auto* content = std::get_if<ContentText>(&piece)) {
        const QString text = textOf(content->text);
        if (m_kind == Kind::Text)
            return frame(choice({{QStringLiteral("text"), text}}, QJsonValue()));
        delta.insert(QStringLiteral("content"), text);
    } else if (const auto* reasoning = std::get_if<ReasoningText>(&piece)) {
        delta.insert(QStringLiteral("reasoning_content"), textOf(reasoning->text));
    } else {
        const int index = m_toolCalls;
        QJsonObject call = toolCall(std::get<ToolCall>(piece));
        call.insert(QStringLiteral("index"), index);
        delta.insert(QStringLiteral("tool_calls"), QJsonArray{call});
    }
    return frame(choice({{QStringLiteral("delta"), delta}}, QJsonValue()));
}

QJsonObject CompletionFormat::toolCall(const ToolCall& call)
{
    ++m_toolCalls;
    return {{QStringLiteral("id"), QString(QStringLiteral("call_") + QUuid::createUuid().toString(QUuid::Id128))},
            {QStringLiteral("type"), QStringLiteral("function")},
            {QStringLiteral("function"),
             QJsonObject{{QStringLiteral("name"), textOf(call.name)},
                         {QStringLiteral("arguments"), textOf(call.arguments)}}}};
}

QString CompletionFormat::finishReason(const engine::SequenceResult& result) const
{
    if (result.reason == engine::FinishReason::Length)
        return QStringLiteral("length");
    return m_toolCalls > 0 ? QStringLiteral("tool_calls") : QStringLiteral("stop");
}

QByteArray CompletionFormat::closing(const engine::SequenceResult& result) const
{
    const QJsonObject empty = m_kind == Kind::Text ? QJsonObject{{QStringLiteral("text"), QString()}}
                                                   : QJsonObject{{QStringLiteral("delta"), QJsonObject()}};
    QJsonObject last = choice(empty, finishReason(result));
    addStopString(last, result);
    return frame(last, {{QStringLiteral("timings"), timingsOf(result)}});
}

QByteArray CompletionFormat::usage(const engine::SequenceResult& result) const
{
    QJsonObject chunk = envelope(true);
    chunk.insert(QStringLiteral("choices"), QJsonArray());
    chunk.insert(QStringLiteral("usage"), usageOf(result));
    return sseFrame({}, QJsonDocument(chunk).toJson(QJsonDocument::Compact));
}

QByteArray CompletionFormat::done()
{
    return sseFrame({}, "[DONE]");
}

QJsonObject CompletionFormat::message(const CompletionOutput& output)
{
    QJsonObject message{{QStringLiteral("role"), QStringLiteral("assistant")},
                        {QStringLiteral("content"), textOf(output.text)}};
    if (!output.reasoning.empty())
        message.insert(QStringLiteral("reasoning_content"), textOf(output.reasoning));
    if (!output.toolCalls.empty()) {
        QJsonArray calls;
        for (const ToolCall& call : output.toolCalls)
            calls.append(toolCall(call));
        message.insert(QStringLiteral("tool_calls"), calls);
        if (output.text.empty())
            message.insert(QStringLiteral("content"), QJsonValue());
    }
    return message;
}

QJsonObject CompletionFormat::whole(const CompletionOutput& output, const engine::SequenceResult& result)
{
    const QJsonObject body = m_kind == Kind::Text ? QJsonObject{{QStringLiteral("text"), textOf(output.text)}}
                                                  : QJsonObject{{QStringLiteral("message"), message(output)}};
    QJsonObject only = choice(body, finishReason(result));
    addStopString(only, result);
    QJsonObject answer = envelope(false);
    answer.insert(QStringLiteral("choices"), QJsonArray{only});
    answer.insert(QStringLiteral("usage"), usageOf(result));
    answer.insert(QStringLiteral("timings"), timingsOf(result));
    return answer;
}

} // namespace cortex::neuron
