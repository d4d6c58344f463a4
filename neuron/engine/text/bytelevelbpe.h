// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/text/entries.h"
#include "neuron/engine/text/mergetable.h"
#include "neuron/engine/text/subwordmodel.h"

#include <array>
#include <memory>

namespace cortex::engine {

/// Byte-level BPE: begins with the tokens of a word's bytes and merges by rules.
class ByteLevelBpe final : public SubwordModel {
public:
    /// Bytes that `entries` lacks vanish. `ignoreMerges`: a word that is an entry is that token, whatever the rules
    /// would make of it.
    ByteLevelBpe(std::shared_ptr<const Entries> entries, std::span<const MergeRule> rules, bool ignoreMerges);

    void append(std::string_view word, std::vector<int32_t>& tokens) const override;
    std::bitset<256> spelledBytes() const override;

private:
    std::shared_ptr<const Entries> m_entries;
    std::array<int32_t, 256> m_byteTokens; ///< -1: none
    MergeTable m_table;
    bool m_ignoreMerges;
};

} // namespace cortex::engine
