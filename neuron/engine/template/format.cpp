// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/template/format.h"

#include "neuron/engine/template/operators.h"
#include "neuron/engine/template/unicode.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace cortex::engine::jinja {

namespace {

/// One conversion of either style: [[fill]align][sign][#][0][width][,][.precision]type.
struct Spec {
    std::string fill = " ";
    char align = '\0';
    char sign = '-';
    bool alternate = false;
    char grouping = '\0';
    size_t width = 0;
    int precision = -1;
    char type = '\0';
};

bool isDigit(char c)
{
    return c >= '0' && c <= '9';
}

size_t readNumber(std::string_view text, size_t& at)
{
    size_t value = 0;
    while (at < text.size() && isDigit(text[at])) {
        value = value * 10 + size_t(text[at++] - '0');
        requireTextSize(value);
    }
    return value;
}

/// `head` characters stay before what '=' fills in.
std::string padded(const std::string& text, const Spec& spec, char defaultAlign, size_t head = 0)
{
    const size_t length = unicode::length(text);
    if (length >= spec.width)
        return text;
    const char align = spec.align ? spec.align : defaultAlign;
    const size_t missing = spec.width - length;
    if (align != '=')
        head = 0;
    const size_t before = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
    TextBuilder out;
    out << std::string_view(text).substr(0, head);
    out.repeat(spec.fill, before);
    out << std::string_view(text).substr(head);
    out.repeat(spec.fill, missing - before);
    return out.take();
}

std::string digitsOf(Int value, unsigned base, bool upper)
{
    const char* const letters = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    std::string digits;
    for (Int rest = value; rest != 0; rest /= int(base))
        digits += letters[int(rest % int(base) < 0 ? -(rest % int(base)) : rest % int(base))];
    std::reverse(digits.begin(), digits.end());
    return digits.empty() ? "0" : digits;
}

/// Separators in the first `end` characters of `number`, which are digits; zeros before them up to `width`.
std::string grouped(std::string_view number, size_t end, char separator, size_t size, size_t width)
{
    const std::string_view rest = number.substr(end);
    const size_t room = width > rest.size() ? width - rest.size() : 1;
    TextBuilder out;
    for (size_t left = std::max(end, room - (room - 1) / (size + 1)); left > 0; --left) {
        out << (left > end ? '0' : number[end - left]);
        if (left > 1 && (left - 1) % size == 0)
            out << separator;
    }
    out << rest;
    return out.take();
}

std::string signOf(bool negative, const Spec& spec)
{
    return negative ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
}

/// `head`, which is sign and prefix, and `number`, whose first `end` characters are digits that are grouped by `size`.
std::string assembled(const std::string& head, std::string number, size_t end, size_t size, const Spec& spec)
{
    const bool zeros = spec.align == '=' && spec.fill == "0" && spec.width > head.size();
    if (spec.grouping)
        number = grouped(number, end, spec.grouping, size, zeros ? spec.width - head.size() : 0);
    return padded(head + number, spec, '>', head.size());
}

std::string formatInteger(Int value, const Spec& spec)
{
    const char type = spec.type;
    const unsigned base = type == 'x' || type == 'X' ? 16 : type == 'o' ? 8 : type == 'b' ? 2 : 10;
    std::string digits = digitsOf(value, base, type == 'X');
    if (spec.precision > int(digits.size())) {
        requireTextSize(size_t(spec.precision));
        digits.insert(0, size_t(spec.precision) - digits.size(), '0');
    }
    if (spec.grouping == ',' && base != 10)
        fail("Cannot specify ',' with '" + std::string(1, type) + "'.");
    std::string head = signOf(value < 0, spec);
    if (spec.alternate && base != 10)
        head.append("0") += type;
    const size_t end = digits.size();
    return assembled(head, std::move(digits), end, base == 10 ? 3 : 4, spec);
}

/// The digits of `value`, not negative, by one of e, f, g.
std::string printed(double value, char type, int precision, bool alternate)
{
    const char pattern[] = {'%', alternate ? '#' : '0', '.', '*', type, '\0'};
    char buffer[1600];
    const int size = std::snprintf(buffer, sizeof buffer, pattern, precision, value);
    return std::string(buffer, size_t(std::clamp(size, 0, int(sizeof buffer) - 1)));
}

std::string formatFloat(double value, Spec spec)
{
    const bool percent = spec.type == '%';
    const double scaled = std::fabs(percent ? value * 100 : value);
    if (spec.precision > 1000)
        fail("a precision of more than 1000 digits is not supported");
    std::string digits;
    if (!std::isfinite(scaled)) {
        digits = std::isnan(scaled) ? "nan" : "inf";
        spec.grouping = '\0';
    } else if (!spec.type && spec.precision < 0)
        digits = toString(scaled);
    else
        digits = printed(scaled,
                         percent                ? 'f'
                             : spec.type == 'F' ? 'f'
                             : spec.type        ? spec.type
                                                : 'g',
                         spec.precision < 0 ? 6 : spec.precision, spec.alternate);
    if (percent)
        digits += '%';
    const size_t end = std::min(digits.find_first_of(".eE%"), digits.size());
    return assembled(signOf(std::signbit(value) && !std::isnan(value), spec), std::move(digits), end, 3, spec);
}

std::string formatText(std::string_view text, const Spec& spec)
{
    const size_t end = spec.precision < 0 ? text.size() : unicode::offset(text, size_t(spec.precision));
    return padded(std::string(text.substr(0, end)), spec, '<');
}

/// Python's ascii(x).
std::string asciiOf(const Value& value)
{
    const std::string text = value.repr();
    TextBuilder out;
    for (size_t at = 0; at < text.size();) {
        const auto [code, size] = unicode::decode(text, at);
        if (code < 0x80)
            out << char(code);
        else
            printEscaped(out, code);
        at += size;
    }
    return out.take();
}

Int truncated(double value)
{
    if (std::isnan(value))
        fail("cannot convert float NaN to integer");
    if (std::isinf(value))
        fail("cannot convert float infinity to integer");
    if (std::fabs(value) > 1e38)
        fail("an integer would exceed 128 bits");
    return Int(value);
}

// ---- format % values

/// The values of a % format, taken one after the other or by name.
class PercentValues {
public:
    explicit PercentValues(const Value& values)
        : m_values(values)
    {
    }

