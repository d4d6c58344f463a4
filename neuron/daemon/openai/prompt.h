// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/daemon/openai/requests.h"

/// From a request to the token ids that a model continues. Any thread, while the engine is leased; rendering and
/// tokenizing a long prompt takes a while.
namespace cortex::neuron {

struct RenderedPrompt {
    std::vector<int32_t> tokens;
    bool opensReasoning = false; ///< the model is to continue in the middle of its reasoning
};

/// Renders the model's chat template over the conversation and tokenizes the result; the template alone decides about
/// special tokens. Throws ApiError 400: the model has no tokenizer or template, or the template refuses.
RenderedPrompt conversationPrompt(const engine::Engine& engine, const Conversation& conversation);

/// Text with bos where the model wants one; token ids as they stand. Throws ApiError 400 for text without a tokenizer.
std::vector<int32_t> promptTokens(const engine::Engine& engine, const Prompt& prompt);

/// The tokenizer, or ApiError 400.
const engine::Tokenizer& requireTokenizer(const engine::Engine& engine);

} // namespace cortex::neuron
