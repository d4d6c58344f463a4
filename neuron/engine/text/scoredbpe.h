// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/text/characterfallback.h"
#include "neuron/engine/text/pairmerging.h"
#include "neuron/engine/text/subwordmodel.h"

#include <memory>
#include <span>

namespace cortex::engine {

/// BPE by scores, as SentencePiece itself does it and GGUF files hold it: begins with a word's characters and, while
/// two neighbours are an entry together, joins those whose entry scores best, leftmost first. What is no entry in the
/// end is given by the fallback; neighbouring unknown characters are one unknown token.
class ScoredBpe final : public SubwordModel {
public:
    /// `scores` by id; nothing for entries that text cannot contain: control tokens, bytes, the unknown token.
    ScoredBpe(std::shared_ptr<const Entries> entries, const std::vector<std::optional<double>>& scores,
              CharacterFallback fallback);

    void append(std::string_view word, std::vector<int32_t>& tokens) const override;
    std::bitset<256> spelledBytes() const override { return m_fallback.spelledBytes(); }

private:
    static constexpr int32_t noEntry = -2; ///< the token of a character that is no entry, while pairs are merged

    std::optional<Merge> find(std::string_view text) const;
    void appendMissing(std::string_view character, bool first, std::vector<int32_t>& tokens) const;

    std::shared_ptr<const Entries> m_entries;
    std::vector<uint32_t> m_ranks; ///< by id; the best score has rank 0, equal scores share one
    size_t m_longest = 0; ///< bytes of the longest entry, which bounds the work per pair
    CharacterFallback m_fallback;
};

} // namespace cortex::engine