    const Value& next()
    {
        const bool isTuple = m_values.isTuple();
        if (m_next >= (isTuple ? m_values.sequence()->items.size() : 1))
            fail("not enough arguments for format string");
        return isTuple ? m_values.sequence()->items[m_next++] : (++m_next, m_values);
    }
    Value named(std::string_view name)
    {
        if (!m_values.dict())
            fail("format requires a mapping");
        const Value* found = m_values.dict()->find(name);
        if (!found)
            fail(Value(name).repr());
        m_next = 1;
        return *found;
    }
    void requireAllUsed() const
    {
        const bool optional = m_values.dict() || m_values.isList() || m_values.isUndefined();
        const bool left = m_values.isTuple() ? m_next < m_values.sequence()->items.size() : m_next == 0 && !optional;
        if (left)
            fail("not all arguments converted during string formatting");
    }

private:
    const Value& m_values;
    size_t m_next = 0;
};

std::string convertPercent(const Value& value, Spec spec)
{
    switch (spec.type) {
    case 's':
        return padded(formatText(value.str(), {.precision = spec.precision}), spec, '>');
    case 'r':
        return padded(formatText(value.repr(), {.precision = spec.precision}), spec, '>');
    case 'a':
        return padded(formatText(asciiOf(value), {.precision = spec.precision}), spec, '>');
    case 'c':
        if (value.isString() && value.text()->length == 1)
            return padded(value.bytes(), spec, '>');
        if (!value.isIntegral())
            fail("%c requires int or char");
        if (value.integer() < 0 || value.integer() > 0x10FFFF)
            fail("%c arg not in range(0x110000)");
        {
            std::string text;
            unicode::append(text, char32_t(value.integer()));
            return padded(text, spec, '>');
        }
    case 'd':
    case 'i':
    case 'u':
        if (!value.isNumber()) {
            value.requireDefined();
            fail("%" + std::string(1, spec.type) + " format: a real number is required, not " + value.typeName());
        }
        spec.type = 'd';
        return formatInteger(value.isFloat() ? truncated(value.number()) : value.integer(), spec);
    case 'x':
    case 'X':
    case 'o':
        if (!value.isIntegral())
            fail("%" + std::string(1, spec.type) + " format: an integer is required, not " + value.typeName());
        return formatInteger(value.integer(), spec);
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
        if (!value.isNumber()) {
            value.requireDefined();
            fail("must be real number, not " + value.typeName());
        }
        return formatFloat(value.number(), spec);
    default:
        return {};
    }
}

Spec percentFlags(std::string_view format, size_t& at)
{
    Spec spec;
    for (; at < format.size(); ++at) {
        if (format[at] == '-') {
            spec.align = '<';
        } else if (format[at] == '0') {
            if (spec.align != '<') {
                spec.fill = "0";
                spec.align = '=';
            }
        } else if (format[at] == '+') {
            spec.sign = '+';
        } else if (format[at] == ' ') {
            spec.sign = spec.sign == '+' ? '+' : ' ';
        } else if (format[at] == '#') {
            spec.alternate = true;
        } else {
            break;
        }
    }
    if (spec.align == '<')
        spec.fill = " ";
    return spec;
}

} // namespace

