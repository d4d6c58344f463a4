// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cortex::engine {

// The alphabet in which byte-level vocabularies are written (GPT-2): every byte is one printable character. Bytes that
// Latin-1 prints stand for themselves, the other 68 in ascending order for U+0100 and on; so "Ġ" is a space.

/// The character of a byte.
char32_t byteToCharacter(unsigned char byte);

/// The bytes that a vocabulary entry spells, or nothing where a character of it is not of the alphabet.
std::optional<std::string> bytesOfEntry(std::string_view entry);

/// How a vocabulary spells `bytes`.
std::string entryOfBytes(std::string_view bytes);

} // namespace cortex::engine
