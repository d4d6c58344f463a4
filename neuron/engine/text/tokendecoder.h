// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/text/normalizer.h"

#include <string>
#include <string_view>
#include <vector>

namespace cortex::engine {

/// The byte that an entry of the form "<0x0A>" stands for, or -1.
int byteOfEntry(std::string_view entry);

/// How the entries of a vocabulary spell text. Byte-level vocabularies write every byte as a character. Those of
/// SentencePiece write text as it is, but "▁" for a space, and bytes that no other entry covers as "<0x0A>"; and where
/// encoding puts a space before a text, decoding takes it away.
struct TokenDecoder {
    /// What is left out at the start of a decoded text; the first token is the first that stands for anything.
    enum class Start {
        Whole, ///< nothing
        WithoutOneSpace, ///< a space that the first token begins with
        WithoutSpaces, ///< all of the first token's `space`
    };

    bool byteLevel = false; ///< and nothing of the following
    std::vector<ReplaceStep> replacements; ///< in each entry, in this order
    bool byteFallback = false; ///< "<0x0A>" is a byte
    std::string space; ///< a character that stands for a space; empty where none does
    Start start = Start::Whole;

    /// The bytes that `entry` stands for within a text.
    std::string bytes(std::string_view entry) const;
    /// What of them is left where the entry is the first of a text.
    std::string bytesAtStart(std::string_view entry) const;
};

} // namespace cortex::engine
