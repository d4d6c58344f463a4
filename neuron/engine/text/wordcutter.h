// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <string_view>
#include <unordered_set>
#include <vector>

namespace cortex::engine {

/// How SentencePiece spells a space.
constexpr std::string_view sentencePieceSpace = "\xe2\x96\x81";

/// Cuts text in the spelling of SentencePiece before "▁" (a space) wherever no entry of a vocabulary spans the place.
/// Merging never crosses such a place, so that the parts may be encoded one by one, and those that come again need not
/// be encoded again.
class WordCutter {
public:
    /// Takes account of an entry that merging may make.
    void addEntry(std::string_view entry);

    /// The parts of `text` (valid UTF-8), in order, none of them empty.
    std::vector<std::string_view> cut(std::string_view text) const;

private:
    bool spans(std::string_view before) const;

    std::unordered_set<char32_t> m_before; ///< what stands before a "▁" in any entry
};

} // namespace cortex::engine