std::string percentFormat(std::string_view format, const Value& values)
{
    workOn(format.size());
    PercentValues arguments(values);
    TextBuilder out;
    for (size_t at = 0; at < format.size();) {
        const size_t percent = std::min(format.find('%', at), format.size());
        out << format.substr(at, percent - at);
        if (percent == format.size())
            break;
        at = percent + 1;
        std::optional<Value> named;
        if (at < format.size() && format[at] == '(') {
            const size_t close = format.find(')', at);
            if (close == std::string_view::npos)
                fail("incomplete format key");
            named = arguments.named(format.substr(at + 1, close - at - 1));
            at = close + 1;
        }
        Spec spec = percentFlags(format, at);
        const auto number = [&](Int limit) {
            if (at >= format.size() || format[at] != '*')
                return Int(readNumber(format, at));
            ++at;
            const Value& value = arguments.next();
            if (!value.isIntegral())
                fail("* wants int");
            return std::clamp<Int>(value.integer(), -limit, limit);
        };
        const Int width = number(Int(limits::textBytes) + 1);
        if (width < 0)
            spec.align = '<';
        spec.width = size_t(width < 0 ? -width : width);
        requireTextSize(spec.width);
        if (at < format.size() && format[at] == '.') {
            ++at;
            spec.precision = int(std::max<Int>(number(Int(limits::textBytes)), 0));
        }
        if (at >= format.size())
            fail("incomplete format");
        spec.type = format[at++];
        if (spec.type == '%') {
            out << '%';
            continue;
        }
        if (std::string_view("srcaiduxXoeEfFgG").find(spec.type) == std::string_view::npos)
            fail("unsupported format character '" + std::string(1, spec.type) + "' (0x"
                 + digitsOf(static_cast<unsigned char>(spec.type), 16, false) + ") at index " + std::to_string(at - 1));
        if (std::string_view("srac").find(spec.type) != std::string_view::npos && spec.fill == "0")
            spec.fill = " ", spec.align = '>';
        out << convertPercent(named ? *named : arguments.next(), spec);
    }
    arguments.requireAllUsed();
    return out.take();
}

namespace {

// ---- format.format(...)

Spec braceSpec(std::string_view text)
{
    Spec spec;
    size_t at = 0;
    const auto isAlign = [&](size_t i) {
        return i < text.size() && std::string_view("<>=^").find(text[i]) != std::string_view::npos;
    };
    const size_t first = text.empty() ? 0 : unicode::decode(text, 0).size;
    if (first > 0 && isAlign(first)) {
        spec.fill = std::string(text.substr(0, first));
        spec.align = text[first];
        at = first + 1;
    } else if (isAlign(0)) {
        spec.align = text[at++];
    }
    if (at < text.size() && (text[at] == '+' || text[at] == '-' || text[at] == ' '))
        spec.sign = text[at++];
    if (at < text.size() && text[at] == '#') {
        spec.alternate = true;
        ++at;
    }
    if (at < text.size() && text[at] == '0') {
        if (!spec.align) {
            spec.fill = "0";
            spec.align = '=';
        }
        ++at;
    }
    spec.width = readNumber(text, at);
    if (at < text.size() && (text[at] == ',' || text[at] == '_'))
        spec.grouping = text[at++];
    if (at < text.size() && text[at] == '.') {
        ++at;
        if (at >= text.size() || !isDigit(text[at]))
            fail("Format specifier missing precision");
        spec.precision = int(readNumber(text, at));
    }
    if (at < text.size())
        spec.type = text[at++];
    if (at < text.size())
        fail("Invalid format specifier");
    return spec;
}

std::string formatValue(const Value& value, std::string_view text)
{
    if (text.empty())
        return value.str();
    const Spec spec = braceSpec(text);
    const auto unknown = [&] {
        fail("Unknown format code '" + std::string(1, spec.type) + "' for object of type '" + value.typeName() + "'");
    };
    const auto isOneOf = [&](std::string_view types) { return types.find(spec.type) != std::string_view::npos; };
    if (value.isString()) {
        if (spec.type && spec.type != 's')
            unknown();
        if (spec.align == '=')
            fail("'=' alignment not allowed in string format specifier");
        return formatText(value.bytes(), spec);
    }
    if (value.isIntegral() && (!spec.type || isOneOf("dxXob"))) {
        if (spec.precision >= 0)
            fail("Precision not allowed in integer format specifier");
        return formatInteger(value.integer(), spec);
    }
    if (value.isNumber()) {
        if (spec.type && !isOneOf("eEfFgG%"))
            unknown();
        return formatFloat(value.number(), spec);
    }
    fail("unsupported format string passed to " + value.typeName() + ".__format__");
}

class BraceFormat {
public:
    explicit BraceFormat(const Arguments& arguments)
        : m_arguments(arguments)
    {
    }
    std::string run(std::string_view format, unsigned depth);

private:
    Value field(std::string_view name);
    Value root(std::string_view name);

