// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/text/entries.h"

#include <array>
#include <bitset>
#include <string_view>

namespace cortex::engine {

/// What stands for a character that a vocabulary lacks: the tokens of its bytes ("<0x0A>"), or the unknown token.
class CharacterFallback {
public:
    /// `toBytes`: characters all of whose bytes have a token are given as those.
    CharacterFallback(const Entries& entries, bool toBytes, std::optional<int32_t> unknown);

    /// Whether `character` is given as bytes.
    bool hasBytes(std::string_view character) const;
    std::bitset<256> spelledBytes() const; ///< all, or none where any lacks a token
    int32_t byteToken(char byte) const { return m_byteTokens[static_cast<unsigned char>(byte)]; }
    /// Nothing: what has no bytes either vanishes.
    std::optional<int32_t> unknown() const { return m_unknown; }

private:
    std::array<int32_t, 256> m_byteTokens; ///< -1: none
    std::optional<int32_t> m_unknown;
};

} // namespace cortex::engine
