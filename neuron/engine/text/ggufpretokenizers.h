// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/text/pretokenizer.h"

#include <optional>
#include <string>
#include <string_view>

namespace cortex::engine {

/// What the name in `tokenizer.ggml.pre` stands for. A GGUF file does not hold the split itself, only this name for it.
struct GgufPreTokenizer {
    PreTokenizer preTokenizer;
    bool normalizeNfc = false;
    bool ignoreMerges = false;
    bool addsBos = false; ///< where the file itself does not say
};

std::optional<GgufPreTokenizer> ggufPreTokenizer(std::string_view name);

/// All names, with commas, for messages.
std::string ggufPreTokenizerNames();

} // namespace cortex::engine
