// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/text/bytelevelbpe.h"

#include "neuron/engine/text/bytealphabet.h"

namespace cortex::engine {

ByteLevelBpe::ByteLevelBpe(std::shared_ptr<const Entries> entries, std::span<const MergeRule> rules, bool ignoreMerges)
    : m_entries(std::move(entries))
    , m_table(rules)
    , m_ignoreMerges(ignoreMerges)
{
    for (unsigned byte = 0; byte < 256; ++byte) {
        const char c = char(byte);
        m_byteTokens[byte] = m_entries->find(entryOfBytes({&c, 1})).value_or(-1);
    }
}

void ByteLevelBpe::append(std::string_view word, std::vector<int32_t>& tokens) const
{
    if (const auto whole = m_ignoreMerges ? m_entries->find(entryOfBytes(word)) : std::nullopt) {
        tokens.push_back(*whole);
        return;
    }
    std::vector<Symbol> symbols;
    symbols.reserve(word.size());
    for (const char c : word)
        if (const int32_t token = m_byteTokens[static_cast<unsigned char>(c)]; token >= 0)
            appendSymbol(symbols, token);
    m_table.merge(symbols, tokens);
}

std::bitset<256> ByteLevelBpe::spelledBytes() const
{
    std::bitset<256> spelled;
    for (size_t byte = 0; byte < spelled.size(); ++byte)
        spelled[byte] = m_byteTokens[byte] >= 0;
    return spelled;
}

} // namespace cortex::engine
