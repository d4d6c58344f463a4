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

} // namespace

void TokenRoles::addStop(int32_t token)
{
    if (std::ranges::find(stops, token) == stops.end())
        stops.push_back(token);
}

void BpeVocabulary::addMerge(std::string_view left, std::string_view right)
{
    const auto idOf = [&](std::string_view entry) {
        const auto id = entries->find(entry);
        if (!id)
            throw Error(ErrorKind::BadFile,
                        "merge " + std::to_string(merges.size()) + " of " + quotedName(left) + " and "
                            + quotedName(right) + ": " + quotedName(entry) + " is not in the vocabulary");
        return *id;
    };
    std::string joined;
    joined.reserve(left.size() + right.size());
    joined.append(left).append(right);
    merges.push_back({idOf(left), idOf(right), idOf(joined)});
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
