// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/template/lexer.h"

#include "neuron/engine/template/strings.h"
#include "neuron/engine/template/unicode.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace cortex::engine::jinja {

namespace {

bool isSpace(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= '\x1c' && c <= '\x1f');
}
bool isDigit(char c)
{
    return c >= '0' && c <= '9';
}
bool isNameStart(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80);
}
bool isNamePart(char c)
{
    return isNameStart(c) || isDigit(c);
}

/// One kind of newline, and none at the very end, as Jinja reads sources.
std::string normalized(std::string_view source)
{
    std::string text;
    text.reserve(source.size());
    for (size_t i = 0; i < source.size(); ++i) {
        if (source[i] != '\r') {
            text += source[i];
            continue;
        }
        text += '\n';
        if (i + 1 < source.size() && source[i + 1] == '\n')
            ++i;
    }
    if (!text.empty() && text.back() == '\n')
        text.pop_back();
    return text;
}

class Lexer {
public:
    explicit Lexer(std::string source)
        : m_source(std::move(source))
        , m_text(m_source)
    {
    }
    std::vector<Token> run();

private:
    void data();
    void comment();
    bool raw();
    void tag(TokenKind begin, TokenKind end);
    bool tagEnd(TokenKind end);
    void number();
    void string();
    void name();
    void operators();
    bool based(int base, std::string_view letters);

    bool at(std::string_view expected) const { return m_text.substr(m_at).starts_with(expected); }
    void skipSpace();
    void skipAfterTag(char sign, bool trimNewline);
    std::string_view stripBefore(std::string_view data, char sign, bool isVariable) const;
    void advance(size_t bytes);
    void push(TokenKind kind, std::string text, Value number = {});
    [[noreturn]] void bad(const std::string& message) const { throw SyntaxFault{message, m_line}; }

    const std::string m_source;
    const std::string_view m_text;
    size_t m_at = 0;
    int m_line = 1;
    bool m_lineStarts = true; ///< the last thing consumed ended with a newline
    std::vector<char> m_open; ///< closing brackets awaited in the current tag
    std::vector<Token> m_tokens;
};

std::vector<Token> Lexer::run()
{
    while (m_at < m_text.size())
        data();
    push(TokenKind::End, "");
    return std::move(m_tokens);
}

void Lexer::push(TokenKind kind, std::string text, Value number)
{
    if (kind == TokenKind::Data && text.empty())
        return;
    m_tokens.push_back({kind, m_line, std::move(text), std::move(number)});
}

void Lexer::advance(size_t bytes)
{
    m_line += int(std::count(m_text.begin() + ptrdiff_t(m_at), m_text.begin() + ptrdiff_t(m_at + bytes), '\n'));
    m_at += bytes;
    if (bytes > 0)
        m_lineStarts = m_text[m_at - 1] == '\n';
}

void Lexer::skipSpace()
{
    const std::string_view rest = m_text.substr(m_at);
    advance(rest.size() - strings::strip(rest, std::nullopt, true, false).size());
}

/// White space that a tag's end swallows: all after '-', else one newline after a block or comment (trim_blocks).
void Lexer::skipAfterTag(char sign, bool trimNewline)
{
    if (sign == '-')
        skipSpace();
    else if (sign != '+' && trimNewline && at("\n"))
        advance(1);
}

/// White space that a tag's beginning swallows: all before '-', else the indentation of a block or comment that is the
/// first on its line (lstrip_blocks).
std::string_view Lexer::stripBefore(std::string_view data, char sign, bool isVariable) const
{
    if (sign == '-')
        return strings::strip(data, std::nullopt, false, true);
    if (sign == '+' || isVariable)
        return data;
    const size_t lineStart = data.rfind('\n') + 1; // npos + 1 is 0
    if (lineStart == 0 && !m_lineStarts)
        return data;
    const std::string_view indentation = data.substr(lineStart);
    return strings::strip(indentation, std::nullopt, true, false).empty() ? data.substr(0, lineStart) : data;
}

