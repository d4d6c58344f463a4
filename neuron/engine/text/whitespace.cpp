// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/text/whitespace.h"

#include "neuron/engine/text/utf8.h"

namespace cortex::engine {

namespace {

bool isWhiteSpace(char32_t c)
{
    return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680
        || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

} // namespace

size_t leadingSpace(std::string_view text)
{
    size_t length = 0;
    while (length < text.size()) {
        const Utf8Step step = nextUtf8(text.substr(length));
        if (!isWhiteSpace(step.codePoint))
            break;
        length += step.bytes;
    }
    return length;
}

size_t trailingSpace(std::string_view text)
{
    while (!text.empty()) {
        const std::string_view last = lastCharacter(text);
        if (!isWhiteSpace(nextUtf8(last).codePoint))
            break;
        text.remove_suffix(last.size());
    }
    return text.size();
}

} // namespace cortex::engine
