// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/template/strings.h"

#include "neuron/engine/template/unicode.h"

#include <algorithm>

namespace cortex::engine::jinja::strings {

namespace {

/// Where the character before byte `end` begins.
size_t characterBefore(std::string_view text, size_t end)
{
    for (size_t size = std::min<size_t>(4, end); size > 1; --size) // a last byte alone is a character, too
        if (unicode::decode(text, end - size).size == size)
            return end - size;
    return end - 1;
}

template <typename Strips>
std::string_view stripWhere(std::string_view text, Strips strips, bool left, bool right)
{
    size_t begin = 0;
    size_t end = text.size();
    while (left && begin < end && strips(unicode::decode(text, begin).code))
        begin += unicode::decode(text, begin).size;
    while (right && end > begin) {
        const size_t before = characterBefore(text, end);
        if (!strips(unicode::decode(text, before).code))
            break;
        end = before;
    }
    return text.substr(begin, end - begin);
}

std::vector<std::string_view> splitSpace(std::string_view text, size_t most)
{
    std::vector<std::string_view> parts;
    text = stripWhere(text, unicode::isSpace, true, false);
    while (!text.empty()) {
        if (parts.size() == most) {
            parts.push_back(text);
            break;
        }
        size_t end = 0;
        while (end < text.size() && !unicode::isSpace(unicode::decode(text, end).code))
            end += unicode::decode(text, end).size;
        parts.push_back(text.substr(0, end));
        text = stripWhere(text.substr(end), unicode::isSpace, true, false);
    }
    return parts;
}

std::vector<std::string_view> rsplitSpace(std::string_view text, size_t most)
{
    std::vector<std::string_view> parts;
    text = stripWhere(text, unicode::isSpace, false, true);
    while (!text.empty()) {
        if (parts.size() == most) {
            parts.push_back(text);
            break;
        }
        size_t begin = text.size();
        while (begin > 0) {
            const size_t before = characterBefore(text, begin);
            if (unicode::isSpace(unicode::decode(text, before).code))
                break;
            begin = before;
        }
        parts.push_back(text.substr(begin));
        text = stripWhere(text.substr(0, begin), unicode::isSpace, false, true);
    }
    std::reverse(parts.begin(), parts.end());
    return parts;
}

bool endsLine(char32_t c)
{
    return (c >= '\n' && c <= '\r') || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

/// Views of parts cost as much as the values made of them.
void chargeParts(size_t bytes)
{
    workOn(bytes * 4);
    requireSpace(bytes, 1);
}

} // namespace

std::string_view strip(std::string_view text, std::optional<std::string_view> chars, bool left, bool right)
{
    workOn(text.size());
    if (!chars)
        return stripWhere(text, unicode::isSpace, left, right);
    std::vector<char32_t> set;
    for (size_t at = 0; at < chars->size(); at += unicode::decode(*chars, at).size)
        set.push_back(unicode::decode(*chars, at).code);
    std::sort(set.begin(), set.end());
    return stripWhere(
        text, [&](char32_t c) { return std::binary_search(set.begin(), set.end(), c); }, left, right);
}

std::vector<std::string_view> split(std::string_view text, std::optional<std::string_view> separator, size_t most)
{
    chargeParts(text.size());
    if (!separator)
        return splitSpace(text, most);
    std::vector<std::string_view> parts;
    size_t begin = 0;
    for (size_t at; parts.size() < most && (at = text.find(*separator, begin)) != std::string_view::npos;
         begin = at + separator->size())
        parts.push_back(text.substr(begin, at - begin));
    parts.push_back(text.substr(begin));
    return parts;
}

std::vector<std::string_view> rsplit(std::string_view text, std::optional<std::string_view> separator, size_t most)
{
    chargeParts(text.size());
    if (!separator)
        return rsplitSpace(text, most);
    std::vector<std::string_view> parts;
    for (size_t at; parts.size() < most && (at = text.rfind(*separator)) != std::string_view::npos;
         text = text.substr(0, at))
        parts.push_back(text.substr(at + separator->size()));
    parts.push_back(text);
    std::reverse(parts.begin(), parts.end());
    return parts;
}

std::vector<std::string_view> lines(std::string_view text, bool keepEnds)
{
    chargeParts(text.size());
    std::vector<std::string_view> parts;
    for (size_t begin = 0; begin < text.size();) {
        size_t end = begin;
        while (end < text.size() && !endsLine(unicode::decode(text, end).code))
            end += unicode::decode(text, end).size;
        size_t next = end;
        if (next < text.size())
            next += text.substr(next).starts_with("\r\n") ? 2 : unicode::decode(text, next).size;
        parts.push_back(text.substr(begin, (keepEnds ? next : end) - begin));
        begin = next;
    }
    return parts;
}

std::string replace(std::string_view text, std::string_view from, std::string_view to, Int count)
{
    workOn(text.size());
    TextBuilder out;
    if (from.empty()) {
        size_t at = 0;
        for (Int done = 0; count < 0 || done < count; ++done) {
            out << to;
            if (at >= text.size())
                return out.take();
            const size_t size = unicode::decode(text, at).size;
            out << text.substr(at, size);
            at += size;
        }
        out << text.substr(at);
        return out.take();
    }
    size_t begin = 0;
    size_t at;
    for (Int done = 0; (count < 0 || done < count) && (at = text.find(from, begin)) != std::string_view::npos; ++done) {
        out << text.substr(begin, at - begin) << to;
        begin = at + from.size();
    }
    out << text.substr(begin);
    return out.take();
}

std::string justify(std::string_view text, Int width, std::string_view fill, char align)
{
    const Int length = Int(unicode::length(text));
    if (width <= length)
        return std::string(text);
    const size_t missing = size_t(std::min<Int>(width - length, Int(limits::textBytes) + 1));
    // Python's center puts the odd space on the left only where the width is odd.
    const size_t centered = missing / 2 + (missing & size_t(width) & 1);
    const size_t before = align == '<' ? 0 : align == '>' ? missing : centered;
    TextBuilder out;
    out.repeat(fill, before);
    out << text;
    out.repeat(fill, missing - before);
    return out.take();
}

Value toList(const std::vector<std::string_view>& parts)
{
    std::vector<Value> items;
    requireSpace(parts.size(), 4 * sizeof(Value));
    items.reserve(parts.size());
    for (const std::string_view part : parts)
        items.emplace_back(part);
    return Value::list(std::move(items));
}

} // namespace cortex::engine::jinja::strings
