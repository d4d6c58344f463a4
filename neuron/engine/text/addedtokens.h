// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cortex::engine {

/// A token that is matched in the text before it is cut into words; flags as in tokenizer.json's "added_tokens".
struct AddedToken {
    std::string content;
    int32_t id = 0;
    bool special = false; ///< control tokens; EncodeOptions::parseSpecial decides whether text may contain them
    bool singleWord = false; ///< not inside a word
    bool lstrip = false; ///< takes the white space before it along
    bool rstrip = false; ///< takes the white space after it along
    bool normalized = false; ///< matched in normalized text
};

/// Finds added tokens in text, of those that begin first the longest, as the Hugging Face library does.
class AddedTokenMatcher {
public:
    static constexpr size_t maxContentBytes = 1024; ///< bounds the work per byte of text

    /// The tokens whose `normalized` flag is `normalized`. Contents are 1 … maxContentBytes bytes.
    AddedTokenMatcher(const std::vector<AddedToken>& tokens, bool normalized);

    /// A stretch of the text: an added token, or what lies between two.
    struct Segment {
        std::string_view text;
        std::optional<int32_t> token;
    };
    /// `text` is valid UTF-8.
    std::vector<Segment> split(std::string_view text, bool parseSpecial) const;

    /// The bytes of the longest segment that is a token; nothing where a token takes any white space along.
    std::optional<size_t> longest() const;

private:
    /// One node of the trie of contents; children are a linked list, siblings of each other.
    struct Node {
        unsigned char byte = 0;
        uint32_t firstChild = 0; ///< 0 is none
        uint32_t nextSibling = 0;
        int32_t token = -1; ///< index into m_tokens of the content that ends here
    };

    void insert(size_t token);
    uint32_t child(uint32_t node, unsigned char byte) const;
    const AddedToken* longestAt(std::string_view text) const;

    std::vector<AddedToken> m_tokens;
    std::vector<Node> m_nodes{Node{}};
    std::array<uint32_t, 256> m_first{}; ///< nodes of the first byte, which most places of a text lack
};

} // namespace cortex::engine