    const Arguments& m_arguments;
    size_t m_next = 0;
};

Value BraceFormat::root(std::string_view name)
{
    const bool isIndex = std::all_of(name.begin(), name.end(), isDigit);
    if (!isIndex) {
        for (const auto& [key, value] : m_arguments.named)
            if (key == name)
                return value;
        fail(Value(name).repr());
    }
    size_t at = 0;
    const size_t index = name.empty() ? m_next++ : readNumber(name, at);
    if (index >= m_arguments.positional.size())
        fail("Replacement index " + std::to_string(index) + " out of range for positional args tuple");
    return m_arguments.positional[index];
}

/// name, then any of .attribute and [item].
Value BraceFormat::field(std::string_view name)
{
    size_t at = std::min(name.find_first_of(".["), name.size());
    Value value = root(name.substr(0, at));
    while (at < name.size()) {
        const bool isItem = name[at] == '[';
        const size_t end = isItem ? name.find(']', at) : std::min(name.find_first_of(".[", at + 1), name.size());
        if (end == std::string_view::npos)
            fail("Missing ']' in format string");
        const std::string_view key = name.substr(at + 1, end - at - 1);
        const bool isIndex = isItem && !key.empty() && std::all_of(key.begin(), key.end(), isDigit);
        size_t digits = 0;
        const auto found = isItem ? subscript(value, isIndex ? Value(readNumber(key, digits)) : Value(key))
            : value.object() ? value.object()->attribute(key)
                                  : std::nullopt;
        if (!found)
            fail("'" + value.describe() + "' has no " + (isItem ? "element " : "attribute ") + Value(key).repr());
        value = *found;
        at = isItem ? end + 1 : end;
    }
    return value;
}

std::string BraceFormat::run(std::string_view format, unsigned depth)
{
    if (depth > 1)
        fail("Max string recursion exceeded");
    TextBuilder out;
    for (size_t at = 0; at < format.size();) {
        const char c = format[at];
        if (c != '{' && c != '}') {
            out << c;
            ++at;
            continue;
        }
        if (at + 1 < format.size() && format[at + 1] == c) {
            out << c;
            at += 2;
            continue;
        }
        if (c == '}')
            fail("Single '}' encountered in format string");
        size_t end = at + 1;
        for (unsigned open = 1; end < format.size(); ++end) {
            open += format[end] == '{';
            open -= format[end] == '}';
            if (open == 0)
                break;
        }
        if (end >= format.size())
            fail(at + 1 == format.size() ? "Single '{' encountered in format string"
                                         : "expected '}' before end of string");
        const std::string_view inside = format.substr(at + 1, end - at - 1);
        const size_t colon = std::min(inside.find(':'), inside.size());
        std::string_view name = inside.substr(0, colon);
        const size_t bang = name.find('!');
        Value value = field(name.substr(0, bang));
        if (bang != std::string_view::npos) {
            const std::string_view conversion = name.substr(bang + 1);
            if (conversion != "r" && conversion != "s" && conversion != "a")
                fail("Unknown conversion specifier");
            value = Value(conversion == "s" ? value.str() : conversion == "r" ? value.repr() : asciiOf(value));
        }
        const std::string spec = colon < inside.size() ? run(inside.substr(colon + 1), depth + 1) : std::string();
        out << formatValue(value, spec);
        at = end + 1;
    }
    return out.take();
}

} // namespace

std::string braceFormat(std::string_view format, const Arguments& arguments)
{
    workOn(format.size());
    return BraceFormat(arguments).run(format, 0);
}

// ---- json.dumps

namespace {

class JsonWriter {
public:
    explicit JsonWriter(const JsonStyle& style)
        : m_style(style)
    {
    }
    void write(const Value& value, unsigned depth);
    std::string take() { return m_out.take(); }

private:
    void writeText(std::string_view text);
    void writeEscape(char32_t code);
    void writeKey(const Value& key);
    void writeFloat(double value);
    void writeDict(const Dict& dict, unsigned depth);
    void writeList(const std::vector<Value>& items, unsigned depth);
    void newline(unsigned depth);

