// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <bitset>
#include <cstdint>
#include <string_view>
#include <vector>

namespace cortex::engine {

/// How a word becomes tokens, which is the last step of encoding. Immutable; safe to use from many threads at once.
class SubwordModel {
public:
    virtual ~SubwordModel() = default;

    /// Appends the tokens of `word`, which is valid UTF-8 and not empty.
    virtual void append(std::string_view word, std::vector<int32_t>& tokens) const = 0;

    /// The bytes that are in the spelling of a token wherever they occur: they neither vanish nor are part of an
    /// unknown token.
    virtual std::bitset<256> spelledBytes() const = 0;
};

} // namespace cortex::engine
