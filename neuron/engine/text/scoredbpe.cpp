// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/text/scoredbpe.h"

#include "neuron/engine/text/utf8.h"

#include <algorithm>
#include <functional>

namespace cortex::engine {

namespace {

constexpr uint32_t notInText = UINT32_MAX;

/// Ranks by descending score; `notInText` where there is none.
std::vector<uint32_t> ranksOf(const std::vector<std::optional<double>>& scores)
{
    struct Scored {
        double score;
        size_t id;
    };
    std::vector<Scored> order;
    order.reserve(scores.size());
    for (size_t id = 0; id < scores.size(); ++id)
        if (scores[id])
            order.push_back({*scores[id], id});
    std::ranges::sort(order, std::ranges::greater(), &Scored::score);
    std::vector<uint32_t> ranks(scores.size(), notInText);
    uint32_t rank = 0;
    for (size_t i = 0; i < order.size(); ++i) {
        if (i > 0 && order[i].score != order[i - 1].score)
            ++rank;
        ranks[order[i].id] = rank;
    }
    return ranks;
}

} // namespace

ScoredBpe::ScoredBpe(std::shared_ptr<const Entries> entries, const std::vector<std::optional<double>>& scores,
                     CharacterFallback fallback)
    : m_entries(std::move(entries))
    , m_ranks(ranksOf(scores))
    , m_fallback(fallback)
{
    for (size_t id = 0; id < m_ranks.size(); ++id)
        if (m_ranks[id] != notInText)
            m_longest = std::max(m_longest, (*m_entries)[id].size());
}

std::optional<Merge> ScoredBpe::find(std::string_view text) const
{
    const auto id = text.size() <= m_longest ? m_entries->find(text) : std::nullopt;
    if (!id || m_ranks[size_t(*id)] == notInText)
        return std::nullopt;
    return Merge{m_ranks[size_t(*id)], *id};
}

void ScoredBpe::append(std::string_view word, std::vector<int32_t>& tokens) const
{
    std::vector<Symbol> symbols;
    std::vector<size_t> begins; // of the symbols' text, which ends where that of the next begins
    for (size_t at = 0; at < word.size();) {
        const size_t bytes = nextUtf8(word.substr(at)).bytes;
        const auto entry = find(word.substr(at, bytes));
        appendSymbol(symbols, entry ? entry->result : noEntry);
        begins.push_back(at);
        at += bytes;
    }
    const auto end = [&](const Symbol& symbol) { return symbol.next < 0 ? word.size() : begins[size_t(symbol.next)]; };
    mergePairs(symbols, [&](size_t left) {
        const Symbol& right = symbols[size_t(symbols[left].next)];
        return find(word.substr(begins[left], end(right) - begins[left]));
    });
    const size_t before = tokens.size();
    for (size_t i = 0; i < symbols.size(); ++i) {
        if (symbols[i].token == noEntry)
            appendMissing(word.substr(begins[i], end(symbols[i]) - begins[i]), tokens.size() == before, tokens);
        else if (symbols[i].token != Symbol::merged)
            tokens.push_back(symbols[i].token);
    }
}

/// `first`: no token of the word precedes the character.
void ScoredBpe::appendMissing(std::string_view character, bool first, std::vector<int32_t>& tokens) const
{
    if (m_fallback.hasBytes(character)) {
        for (const char byte : character)
            tokens.push_back(m_fallback.byteToken(byte));
    } else if (m_fallback.unknown() && (first || tokens.back() != *m_fallback.unknown())) {
        tokens.push_back(*m_fallback.unknown());
    }
}

} // namespace cortex::engine
