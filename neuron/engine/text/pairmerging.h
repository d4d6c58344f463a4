// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace cortex::engine {

/// A token of a word while its pairs are merged: a doubly linked list in an array.
struct Symbol {
    static constexpr int32_t merged = -1; ///< the token of a symbol that has merged into its left neighbour

    int32_t token;
    ptrdiff_t previous = -1; ///< -1: none
    ptrdiff_t next = -1; ///< -1: none
};

/// What two neighbours become. Of all merges that are possible, that of lowest rank comes first, leftmost first.
struct Merge {
    uint32_t rank;
    int32_t result;
};

/// Adds a symbol at the end of the list.
inline void appendSymbol(std::vector<Symbol>& symbols, int32_t token)
{
    const auto index = ptrdiff_t(symbols.size());
    if (index > 0)
        symbols.back().next = index;
    symbols.push_back({token, index - 1, -1});
}

/// Byte-pair encoding: while any merge is possible, does the one of lowest rank. `find(symbol)` tells the merge of a
/// symbol, by index, and its next, if there is one; the two have neighbours that are still to be merged. O(n log n).
template <typename Find>
void mergePairs(std::vector<Symbol>& symbols, const Find& find)
{
    struct Candidate {
        Merge merge;
        size_t left;
    };
    const auto comesLater = [](const Candidate& a, const Candidate& b) {
        return a.merge.rank != b.merge.rank ? a.merge.rank > b.merge.rank : a.left > b.left;
    };
    std::vector<Candidate> heap;
    const auto notice = [&](ptrdiff_t left) {
        if (left < 0 || symbols[size_t(left)].next < 0)
            return false;
        const std::optional<Merge> merge = find(size_t(left));
        if (merge)
            heap.push_back({*merge, size_t(left)});
        return merge.has_value();
    };
    for (size_t i = 0; i + 1 < symbols.size(); ++i)
        notice(ptrdiff_t(i));
    std::ranges::make_heap(heap, comesLater);

    while (!heap.empty()) {
        std::ranges::pop_heap(heap, comesLater);
        const Candidate candidate = heap.back();
        heap.pop_back();
        Symbol& left = symbols[candidate.left];
        if (left.token == Symbol::merged || left.next < 0)
            continue;
        // Symbols that have changed since may still make the same token; the reference takes the merge then, too.
        const std::optional<Merge> merge = find(candidate.left);
        if (!merge || merge->result != candidate.merge.result)
            continue;
        Symbol& right = symbols[size_t(left.next)];
        left.token = candidate.merge.result;
        left.next = right.next;
        right.token = Symbol::merged;
        if (left.next >= 0)
            symbols[size_t(left.next)].previous = ptrdiff_t(candidate.left);
        if (notice(left.previous))
            std::ranges::push_heap(heap, comesLater);
        if (notice(ptrdiff_t(candidate.left)))
            std::ranges::push_heap(heap, comesLater);
    }
}

} // namespace cortex::engine
