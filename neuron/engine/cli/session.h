// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/engine.h"

#include <nlohmann/json.hpp>

#include <condition_variable>
#include <mutex>

namespace cortex::engine::cli {

/// Loads a model with a progress line on stderr where that is a terminal; Ctrl-C stops it.
std::unique_ptr<Engine> loadEngine(LoadOptions options, const std::string& model);

/// Runs one sequence to its end in the calling thread's time. `onText` gets text as it becomes certain, on that same
/// thread; returning false stops the sequence. Ctrl-C stops it too.
struct Generation {
    std::vector<int32_t> tokens; ///< generated
    std::string text;
    SequenceResult result;
};
Generation generate(Engine& engine, SequenceRequest request,
                    const std::function<bool(const std::string&)>& onText = {});

/// A JSON list of token ids from a file; "-" is stdin. Throws Error(BadRequest) naming file and cause.
std::vector<int32_t> readTokens(const std::string& path);
std::vector<int32_t> tokensFromJson(const nlohmann::json& json, const std::string& where);

/// A rendered chat prompt as tokens: the beginning-of-sequence token is put first where the model wants it and the
/// template has not written it.
std::vector<int32_t> encodeRendered(const Tokenizer& tokenizer, const std::string& prompt);

/// This moment as local time, for strftime_now.
std::chrono::local_seconds localNow();

/// Reads a whole stream.
std::string readAll(std::istream& stream);

} // namespace cortex::engine::cli
