// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/text/pretokenizer.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cortex::engine {

/// What the name in `tokenizer.ggml.pre` stands for. A GGUF file does not hold the split itself, only this name for it.
struct GgufPreTokenizer {
    PreTokenizer preTokenizer;
    bool normalizeNfc = false;
    bool ignoreMerges = false;
    bool addsBos = false; ///< where the file itself does not say
};

std::optional<GgufPreTokenizer> ggufPreTokenizer(std::string_view name);

/// The usual name of a row of splits (regular expressions that isolate their matches) with these settings; nothing
/// where there is none.
std::optional<std::string> ggufPreTokenizerName(const std::vector<std::string>& splits, bool normalizeNfc,
                                                bool ignoreMerges);

/// The split that is ByteLevel's own.
std::string_view ggufGpt2Split();

/// All names, with commas, for messages.
std::string ggufPreTokenizerNames();

} // namespace cortex::engine
