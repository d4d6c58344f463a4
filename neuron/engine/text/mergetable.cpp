// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/text/mergetable.h"

#include <bit>

namespace cortex::engine {

MergeTable::MergeTable(std::span<const MergeRule> rules)
    : m_slots(std::bit_ceil(2 * rules.size() + 1))
{
    for (size_t rank = 0; rank < rules.size(); ++rank) {
        const MergeRule& rule = rules[rank];
        m_slots[slotIndex(rule.left, rule.right)] = {rule.left, rule.right, {uint32_t(rank), rule.result}};
    }
}

/// The slot of the pair, or the empty one where it would go.
size_t MergeTable::slotIndex(int32_t left, int32_t right) const
{
    const uint64_t key = uint64_t(uint32_t(left)) << 32 | uint32_t(right);
    const size_t mask = m_slots.size() - 1;
    size_t index = size_t((key * 0x9e3779b97f4a7c15) >> 32) & mask;
    while (m_slots[index].left >= 0 && (m_slots[index].left != left || m_slots[index].right != right))
        index = (index + 1) & mask;
    return index;
}

std::optional<Merge> MergeTable::find(int32_t left, int32_t right) const
{
    const Slot& slot = m_slots[slotIndex(left, right)];
    return slot.left < 0 ? std::nullopt : std::optional(slot.merge);
}

void MergeTable::merge(std::vector<Symbol>& symbols, std::vector<int32_t>& tokens) const
{
    mergePairs(symbols,
               [&](size_t left) { return find(symbols[left].token, symbols[size_t(symbols[left].next)].token); });
    for (const Symbol& symbol : symbols)
        if (symbol.token != Symbol::merged)
            tokens.push_back(symbol.token);
}

} // namespace cortex::engine
