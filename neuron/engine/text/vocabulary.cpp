// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/text/vocabulary.h"

#include "neuron/engine/error.h"
#include "neuron/engine/formats/quotedname.h"

#include <algorithm>
#include <array>

namespace cortex::engine {

namespace {

constexpr std::array<std::string_view, 15> endTokenNames{
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|eot|>",
    "<|eom|>",
    "<|end|>",
    "<|end_of_turn|>",
    "<|END_OF_TURN_TOKEN|>",
    "<|return|>",
    "<|call|>",
    "<end_of_turn>",
    "</s>",
    "<｜end▁of▁sentence｜>",
};

/// Looks up the parts of a rule, in steps between which others can be looked up.
class PairLookup {
public:
    void begin(const Entries& entries, const BpeVocabulary::Pair& pair)
    {
        m_pair = pair;
        m_joined.assign(pair.left).append(pair.right);
        m_hashes = {Entries::hashOf(pair.left), Entries::hashOf(pair.right), Entries::hashOf(m_joined)};
        for (const uint32_t hash : m_hashes)
            entries.prefetch(hash);
    }

    void prefetchTexts(const Entries& entries) const
    {
        for (const uint32_t hash : m_hashes)
            entries.prefetchText(hash);
    }

    /// `rank`: for the message.
    MergeRule rule(const Entries& entries, size_t rank) const
    {
        const auto idOf = [&](std::string_view entry, uint32_t hash) {
            const auto id = entries.find(entry, hash);
            if (!id)
                throw Error(ErrorKind::BadFile,
                            "merge " + std::to_string(rank) + " of " + quotedName(m_pair.left) + " and "
                                + quotedName(m_pair.right) + ": " + quotedName(entry) + " is not in the vocabulary");
            return *id;
        };
        return {idOf(m_pair.left, m_hashes[0]), idOf(m_pair.right, m_hashes[1]), idOf(m_joined, m_hashes[2])};
    }

private:
    BpeVocabulary::Pair m_pair;
    std::string m_joined;
    std::array<uint32_t, 3> m_hashes{};
};

} // namespace

void TokenRoles::addStop(int32_t token)
{
    if (std::ranges::find(stops, token) == stops.end())
        stops.push_back(token);
}

void BpeVocabulary::addMerges(size_t count, const std::function<Pair(size_t)>& pairAt)
{
    constexpr size_t batch = 16; // texts that are prefetched at once, three of each
    std::array<PairLookup, batch> lookups;
    merges.reserve(merges.size() + count);
    for (size_t begin = 0; begin < count; begin += batch) {
        const std::span<PairLookup> some(lookups.data(), std::min(batch, count - begin));
        for (size_t i = 0; i < some.size(); ++i)
            some[i].begin(*entries, pairAt(begin + i));
        for (const PairLookup& lookup : some)
            lookup.prefetchTexts(*entries);
        for (const PairLookup& lookup : some)
            merges.push_back(lookup.rule(*entries, merges.size()));
    }
}

bool isEndTokenName(std::string_view content)
{
    // The first comparison decides for nearly every entry of a vocabulary.
    return content.starts_with('<') && std::ranges::find(endTokenNames, content) != endTokenNames.end();
}

std::vector<int32_t> endTokensByName(const std::vector<AddedToken>& added)
{
    const auto has = [&](std::string_view content) {
        return std::ranges::find(added, content, &AddedToken::content) != added.end();
    };
    // In the harmony format of gpt-oss <|end|> ends a message, after which the answer goes on.
    const bool harmony = has("<|return|>") && has("<|call|>");
    const auto endsTurn = [&](const AddedToken& token) {
        if (token.content == "<|end|>")
            return !harmony;
        // Where it is no control token, as with Gemma, it is HTML that ends a struck-out text.
        if (token.content == "</s>")
            return token.special;
        return isEndTokenName(token.content);
    };
    std::vector<int32_t> ends;
    for (const AddedToken& token : added)
        if (endsTurn(token))
            ends.push_back(token.id);
    return ends;
}

} // namespace cortex::engine
