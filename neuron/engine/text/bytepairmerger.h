// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace cortex::engine {

/// One rule: `left` and `right`, next to each other, become `result`. Its rank is its place in the list.
struct MergeRule {
    int32_t left;
    int32_t right;
    int32_t result;
};

/// Byte-pair encoding of one word: begins with the tokens of its bytes and, while any rule applies, applies the one of
/// lowest rank, leftmost first. O(n log n) in the length of the word. Immutable.
class BytePairMerger {
public:
    /// `byteTokens`: the token of each byte, -1 for none (such bytes vanish). Of equal pairs the later rule counts.
    BytePairMerger(const std::array<int32_t, 256>& byteTokens, std::span<const MergeRule> rules);

    void append(std::string_view word, std::vector<int32_t>& tokens) const;

private:
    /// A place of the hash table: a pair of tokens and what becomes of it.
    struct Slot {
        int32_t left = -1; ///< -1: empty
        int32_t right = -1;
        int32_t result = -1;
        uint32_t rank = 0;
    };

    size_t slotIndex(int32_t left, int32_t right) const;
    const Slot* find(int32_t left, int32_t right) const;

    std::array<int32_t, 256> m_byteTokens;
    std::vector<Slot> m_slots; ///< open addressing, a power of two, at most half full
};

} // namespace cortex::engine
