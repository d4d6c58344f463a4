// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/text/bytepairmerger.h"

#include <algorithm>
#include <bit>
#include <cstddef>

namespace cortex::engine {

namespace {

/// A token of the word while it is merged: a doubly linked list in an array. A symbol that has merged into its left
/// neighbour has token -1.
struct Symbol {
    int32_t token;
    ptrdiff_t previous; ///< -1: none
    ptrdiff_t next; ///< -1: none
};

/// A rule that could be applied when it was noticed.
struct Candidate {
    uint32_t rank;
    size_t position; ///< of the left symbol
    int32_t result;
};

/// Puts the candidate of lowest rank, then leftmost, on top of the heap.
bool comesLater(const Candidate& a, const Candidate& b)
{
    return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
}

} // namespace

BytePairMerger::BytePairMerger(const std::array<int32_t, 256>& byteTokens, std::span<const MergeRule> rules)
    : m_byteTokens(byteTokens)
    , m_slots(std::bit_ceil(2 * rules.size() + 1))
{
    for (size_t rank = 0; rank < rules.size(); ++rank) {
        const MergeRule& rule = rules[rank];
        m_slots[slotIndex(rule.left, rule.right)] = {rule.left, rule.right, rule.result, uint32_t(rank)};
    }
}

/// The slot of the pair, or the empty one where it would go.
size_t BytePairMerger::slotIndex(int32_t left, int32_t right) const
{
    const uint64_t key = uint64_t(uint32_t(left)) << 32 | uint32_t(right);
    const size_t mask = m_slots.size() - 1;
    size_t index = size_t((key * 0x9e3779b97f4a7c15) >> 32) & mask;
    while (m_slots[index].left >= 0 && (m_slots[index].left != left || m_slots[index].right != right))
        index = (index + 1) & mask;
    return index;
}

const BytePairMerger::Slot* BytePairMerger::find(int32_t left, int32_t right) const
{
    const Slot& slot = m_slots[slotIndex(left, right)];
    return slot.left < 0 ? nullptr : &slot;
}

void BytePairMerger::append(std::string_view word, std::vector<int32_t>& tokens) const
{
    std::vector<Symbol> symbols;
    symbols.reserve(word.size());
    for (const char c : word)
        if (const int32_t token = m_byteTokens[static_cast<unsigned char>(c)]; token >= 0)
            symbols.push_back({token, ptrdiff_t(symbols.size()) - 1, ptrdiff_t(symbols.size()) + 1});
    if (symbols.empty())
        return;
    symbols.back().next = -1;

    std::vector<Candidate> heap;
    const auto notice = [&](ptrdiff_t left) {
        if (left < 0 || symbols[size_t(left)].next < 0)
            return false;
        const Symbol& symbol = symbols[size_t(left)];
        const Slot* slot = find(symbol.token, symbols[size_t(symbol.next)].token);
        if (slot)
            heap.push_back({slot->rank, size_t(left), slot->result});
        return slot != nullptr;
    };
    for (size_t i = 0; i + 1 < symbols.size(); ++i)
        notice(ptrdiff_t(i));
    std::ranges::make_heap(heap, comesLater);

    while (!heap.empty()) {
        std::ranges::pop_heap(heap, comesLater);
        const Candidate candidate = heap.back();
        heap.pop_back();
        Symbol& left = symbols[candidate.position];
        if (left.token < 0 || left.next < 0)
            continue;
        // Symbols that have changed since may still make the same token; the reference takes the rule then, too.
        const Slot* slot = find(left.token, symbols[size_t(left.next)].token);
        if (!slot || slot->result != candidate.result)
            continue;
        Symbol& right = symbols[size_t(left.next)];
        left.token = candidate.result;
        left.next = right.next;
        right.token = -1;
        if (left.next >= 0)
            symbols[size_t(left.next)].previous = ptrdiff_t(candidate.position);
        if (notice(left.previous))
            std::ranges::push_heap(heap, comesLater);
        if (notice(ptrdiff_t(candidate.position)))
            std::ranges::push_heap(heap, comesLater);
    }
    for (const Symbol& symbol : symbols)
        if (symbol.token >= 0)
            tokens.push_back(symbol.token);
}

} // namespace cortex::engine
