// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/template/unicode.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <span>

namespace cortex::engine::jinja::unicode {

namespace {

struct CharacterRange {
    uint32_t first;
    uint16_t flags;
};
struct CaseRun {
    uint32_t first;
    uint32_t last;
    uint32_t stride;
    int32_t offset;
};
struct SpecialCase {
    uint32_t code;
    uint32_t mapped[3];
};
#include "neuron/engine/template/unicodetables.inc"

enum Flag : unsigned {
    Alpha = 1,
    Decimal = 2,
    Digit = 4,
    Numeric = 8,
    Lower = 16,
    Upper = 32,
    Title = 64,
    Space = 128,
    Printable = 256
};

bool has(char32_t code, unsigned flags)
{
    const auto next = std::upper_bound(std::begin(characterRanges), std::end(characterRanges), uint32_t(code),
                                       [](uint32_t c, const CharacterRange& range) { return c < range.first; });
    return (std::prev(next)->flags & flags) != 0;
}

bool isCased(char32_t code)
{
    return has(code, Lower | Upper | Title);
}

void appendMapped(std::string& out, char32_t code, std::span<const CaseRun> runs, std::span<const SpecialCase> special)
{
    const auto byCode = [](const SpecialCase& entry, uint32_t c) { return entry.code < c; };
    if (const auto it = std::lower_bound(special.begin(), special.end(), uint32_t(code), byCode);
        it != special.end() && it->code == code) {
        for (const uint32_t mapped : it->mapped)
            if (mapped != 0)
                append(out, mapped);
        return;
    }
    const auto byLast = [](const CaseRun& run, uint32_t c) { return run.last < c; };
    // Runs of stride 2 may interleave with others, so a few neighbours are looked at.
    for (auto run = std::lower_bound(runs.begin(), runs.end(), uint32_t(code), byLast); run != runs.end(); ++run) {
        if (run->first > code)
            break;
        if ((code - run->first) % run->stride == 0) {
            append(out, char32_t(int64_t(code) + run->offset));
            return;
        }
    }
    append(out, code);
}

/// Greek capital sigma at the end of a word becomes the final form.
bool isFinalSigma(std::string_view text, size_t at, bool afterCased)
{
    if (!afterCased)
        return false;
    const size_t next = at + 2;
    return next >= text.size() || !isCased(decode(text, next).code);
}

void appendLower(std::string& out, std::string_view text, size_t at, char32_t code, bool afterCased)
{
    if (code == 0x3A3)
        append(out, isFinalSigma(text, at, afterCased) ? 0x3C2 : 0x3C3);
    else
        appendMapped(out, code, lowerRuns, lowerSpecial);
}

/// Walks the text; `convert(out, at, code, afterCased)` appends each character's image.
template <typename Convert>
std::string mapped(std::string_view text, Convert convert)
{
    std::string out;
    out.reserve(text.size());
    bool afterCased = false;
    for (size_t at = 0; at < text.size();) {
        const Character c = decode(text, at);
        convert(out, at, c.code, afterCased);
        afterCased = isCased(c.code);
        at += c.size;
    }
    return out;
}

} // namespace

Character decode(std::string_view text, size_t at)
{
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = byte(at);
    if (lead < 0x80)
        return {lead, 1};
    const Character invalid{char32_t(0xDC00 + lead), 1};
    const unsigned size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || at + size > text.size())
        return invalid;
    char32_t code = lead & (0x7F >> size);
    for (unsigned i = 1; i < size; ++i) {
        if ((byte(at + i) & 0xC0) != 0x80)
            return invalid;
        code = code << 6 | (byte(at + i) & 0x3F);
    }
    const bool overlong = (size == 3 && code < 0x800) || (size == 4 && code < 0x10000);
    if (overlong || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
        return invalid;
    return {code, size};
}

void append(std::string& text, char32_t code)
{
    if (code >= 0xDC80 && code <= 0xDCFF) {
        text += char(code - 0xDC00);
    } else if (code < 0x80) {
        text += char(code);
    } else if (code < 0x800) {
        text += char(0xC0 | code >> 6);
        text += char(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        text += char(0xE0 | code >> 12);
        text += char(0x80 | (code >> 6 & 0x3F));
        text += char(0x80 | (code & 0x3F));
    } else {
        text += char(0xF0 | code >> 18);
        text += char(0x80 | (code >> 12 & 0x3F));
        text += char(0x80 | (code >> 6 & 0x3F));
        text += char(0x80 | (code & 0x3F));
    }
}

size_t length(std::string_view text)
{
    size_t count = 0;
    for (size_t at = 0; at < text.size(); ++count)
        at += decode(text, at).size;
    return count;
}

size_t offset(std::string_view text, size_t index)
{
    size_t at = 0;
    for (; index > 0 && at < text.size(); --index)
        at += decode(text, at).size;
    return at;
}

std::vector<std::string_view> characters(std::string_view text)
{
    std::vector<std::string_view> all;
    for (size_t at = 0; at < text.size(); at += all.back().size())
        all.push_back(text.substr(at, decode(text, at).size));
    return all;
}

size_t firstInvalid(std::string_view text)
{
    for (size_t at = 0; at < text.size();) {
        const Character c = decode(text, at);
        if (c.code >= 0xDC80 && c.code <= 0xDCFF)
            return at;
        at += c.size;
    }
    return std::string_view::npos;
}

bool isAlpha(char32_t code)
{
    return has(code, Alpha);
}
bool isDecimal(char32_t code)
{
    return has(code, Decimal);
}
bool isDigit(char32_t code)
{
    return has(code, Digit);
}
bool isNumeric(char32_t code)
{
    return has(code, Numeric);
}
bool isLower(char32_t code)
{
    return has(code, Lower);
}
bool isUpper(char32_t code)
{
    return has(code, Upper);
}
bool isTitle(char32_t code)
{
    return has(code, Title);
}
bool isSpace(char32_t code)
{
    return has(code, Space);
}
bool isPrintable(char32_t code)
{
    return has(code, Printable);
}

std::string lower(std::string_view text)
{
    return mapped(text, [&](std::string& out, size_t at, char32_t code, bool afterCased) {
        appendLower(out, text, at, code, afterCased);
    });
}

std::string upper(std::string_view text)
{
    return mapped(
        text, [](std::string& out, size_t, char32_t code, bool) { appendMapped(out, code, upperRuns, upperSpecial); });
}

std::string title(std::string_view text)
{
    return mapped(text, [&](std::string& out, size_t at, char32_t code, bool afterCased) {
        if (afterCased)
            appendLower(out, text, at, code, true);
        else
            appendMapped(out, code, titleRuns, titleSpecial);
    });
}

std::string capitalize(std::string_view text)
{
    return mapped(text, [&](std::string& out, size_t at, char32_t code, bool afterCased) {
        if (at > 0)
            appendLower(out, text, at, code, afterCased);
        else
            appendMapped(out, code, titleRuns, titleSpecial);
    });
}

std::string swapCase(std::string_view text)
{
    return mapped(text, [&](std::string& out, size_t at, char32_t code, bool afterCased) {
        if (isUpper(code))
            appendLower(out, text, at, code, afterCased);
        else if (isLower(code))
            appendMapped(out, code, upperRuns, upperSpecial);
        else
            append(out, code);
    });
}

std::string upperFirst(std::string_view word)
{
    return mapped(word, [&](std::string& out, size_t at, char32_t code, bool afterCased) {
        if (at > 0)
            appendLower(out, word, at, code, afterCased);
        else
            appendMapped(out, code, upperRuns, upperSpecial);
    });
}

} // namespace cortex::engine::jinja::unicode
