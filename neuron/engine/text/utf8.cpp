// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/text/utf8.h"

namespace cortex::engine {

namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";

/// The number of bytes that a lead byte announces, and the range of the second byte; 0 for what cannot lead.
struct Lead {
    size_t length = 0;
    unsigned char secondLow = 0x80;
    unsigned char secondHigh = 0xbf;
};

Lead leadOf(unsigned char byte)
{
    if (byte >= 0xc2 && byte <= 0xdf)
        return {2};
    if (byte >= 0xe0 && byte <= 0xef) // no overlong forms, no surrogates
        return {3, static_cast<unsigned char>(byte == 0xe0 ? 0xa0 : 0x80),
                static_cast<unsigned char>(byte == 0xed ? 0x9f : 0xbf)};
    if (byte >= 0xf0 && byte <= 0xf4) // no overlong forms, nothing above U+10FFFF
        return {4, static_cast<unsigned char>(byte == 0xf0 ? 0x90 : 0x80),
                static_cast<unsigned char>(byte == 0xf4 ? 0x8f : 0xbf)};
    return {};
}

/// Appends all whole code points of `text` and replacements for broken ones; returns the bytes consumed, which leave
/// only an incomplete end.
size_t appendRepaired(std::string& to, std::string_view text)
{
    size_t done = 0;
    size_t copied = 0;
    while (done < text.size()) {
        const Utf8Step step = nextUtf8(text.substr(done));
        if (step.kind == Utf8Step::Kind::Incomplete)
            break;
        if (step.kind == Utf8Step::Kind::Broken) {
            to.append(text, copied, done - copied);
            to += replacement;
            copied = done + step.bytes;
        }
        done += step.bytes;
    }
    to.append(text, copied, done - copied);
    return done;
}

} // namespace

Utf8Step nextUtf8(std::string_view text)
{
    const auto byteAt = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byteAt(0);
    if (first < 0x80)
        return {Utf8Step::Kind::Whole, 1, first};
    const Lead lead = leadOf(first);
    if (lead.length == 0)
        return {Utf8Step::Kind::Broken, 1, 0};

    char32_t codePoint = first & (0x7f >> lead.length);
    for (size_t i = 1; i < lead.length; ++i) {
        if (i == text.size())
            return {Utf8Step::Kind::Incomplete, i, 0};
        const unsigned char byte = byteAt(i);
        if (byte < (i == 1 ? lead.secondLow : 0x80) || byte > (i == 1 ? lead.secondHigh : 0xbf))
            return {Utf8Step::Kind::Broken, i, 0};
        codePoint = codePoint << 6 | (byte & 0x3f);
    }
    return {Utf8Step::Kind::Whole, lead.length, codePoint};
}

std::string_view lastCharacter(std::string_view text)
{
    size_t begin = text.size() - 1;
    while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xc0) == 0x80)
        --begin;
    return text.substr(begin);
}

bool isUtf8(std::string_view text)
{
    while (!text.empty()) {
        const Utf8Step step = nextUtf8(text);
        if (step.kind != Utf8Step::Kind::Whole)
            return false;
        text.remove_prefix(step.bytes);
    }
    return true;
}

std::string repairedUtf8(std::string_view text)
{
    std::string repaired;
    repaired.reserve(text.size());
    if (appendRepaired(repaired, text) < text.size())
        repaired += replacement;
    return repaired;
}

std::string takeWholeUtf8(std::string& pending)
{
    std::string whole;
    pending.erase(0, appendRepaired(whole, pending));
    return whole;
}

void appendUtf8(std::string& text, char32_t codePoint)
{
    if (codePoint < 0x80) {
        text += char(codePoint);
    } else if (codePoint < 0x800) {
        text += char(0xc0 | codePoint >> 6);
        text += char(0x80 | (codePoint & 0x3f));
    } else if (codePoint < 0x10000) {
        text += char(0xe0 | codePoint >> 12);
        text += char(0x80 | (codePoint >> 6 & 0x3f));
        text += char(0x80 | (codePoint & 0x3f));
    } else {
        text += char(0xf0 | codePoint >> 18);
        text += char(0x80 | (codePoint >> 12 & 0x3f));
        text += char(0x80 | (codePoint >> 6 & 0x3f));
        text += char(0x80 | (codePoint & 0x3f));
    }
}

} // namespace cortex::engine
