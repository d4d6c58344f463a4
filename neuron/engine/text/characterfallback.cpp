// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/text/characterfallback.h"

#include <algorithm>

namespace cortex::engine {

namespace {

std::string entryOfByte(unsigned byte)
{
    constexpr std::string_view digits = "0123456789ABCDEF";
    return {'<', '0', 'x', digits[byte >> 4], digits[byte & 15], '>'};
}

} // namespace

CharacterFallback::CharacterFallback(const Entries& entries, bool toBytes, std::optional<int32_t> unknown)
    : m_unknown(unknown)
{
    for (unsigned byte = 0; byte < 256; ++byte)
        m_byteTokens[byte] = toBytes ? entries.find(entryOfByte(byte)).value_or(-1) : -1;
}

bool CharacterFallback::hasBytes(std::string_view character) const
{
    return std::ranges::all_of(character, [this](char byte) { return byteToken(byte) >= 0; });
}

std::bitset<256> CharacterFallback::spelledBytes() const
{
    const bool all = std::ranges::none_of(m_byteTokens, [](int32_t token) { return token < 0; });
    return all ? std::bitset<256>().set() : std::bitset<256>();
}

} // namespace cortex::engine
