// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/text/addedtokens.h"
#include "neuron/engine/text/entries.h"
#include "neuron/engine/text/mergetable.h"
#include "neuron/engine/text/normalizer.h"
#include "neuron/engine/text/pretokenizer.h"
#include "neuron/engine/text/subwordmodel.h"
#include "neuron/engine/text/tokendecoder.h"
#include "neuron/engine/text/wordcutter.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cortex::engine {

/// The roles of tokens in a prompt and at the end of an answer.
struct TokenRoles {
    std::optional<int32_t> bos;
    std::optional<int32_t> eos;
    std::vector<int32_t> stops; ///< includes eos; without repetition
    bool wantsBos = false;

    void addStop(int32_t token); ///< once
};

/// All that a BPE tokenizer is made of, whichever file it comes from.
struct BpeVocabulary {
    std::shared_ptr<Entries> entries = std::make_shared<Entries>();
    std::vector<MergeRule> merges;
    std::vector<AddedToken> added; ///< an id beyond the entries, or that of an entry
    Normalizer normalizer;
    PreTokenizer preTokenizer;
    std::optional<WordCutter> cutter; ///< cuts the words of the pre-tokenizer where that makes no difference
    std::shared_ptr<const SubwordModel> model;
    TokenDecoder decoder;
    TokenRoles roles;

    /// Two entries that a rule joins.
    struct Pair {
        std::string_view left;
        std::string_view right;
    };
    /// Adds `count` rules. Throws Error(BadFile) where either entry or their union is none.
    void addMerges(size_t count, const std::function<Pair(size_t index)>& pairAt);
};

/// The largest id that a file may use is bounded by this, so that a small file cannot ask for a huge table.
constexpr int64_t maxTokenId = (int64_t(1) << 20) - 1;

/// Every added token whose text is known to end a turn or an answer: <|im_end|>, <|eot_id|>, …
std::vector<int32_t> endTokensByName(const std::vector<AddedToken>& added);
/// Whether `content` is one of those texts.
bool isEndTokenName(std::string_view content);

} // namespace cortex::engine
