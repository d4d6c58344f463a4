// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/daemon/openai/jsonreader.h"
#include "neuron/engine/engine.h"

#include <QString>

#include <variant>

/// Bodies of the inference routes as structs: bytes → struct, pure functions, thrown at by the tests and the fuzzer.
/// All throw ApiError 400 naming the parameter. Unknown fields are ignored; a known one that we cannot honour is an
/// error.
namespace cortex::neuron {

/// What every generating request may say.
struct GenerationOptions {
    int maxTokens = 0; ///< 0: until the context is full
    engine::SamplingOptions sampling;
    std::vector<std::string> stop;
    bool ignoreEos = false;
    bool stream = false;
    bool includeUsage = false; ///< of a stream: one more chunk with the usage
};

/// A conversation as a chat template takes it. Messages are normalised: content is a string (text parts joined, null
/// becomes empty), "developer" is "system", arguments of tool calls are objects where they hold one.
struct Conversation {
    Json messages = Json::array();
    Json tools; ///< null where there are none
    Json templateVariables; ///< chat_template_kwargs: an object, or null
    bool addGenerationPrompt = true;
};

/// POST /v1/chat/completions.
struct ChatRequest {
    QString model;
    Conversation conversation;
    GenerationOptions options;
};
ChatRequest parseChatRequest(QByteArrayView body);

/// Text, or token ids as they stand.
using Prompt = std::variant<std::string, std::vector<int32_t>>;

/// POST /v1/completions.
struct CompletionRequest {
    QString model;
    Prompt prompt;
    GenerationOptions options;
};
CompletionRequest parseCompletionRequest(QByteArrayView body);

/// POST /tokenize: plain text, or a conversation (for the exact count of a chat request).
struct TokenizeRequest {
    QString model; ///< empty: the one that is loaded
    std::variant<std::string, Conversation> input;
    bool addSpecial = false;
};
TokenizeRequest parseTokenizeRequest(QByteArrayView body);

/// POST /detokenize.
struct DetokenizeRequest {
    QString model;
    std::vector<int32_t> tokens;
};
DetokenizeRequest parseDetokenizeRequest(QByteArrayView body);

/// POST /v1/embeddings, of which only the model matters so far; empty where absent.
QString parseEmbeddingsModel(QByteArrayView body);

} // namespace cortex::neuron
