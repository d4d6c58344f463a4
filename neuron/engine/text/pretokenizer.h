// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/text/regex.h"

#include <deque>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace cortex::engine {

/// What becomes of the matches of a split; the names are tokenizer.json's.
enum class SplitBehavior {
    Isolated, ///< each match is a piece
    Removed, ///< matches are dropped
    Contiguous, ///< neighbouring matches are one piece
    MergedWithPrevious, ///< a match ends the piece before it
    MergedWithNext, ///< a match begins the piece after it
};

/// Cuts a piece at the matches of a pattern.
struct SplitStep {
    Regex pattern;
    SplitBehavior behavior = SplitBehavior::Isolated;
    bool invert = false; ///< what lies between matches counts as the matches
};

/// Puts a space before each piece that does not begin with one.
struct PrefixSpaceStep { };

/// Writes spaces as `replacement`, as SentencePiece does, and may put one before each piece that lacks it.
struct MetaspaceStep {
    enum class Prepend { Always, First, Never }; ///< First: only at the start of the whole text

    std::string replacement; ///< one character
    Prepend prepend = Prepend::Always;
    bool split = true; ///< each `replacement` begins a piece
};

using PreTokenizerStep = std::variant<SplitStep, PrefixSpaceStep, MetaspaceStep>;

/// Cuts text into the words that merging does not cross, step by step: each step works on the pieces of the one before.
class PreTokenizer {
public:
    void add(PreTokenizerStep step) { m_steps.push_back(std::move(step)); }
    /// Adds the split that GPT-2 made the usual one of byte-level vocabularies.
    void addByteLevelSplit();

    /// The words of `text` (valid UTF-8), none of them empty. They are views of `text`, or of strings that are put into
    /// `storage`. `startsWhole`: nothing, not even an added token, precedes `text` in the whole text.
    std::vector<std::string_view> words(std::string_view text, bool startsWhole,
                                        std::deque<std::string>& storage) const;

    bool dropsText() const; ///< whether text may vanish
    bool onlyCuts() const; ///< whether the words of a text, one after the other, are the text or parts of it

private:
    std::vector<PreTokenizerStep> m_steps;
};

} // namespace cortex::engine
