// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/formats/jsonfile.h"

namespace cortex::engine {

/// The tokens of a tokenizer.json as GGUF lists them: a text and a type for every id of the model.
struct TokenTable {
    /// tokenizer.ggml.token_type.
    enum Type : int32_t { Normal = 1, Unknown = 2, Control = 3, UserDefined = 4, Unused = 5, Byte = 6 };

    std::vector<std::string> texts;
    std::vector<int32_t> types;

    /// `vocabulary` is the model's: ids that the tokenizer does not use are Unused. Entries are Normal, special added
    /// tokens Control, others UserDefined. Throws Error(BadFile) for ids beyond the model's.
    TokenTable(const JsonView& root, int vocabulary);
};

/// Rules of a merge list, each the two parts; files have them as pairs or as "left right".
std::vector<std::pair<std::string, std::string>> readMerges(const JsonView& merges);

} // namespace cortex::engine
