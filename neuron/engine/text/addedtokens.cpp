// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/text/addedtokens.h"

#include "neuron/engine/text/regex.h"
#include "neuron/engine/text/utf8.h"
#include "neuron/engine/text/whitespace.h"

#include <algorithm>

namespace cortex::engine {

namespace {

bool isWordCharacter(std::string_view character)
{
    static const Regex word(R"([\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{200C}\x{200D}])");
    return word.find(character, 0).has_value();
}

bool standsAlone(std::string_view text, size_t begin, size_t end)
{
    const bool wordBefore = begin > 0 && isWordCharacter(lastCharacter(text.substr(0, begin)));
    const bool wordAfter = end < text.size() && isWordCharacter(text.substr(end, nextUtf8(text.substr(end)).bytes));
    return !wordBefore && !wordAfter;
}

} // namespace

AddedTokenMatcher::AddedTokenMatcher(const std::vector<AddedToken>& tokens, bool normalized)
{
    for (const AddedToken& token : tokens) {
        if (token.normalized != normalized)
            continue;
        m_tokens.push_back(token);
        insert(m_tokens.size() - 1);
    }
    for (unsigned byte = 0; byte < 256; ++byte)
        for (uint32_t node = m_nodes[0].firstChild; node != 0; node = m_nodes[node].nextSibling)
            if (m_nodes[node].byte == byte)
                m_first[byte] = node;
}

uint32_t AddedTokenMatcher::child(uint32_t node, unsigned char byte) const
{
    uint32_t next = m_nodes[node].firstChild;
    while (next != 0 && m_nodes[next].byte != byte)
        next = m_nodes[next].nextSibling;
    return next;
}

void AddedTokenMatcher::insert(size_t token)
{
    uint32_t node = 0;
    for (const char c : m_tokens[token].content) {
        const auto byte = static_cast<unsigned char>(c);
        uint32_t next = child(node, byte);
        if (next == 0) {
            next = uint32_t(m_nodes.size());
            m_nodes.push_back({byte, 0, m_nodes[node].firstChild, -1});
            m_nodes[node].firstChild = next;
        }
        node = next;
    }
    if (m_nodes[node].token < 0)
        m_nodes[node].token = int32_t(token);
}

/// The longest token that `text` begins with.
const AddedToken* AddedTokenMatcher::longestAt(std::string_view text) const
{
    uint32_t node = m_first[static_cast<unsigned char>(text[0])];
    int32_t longest = -1;
    for (size_t length = 1; node != 0; ++length) {
        if (m_nodes[node].token >= 0)
            longest = m_nodes[node].token;
        node = length < text.size() ? child(node, static_cast<unsigned char>(text[length])) : 0;
    }
    return longest < 0 ? nullptr : &m_tokens[size_t(longest)];
}

std::optional<size_t> AddedTokenMatcher::longest() const
{
    size_t bytes = 0;
    for (const AddedToken& token : m_tokens) {
        if (token.lstrip || token.rstrip)
            return std::nullopt;
        bytes = std::max(bytes, token.content.size());
    }
    return bytes;
}

std::vector<AddedTokenMatcher::Segment> AddedTokenMatcher::split(std::string_view text, bool parseSpecial) const
{
    std::vector<Segment> segments;
    size_t done = 0;
    size_t position = 0;
    while (position < text.size()) {
        const AddedToken* token = longestAt(text.substr(position));
        if (!token) {
            ++position;
            continue;
        }
        size_t begin = position;
        size_t end = begin + token->content.size();
        position = end;
        if ((token->special && !parseSpecial) || (token->singleWord && !standsAlone(text, begin, end)))
            continue;
        if (token->lstrip)
            begin = std::max(trailingSpace(text.substr(0, begin)), done);
        if (token->rstrip)
            end += leadingSpace(text.substr(end));
        if (done < begin)
            segments.push_back({text.substr(done, begin - done), std::nullopt});
        segments.push_back({text.substr(begin, end - begin), token->id});
        done = end;
        // Unlike the reference, white space that a token took along is not matched again: no byte counts twice.
        position = std::max(position, end);
    }
    if (done < text.size())
        segments.push_back({text.substr(done), std::nullopt});
    return segments;
}

} // namespace cortex::engine