/// Data up to the next tag, and that tag.
void Lexer::data()
{
    size_t begin = m_at;
    while ((begin = m_text.find('{', begin)) != std::string_view::npos) {
        const char next = begin + 1 < m_text.size() ? m_text[begin + 1] : '\0';
        if (next == '{' || next == '%' || next == '#')
            break;
        ++begin;
    }
    if (begin == std::string_view::npos) {
        push(TokenKind::Data, std::string(m_text.substr(m_at)));
        advance(m_text.size() - m_at);
        return;
    }
    const std::string_view text = m_text.substr(m_at, begin - m_at);
    const char kind = m_text[begin + 1];
    const char sign = begin + 2 < m_text.size() ? m_text[begin + 2] : '\0';
    const bool isSigned = sign == '-' || sign == '+';
    push(TokenKind::Data, std::string(stripBefore(text, sign, kind == '{')));
    advance(text.size());
    if (kind == '%' && raw())
        return;
    advance(isSigned ? 3 : 2);
    if (kind == '#')
        comment();
    else if (kind == '%')
        tag(TokenKind::BlockBegin, TokenKind::BlockEnd);
    else
        tag(TokenKind::VariableBegin, TokenKind::VariableEnd);
}

void Lexer::comment()
{
    const size_t end = m_text.find("#}", m_at);
    if (end == std::string_view::npos)
        bad("Missing end of comment tag");
    const char sign = end > m_at ? m_text[end - 1] : '\0';
    advance(end + 2 - m_at);
    skipAfterTag(sign, true);
}

/// A whole raw section at the current place, if there is one.
bool Lexer::raw()
{
    const auto skip = [&](size_t i) {
        while (i < m_text.size() && isSpace(m_text[i]))
            ++i;
        return i;
    };
    const auto word = [&](size_t i, std::string_view expected) {
        return m_text.substr(i).starts_with(expected) ? i + expected.size() : std::string_view::npos;
    };
    const auto isSign = [&](size_t i) { return i < m_text.size() && (m_text[i] == '-' || m_text[i] == '+'); };

    size_t i = word(skip(m_at + 2 + isSign(m_at + 2)), "raw");
    if (i == std::string_view::npos)
        return false;
    i = skip(i);
    const bool minus = i < m_text.size() && m_text[i] == '-';
    if ((i = word(i + minus, "%}")) == std::string_view::npos)
        return false;
    advance(i - m_at);
    if (minus)
        skipSpace();

    for (size_t begin = m_at; (begin = m_text.find("{%", begin)) != std::string_view::npos; begin += 2) {
        const char before = isSign(begin + 2) ? m_text[begin + 2] : '\0';
        size_t end = word(skip(begin + 2 + isSign(begin + 2)), "endraw");
        if (end == std::string_view::npos)
            continue;
        end = skip(end);
        const char after = isSign(end) ? m_text[end] : '\0';
        end = word(end + isSign(end), "%}");
        if (end == std::string_view::npos)
            continue;
        push(TokenKind::Data, std::string(stripBefore(m_text.substr(m_at, begin - m_at), before, false)));
        advance(end - m_at);
        skipAfterTag(after, true);
        return true;
    }
    bad("Missing end of raw directive");
}

void Lexer::tag(TokenKind begin, TokenKind end)
{
    push(begin, begin == TokenKind::BlockBegin ? "{%" : "{{");
    m_open.clear();
    while (m_at < m_text.size()) {
        if (m_open.empty() && tagEnd(end))
            return;
        const char c = m_text[m_at];
        if (isSpace(c))
            skipSpace();
        else if (isDigit(c))
            number();
        else if (c == '\'' || c == '"')
            string();
        else if (isNameStart(c))
            name();
        else
            operators();
    }
    if (!m_open.empty())
        bad(std::string("unexpected end of template, expected '") + m_open.back() + "'");
    bad(std::string("unexpected end of template, expected 'end of ")
        + (end == TokenKind::BlockEnd ? "statement block'" : "print statement'"));
}

bool Lexer::tagEnd(TokenKind end)
{
    const bool block = end == TokenKind::BlockEnd;
    const std::string_view mark = block ? "%}" : "}}";
    const char sign = m_text[m_at] == '-' || (block && m_text[m_at] == '+') ? m_text[m_at] : '\0';
    const size_t skip = sign ? 1 : 0;
    if (!m_text.substr(m_at + skip).starts_with(mark))
        return false;
    push(end, std::string(mark));
    advance(skip + mark.size());
    skipAfterTag(sign, block);
    return true;
}

