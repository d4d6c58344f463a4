// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/text/characterfallback.h"
#include "neuron/engine/text/mergetable.h"
#include "neuron/engine/text/subwordmodel.h"

#include <memory>

namespace cortex::engine {

/// BPE of characters: begins with the tokens of a word's characters and merges by rules. The form that tokenizer.json
/// gives to the vocabularies of SentencePiece.
class CharacterBpe final : public SubwordModel {
public:
    struct Options {
        bool fuseUnknown = false; ///< neighbouring unknown characters are one unknown token
        bool ignoreMerges = false; ///< a word that is an entry is that token, whatever the rules would make of it
    };

    CharacterBpe(std::shared_ptr<const Entries> entries, std::span<const MergeRule> rules, CharacterFallback fallback,
                 const Options& options);

    void append(std::string_view word, std::vector<int32_t>& tokens) const override;
    std::bitset<256> spelledBytes() const override { return m_fallback.spelledBytes(); }

private:
    std::vector<Symbol> symbolsOf(std::string_view word) const;

    std::shared_ptr<const Entries> m_entries;
    MergeTable m_table;
    CharacterFallback m_fallback;
    Options m_options;
};

} // namespace cortex::engine
