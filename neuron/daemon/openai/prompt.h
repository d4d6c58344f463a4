// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/daemon/openai/requests.h"

#include <atomic>

/// From a request to the token ids that a model continues. Any thread, while the engine is leased; rendering and
/// tokenizing a long prompt takes a while.
namespace cortex::neuron {

/// Whether nobody waits for the work any more. Set on the main thread, read on workers before each long step.
using Abandoned = std::atomic<bool>;

/// Throws ApiError 503 once the work is abandoned.
void throwIfAbandoned(const Abandoned& abandoned);

struct RenderedPrompt {
    std::vector<int32_t> tokens;
    bool opensReasoning = false; ///< the model is to continue in the middle of its reasoning
};

/// The model's chat template over the conversation. Throws ApiError 400: the model has no tokenizer or template, or the
/// template refuses.
std::string renderConversation(const engine::Engine& engine, const Conversation& conversation);

/// Renders and tokenizes a conversation; the template alone decides about special tokens. Throws ApiError 400 as
/// renderConversation does, and for text that is certain to exceed the context.
RenderedPrompt conversationPrompt(const engine::Engine& engine, const Conversation& conversation,
                                  const Abandoned& abandoned);

/// Text with bos where the model wants one; token ids as they stand. Throws ApiError 400 for text without a tokenizer,
/// and for text that is certain to exceed the context.
std::vector<int32_t> promptTokens(const engine::Engine& engine, const Prompt& prompt, const Abandoned& abandoned);

/// The tokenizer, or ApiError 400.
const engine::Tokenizer& requireTokenizer(const engine::Engine& engine);

} // namespace cortex::neuron