    const JsonStyle& m_style;
    TextBuilder m_out;
};

void JsonWriter::newline(unsigned depth)
{
    if (!m_style.multiline)
        return;
    m_out << '\n';
    m_out.repeat(m_style.indent, depth);
}

void JsonWriter::writeEscape(char32_t code)
{
    static constexpr char hex[] = "0123456789abcdef";
    if (code >= 0x10000) {
        writeEscape(0xD800 + ((code - 0x10000) >> 10));
        writeEscape(0xDC00 + ((code - 0x10000) & 0x3FF));
        return;
    }
    m_out << "\\u";
    for (int shift = 12; shift >= 0; shift -= 4)
        m_out << hex[code >> shift & 15];
}

void JsonWriter::writeText(std::string_view text)
{
    static constexpr std::string_view special = "\"\\\n\r\t\b\f";
    static constexpr std::string_view letters = "\"\\nrtbf";
    workOn(text.size());
    m_out << '"';
    for (size_t at = 0; at < text.size();) {
        const auto [code, size] = unicode::decode(text, at);
        const size_t k = code < 0x80 ? special.find(char(code)) : std::string_view::npos;
        if (k != std::string_view::npos)
            m_out << '\\' << letters[k];
        else if (code < 0x20 || (m_style.asciiOnly && code >= 0x7F + 1))
            writeEscape(code);
        else
            m_out << text.substr(at, size);
        at += size;
    }
    m_out << '"';
}

void JsonWriter::writeFloat(double value)
{
    if (std::isnan(value))
        m_out << "NaN";
    else if (std::isinf(value))
        m_out << (value < 0 ? "-Infinity" : "Infinity");
    else
        m_out << toString(value);
}

void JsonWriter::writeKey(const Value& key)
{
    if (key.isString()) {
        writeText(key.bytes());
        return;
    }
    if (!key.isNone() && !key.isNumber())
        fail("keys must be str, int, float, bool or None, not " + key.typeName());
    m_out << '"';
    write(key, 0);
    m_out << '"';
}

void JsonWriter::writeDict(const Dict& dict, unsigned depth)
{
    std::vector<const Dict::Entry*> entries;
    for (const auto& entry : dict.entries())
        entries.push_back(&entry);
    if (m_style.sortKeys)
        std::stable_sort(entries.begin(), entries.end(),
                         [](const auto* a, const auto* b) { return lessThan(a->first, b->first); });
    m_out << '{';
    bool first = true;
    for (const auto* entry : entries) {
        if (!first)
            m_out << m_style.itemSeparator;
        first = false;
        newline(depth + 1);
        writeKey(entry->first);
        m_out << m_style.keySeparator;
        write(entry->second, depth + 1);
    }
    if (!first)
        newline(depth);
    m_out << '}';
}

void JsonWriter::writeList(const std::vector<Value>& items, unsigned depth)
{
    m_out << '[';
    bool first = true;
    for (const Value& item : items) {
        if (!first)
            m_out << m_style.itemSeparator;
        first = false;
        newline(depth + 1);
        write(item, depth + 1);
    }
    if (!first)
        newline(depth);
    m_out << ']';
}

void JsonWriter::write(const Value& value, unsigned depth)
{
    workOn(0);
    if (value.isNone())
        m_out << "null";
    else if (value.isBool())
        m_out << (value.integer() ? "true" : "false");
    else if (value.isInt())
        m_out << toString(value.integer());
    else if (value.isFloat())
        writeFloat(value.number());
    else if (value.isString())
        writeText(value.bytes());
    else if (const Sequence* sequence = value.sequence())
        writeList(sequence->items, depth);
    else if (const Dict* dict = value.dict())
        writeDict(*dict, depth);
    else
        fail("Object of type " + value.typeName() + " is not JSON serializable");
}

} // namespace

std::string toJson(const Value& value, const JsonStyle& style)
{
    JsonWriter writer(style);
    writer.write(value, 0);
    return writer.take();
}

double roundTo(double value, int precision)
{
    if (!std::isfinite(value) || precision > 300)
        return value;
    if (precision < -300)
        return std::copysign(0.0, value);
    if (precision >= 0)
        return std::strtod(((value < 0 ? "-" : "") + printed(std::fabs(value), 'f', precision, false)).c_str(),
                           nullptr);
    const double scale = std::pow(10.0, -precision);
    return std::nearbyint(value / scale) * scale;
}

} // namespace cortex::engine::jinja
