// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/text/tokendecoder.h"

#include "neuron/engine/text/bytealphabet.h"

#include <charconv>

namespace cortex::engine {

namespace {

/// `text` with every `character` replaced.
std::string withCharacter(std::string_view text, std::string_view character, std::string_view by)
{
    std::string result;
    for (size_t at = text.find(character); at != std::string_view::npos; at = text.find(character)) {
        result.append(text.substr(0, at)).append(by);
        text.remove_prefix(at + character.size());
    }
    return result.append(text);
}

} // namespace

int byteOfEntry(std::string_view entry)
{
    if (entry.size() != 6 || !entry.starts_with("<0x") || !entry.ends_with('>'))
        return -1;
    int byte = -1;
    const auto [end, error] = std::from_chars(entry.data() + 3, entry.data() + 5, byte, 16);
    return error == std::errc() && end == entry.data() + 5 ? byte : -1;
}

std::string TokenDecoder::bytes(std::string_view entry) const
{
    if (byteLevel)
        return bytesOfEntry(entry).value_or(std::string(entry));
    std::string text(entry);
    for (const ReplaceStep& step : replacements)
        text = replaced(text, step);
    if (const int byte = byteFallback ? byteOfEntry(text) : -1; byte >= 0)
        return std::string(1, char(byte));
    return space.empty() ? text : withCharacter(text, space, " ");
}

std::string TokenDecoder::bytesAtStart(std::string_view entry) const
{
    if (start == Start::WithoutSpaces)
        return bytes(withCharacter(entry, space, ""));
    std::string text = bytes(entry);
    if (start == Start::WithoutOneSpace && text.starts_with(' '))
        text.erase(0, 1);
    return text;
}

} // namespace cortex::engine
