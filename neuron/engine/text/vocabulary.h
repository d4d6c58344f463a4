// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/text/addedtokens.h"
#include "neuron/engine/text/bytepairmerger.h"
#include "neuron/engine/text/pretokenizer.h"

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace cortex::engine {

/// Hashes std::string and std::string_view alike, so that a map of strings is searched without making one.
struct StringHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

using TokenIds = std::unordered_map<std::string, int32_t, StringHash, std::equal_to<>>;

/// The roles of tokens in a prompt and at the end of an answer.
struct TokenRoles {
    std::optional<int32_t> bos;
    std::optional<int32_t> eos;
    std::vector<int32_t> stops; ///< includes eos; without repetition
    bool wantsBos = false;

    void addStop(int32_t token); ///< once
};

/// All that a byte-level BPE tokenizer is made of, whichever file it comes from.
struct BpeVocabulary {
    std::vector<std::string> entries; ///< by id, as the file spells them; empty where an id is unused
    TokenIds ids; ///< of the entries
    std::vector<MergeRule> merges;
    std::vector<AddedToken> added; ///< an id beyond the entries, or that of an entry
    PreTokenizer preTokenizer;
    bool normalizeNfc = false;
    bool ignoreMerges = false; ///< a word that is an entry is that token, whatever the merges would make of it
    TokenRoles roles;

    /// Adds the rule that joins two entries. Throws Error(BadFile) where either or their union is not an entry.
    void addMerge(std::string_view left, std::string_view right);
};

/// The largest id that a file may use is bounded by this, so that a small file cannot ask for a huge table.
constexpr int64_t maxTokenId = (int64_t(1) << 20) - 1;

/// Every added token whose text is known to end a turn or an answer: <|im_end|>, <|eot_id|>, …
std::vector<int32_t> endTokensByName(const std::vector<AddedToken>& added);
/// Whether `content` is one of those texts.
bool isEndTokenName(std::string_view content);

} // namespace cortex::engine
