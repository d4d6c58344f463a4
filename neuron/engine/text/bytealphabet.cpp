// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/text/bytealphabet.h"

#include "neuron/engine/text/utf8.h"

#include <array>

namespace cortex::engine {

namespace {

constexpr bool isPrinted(unsigned byte)
{
    return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

constexpr char32_t firstSubstitute = 0x100;
constexpr size_t characterCount = 0x100 + 68;

struct Alphabet {
    std::array<char32_t, 256> characterOf{};
    std::array<int, characterCount> byteOf{}; ///< -1 where the character is not of the alphabet

    constexpr Alphabet()
    {
        byteOf.fill(-1);
        char32_t substitute = firstSubstitute;
        for (unsigned byte = 0; byte < 256; ++byte) {
            characterOf[byte] = isPrinted(byte) ? char32_t(byte) : substitute++;
            byteOf[characterOf[byte]] = int(byte);
        }
    }
};

constexpr Alphabet alphabet;

} // namespace

char32_t byteToCharacter(unsigned char byte)
{
    return alphabet.characterOf[byte];
}

std::optional<std::string> bytesOfEntry(std::string_view entry)
{
    std::string bytes;
    while (!entry.empty()) {
        const Utf8Step step = nextUtf8(entry);
        if (step.kind != Utf8Step::Kind::Whole || step.codePoint >= characterCount
            || alphabet.byteOf[step.codePoint] < 0)
            return std::nullopt;
        bytes += char(alphabet.byteOf[step.codePoint]);
        entry.remove_prefix(step.bytes);
    }
    return bytes;
}

std::string entryOfBytes(std::string_view bytes)
{
    std::string entry;
    for (const char c : bytes)
        appendUtf8(entry, byteToCharacter(static_cast<unsigned char>(c)));
    return entry;
}

} // namespace cortex::engine
