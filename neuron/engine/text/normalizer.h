// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/text/regex.h"

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace cortex::engine {

/// Unicode Normalization Form C.
struct NfcStep { };

/// Puts `text` before what is not empty.
struct PrependStep {
    std::string text;
};

/// Puts `content` in the place of every match.
struct ReplaceStep {
    Regex pattern;
    std::string content;
    size_t mostMatched = 0; ///< bytes of the longest match; 0: not known
};

/// Removes white space at the ends.
struct StripStep {
    bool left = false;
    bool right = false;
};

using NormalizerStep = std::variant<NfcStep, PrependStep, ReplaceStep, StripStep>;

/// `text` (valid UTF-8) with its matches replaced.
std::string replaced(std::string_view text, const ReplaceStep& step);

/// What becomes of text before it is cut into words, step by step; the steps are tokenizer.json's.
class Normalizer {
public:
    void add(NormalizerStep step) { m_steps.push_back(std::move(step)); }

    /// `text` (valid UTF-8), normalized: itself, or a string that is put into `storage`.
    std::string_view apply(std::string_view text, std::deque<std::string>& storage) const;

    bool isEmpty() const { return m_steps.empty(); } ///< text stays as it is
    /// By how much it may at most shorten a text: bytes before to bytes after. Nothing where there is no such number.
    std::optional<size_t> mostShrinkage() const;

private:
    std::vector<NormalizerStep> m_steps;
};

} // namespace cortex::engine