/// 0x, 0o and 0b integers.
bool Lexer::based(int base, std::string_view letters)
{
    if (m_text[m_at] != '0' || m_at + 2 >= m_text.size() || letters.find(m_text[m_at + 1]) == std::string_view::npos)
        return false;
    const auto digit = [base](char c) {
        const int value = isDigit(c) ? c - '0'
            : c >= 'a' && c <= 'f'   ? c - 'a' + 10
            : c >= 'A' && c <= 'F'   ? c - 'A' + 10
                                     : 99;
        return value < base ? value : -1;
    };
    Int value = 0;
    size_t i = m_at + 2;
    size_t digits = 0;
    for (; i < m_text.size()
         && (digit(m_text[i]) >= 0 || (m_text[i] == '_' && i + 1 < m_text.size() && digit(m_text[i + 1]) >= 0));
         ++i) {
        if (m_text[i] == '_')
            continue;
        if (++digits > 30 * 4 / (base == 2 ? 1 : base == 8 ? 3 : 4))
            bad("an integer of more than 120 bits is not supported");
        value = value * base + digit(m_text[i]);
    }
    if (digits == 0)
        return false;
    const std::string text(m_text.substr(m_at, i - m_at));
    push(TokenKind::Integer, text, value);
    advance(i - m_at);
    return true;
}

void Lexer::number()
{
    if (based(16, "xX") || based(8, "oO") || based(2, "bB"))
        return;
    std::string digits;
    size_t i = m_at;
    const auto takeDigits = [&] {
        while (
            i < m_text.size()
            && (isDigit(m_text[i])
                || (m_text[i] == '_' && isDigit(m_text[i - 1]) && i + 1 < m_text.size() && isDigit(m_text[i + 1])))) {
            if (m_text[i] != '_')
                digits += m_text[i];
            ++i;
        }
    };
    const auto digitAt = [&](size_t k) { return k < m_text.size() && isDigit(m_text[k]); };
    takeDigits();
    bool isFloat = false;
    // "1.foo" is an attribute of 1 and "x.1.2" two subscripts: a fraction needs a digit, and no dot before the number.
    const bool afterDot = m_at > 0 && m_text[m_at - 1] == '.';
    if (!afterDot && i < m_text.size() && m_text[i] == '.' && digitAt(i + 1)) {
        isFloat = true;
        digits += '.';
        ++i;
        takeDigits();
    }
    if (!afterDot && i < m_text.size() && (m_text[i] == 'e' || m_text[i] == 'E')) {
        const bool isSigned = i + 1 < m_text.size() && (m_text[i + 1] == '-' || m_text[i + 1] == '+');
        if (digitAt(i + 1 + isSigned)) {
            isFloat = true;
            digits += 'e';
            if (isSigned && m_text[i + 1] == '-')
                digits += '-';
            i += 1 + isSigned;
            takeDigits();
        }
    }
    if (isFloat) {
        double value = 0;
        const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (result.ec == std::errc::result_out_of_range)
            value = std::strtod(digits.c_str(), nullptr);
        push(TokenKind::Float, digits, value);
    } else {
        if (digits.size() > 1 && digits[0] == '0' && digits.find_first_not_of('0') != std::string::npos)
            bad("an integer must not begin with 0: " + digits.substr(0, 40));
        if (digits.size() > 36 && digits[0] != '0')
            bad("an integer of more than 36 digits is not supported");
        Int value = 0;
        for (const char c : digits)
            value = value * 10 + (c - '0');
        push(TokenKind::Integer, digits, value);
    }
    advance(i - m_at);
}

