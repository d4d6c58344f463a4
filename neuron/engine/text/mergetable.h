// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/text/pairmerging.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace cortex::engine {

/// One rule: `left` and `right`, next to each other, become `result`. Its rank is its place in the list.
struct MergeRule {
    int32_t left;
    int32_t right;
    int32_t result;
};

/// The rules of a byte-pair encoding, found by their pair. Immutable.
class MergeTable {
public:
    /// Of equal pairs the later rule counts.
    explicit MergeTable(std::span<const MergeRule> rules);

    std::optional<Merge> find(int32_t left, int32_t right) const;
    /// Merges the symbols of a word and appends the tokens that they become.
    void merge(std::vector<Symbol>& symbols, std::vector<int32_t>& tokens) const;

private:
    /// A place of the hash table: a pair of tokens and what becomes of it.
    struct Slot {
        int32_t left = -1; ///< -1: empty
        int32_t right = -1;
        Merge merge{};
    };

    size_t slotIndex(int32_t left, int32_t right) const;

    std::vector<Slot> m_slots; ///< open addressing, a power of two, at most half full
};

} // namespace cortex::engine
