// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/text/characterbpe.h"

#include "neuron/engine/text/utf8.h"

#include <utility>

namespace cortex::engine {

CharacterBpe::CharacterBpe(std::shared_ptr<const Entries> entries, std::span<const MergeRule> rules,
                           CharacterFallback fallback, const Options& options)
    : m_entries(std::move(entries))
    , m_table(rules)
    , m_fallback(fallback)
    , m_options(options)
{
}

void CharacterBpe::append(std::string_view word, std::vector<int32_t>& tokens) const
{
    if (const auto whole = m_options.ignoreMerges ? m_entries->find(word) : std::nullopt) {
        tokens.push_back(*whole);
        return;
    }
    std::vector<Symbol> symbols = symbolsOf(word);
    m_table.merge(symbols, tokens);
}

std::vector<Symbol> CharacterBpe::symbolsOf(std::string_view word) const
{
    std::vector<Symbol> symbols;
    symbols.reserve(word.size());
    // As in the reference, an unknown token waits for the next character with an entry; bytes pass it.
    bool unknownWaits = false;
    const auto addUnknown = [&] {
        if (std::exchange(unknownWaits, false))
            appendSymbol(symbols, *m_fallback.unknown());
    };
    while (!word.empty()) {
        const std::string_view character = word.substr(0, nextUtf8(word).bytes);
        word.remove_prefix(character.size());
        if (const auto token = m_entries->find(character)) {
            addUnknown();
            appendSymbol(symbols, *token);
        } else if (m_fallback.hasBytes(character)) {
            for (const char byte : character)
                appendSymbol(symbols, m_fallback.byteToken(byte));
        } else if (m_fallback.unknown()) {
            if (!m_options.fuseUnknown)
                addUnknown();
            unknownWaits = true;
        }
    }
    addUnknown();
    return symbols;
}

} // namespace cortex::engine