/// Decodes Python's escapes. `escapes` starts after the opening quote; appends to `out` until the closing one.
void Lexer::string()
{
    const char quote = m_text[m_at];
    std::string out;
    size_t i = m_at + 1;
    const auto hex = [&](unsigned count) {
        char32_t code = 0;
        for (unsigned k = 0; k < count; ++k, ++i) {
            const char c = i < m_text.size() ? m_text[i] : '\0';
            const int digit = isDigit(c) ? c - '0'
                : c >= 'a' && c <= 'f'   ? c - 'a' + 10
                : c >= 'A' && c <= 'F'   ? c - 'A' + 10
                                         : -1;
            if (digit < 0)
                bad("a \\x, \\u or \\U escape lacks hexadecimal digits");
            code = code << 4 | char32_t(digit);
        }
        if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
            bad("an escape names no Unicode character");
        unicode::append(out, code);
    };
    for (;;) {
        if (i >= m_text.size())
            bad(std::string("unexpected char ") + (quote == '"' ? "'\"'" : "\"'\"") + " (the string is not closed)");
        const char c = m_text[i++];
        if (c == quote)
            break;
        if (c != '\\') {
            out += c;
            continue;
        }
        if (i >= m_text.size())
            continue;
        const char escape = m_text[i++];
        static constexpr std::string_view letters = "abfnrtv\\'\"";
        static constexpr std::string_view meanings = "\a\b\f\n\r\t\v\\'\"";
        if (const size_t k = letters.find(escape); k != std::string_view::npos) {
            out += meanings[k];
        } else if (escape == 'x' || escape == 'u' || escape == 'U') {
            hex(escape == 'x' ? 2 : escape == 'u' ? 4 : 8);
        } else if (escape >= '0' && escape <= '7') {
            char32_t code = char32_t(escape - '0');
            for (int n = 0; n < 2 && i < m_text.size() && m_text[i] >= '0' && m_text[i] <= '7'; ++n, ++i)
                code = code * 8 + char32_t(m_text[i] - '0');
            unicode::append(out, code);
        } else if (escape == 'N') {
            bad("\\N{…} escapes are not supported: write \\u or the character itself");
        } else if (escape != '\n') {
            out += '\\';
            out += escape;
        }
    }
    push(TokenKind::String, std::move(out));
    advance(i - m_at);
}

void Lexer::name()
{
    size_t i = m_at;
    while (i < m_text.size() && isNamePart(m_text[i]))
        ++i;
    push(TokenKind::Name, std::string(m_text.substr(m_at, i - m_at)));
    advance(i - m_at);
}

void Lexer::operators()
{
    static constexpr std::array<std::string_view, 27> known = {"**", "//", "==", "!=", ">=", "<=", "+", "-", "/",
                                                               "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                               ">",  "<",  "=",  ".",  ":",  "|",  ",", ";", ""};
    const auto op = std::find_if(known.begin(), known.end() - 1, [&](std::string_view o) { return at(o); });
    if (op->empty()) {
        TextBuilder character;
        printQuoted(character, m_text.substr(m_at, unicode::decode(m_text, m_at).size));
        bad("unexpected char " + character.text() + " at " + std::to_string(m_at));
    }
    static constexpr std::string_view opening = "([{";
    static constexpr std::string_view closing = ")]}";
    if (const size_t k = opening.find((*op)[0]); k != std::string_view::npos) {
        m_open.push_back(closing[k]);
    } else if (closing.find((*op)[0]) != std::string_view::npos) {
        if (m_open.empty())
            bad("unexpected '" + std::string(*op) + "'");
        if (m_open.back() != (*op)[0])
            bad("unexpected '" + std::string(*op) + "', expected '" + m_open.back() + "'");
        m_open.pop_back();
    }
    push(TokenKind::Operator, std::string(*op));
    advance(op->size());
}

} // namespace

std::string Token::describe() const
{
    switch (kind) {
    case TokenKind::End:
        return "end of template";
    case TokenKind::BlockEnd:
        return "end of statement block";
    case TokenKind::VariableEnd:
        return "end of print statement";
    case TokenKind::BlockBegin:
        return "begin of statement block";
    case TokenKind::VariableBegin:
        return "begin of print statement";
    case TokenKind::Data:
        return "template data";
    default:
        return text.size() <= 80 ? text : text.substr(0, 80) + "…";
    }
}

std::vector<Token> tokenize(std::string_view source)
{
    return Lexer(normalized(source)).run();
}

} // namespace cortex::engine::jinja
