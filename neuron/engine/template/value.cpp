// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/template/value.h"

#include "neuron/engine/template/unicode.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>

namespace cortex::engine::jinja {

namespace {

unsigned deepest(const std::vector<Value>& items)
{
    unsigned depth = 0;
    for (const Value& item : items)
        depth = std::max(depth, item.depth());
    return depth;
}

unsigned requireDepth(unsigned depth)
{
    if (depth > limits::valueDepth)
        fail("values are nested more than " + std::to_string(limits::valueDepth) + " deep");
    return depth;
}

void printItems(TextBuilder& out, const std::vector<Value>& items, unsigned depth)
{
    bool first = true;
    for (const Value& item : items) {
        if (!first)
            out << ", ";
        first = false;
        item.printRepr(out, depth + 1);
    }
}

void printSequence(TextBuilder& out, const Sequence& sequence, unsigned depth)
{
    out << (sequence.tuple ? '(' : '[');
    printItems(out, sequence.items, depth);
    if (sequence.tuple && sequence.items.size() == 1)
        out << ',';
    out << (sequence.tuple ? ')' : ']');
}

void printDict(TextBuilder& out, const Dict& dict, unsigned depth)
{
    out << '{';
    bool first = true;
    for (const auto& [key, value] : dict.entries()) {
        if (!first)
            out << ", ";
        first = false;
        key.printRepr(out, depth + 1);
        out << ": ";
        value.printRepr(out, depth + 1);
    }
    out << '}';
}

bool equalItems(const std::vector<Value>& left, const std::vector<Value>& right)
{
    return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                      [](const Value& a, const Value& b) { return a.equals(b); });
}

bool equalDicts(const Dict& left, const Dict& right)
{
    if (left.entries().size() != right.entries().size())
        return false;
    for (const auto& [key, value] : left.entries()) {
        const Value* other = right.find(key);
        if (!other || !value.equals(*other))
            return false;
    }
    return true;
}

} // namespace

Text::Text(std::string text, bool isMarkup)
    : bytes((requireTextSize(text.size()), workOn(text.size()), std::move(text)))
    , length(unicode::length(bytes))
    , markup(isMarkup)
    , charge(bytes.size() + sizeof(Text))
{
}

Sequence::Sequence(std::vector<Value> values, bool isTuple, bool isGroup)
    : items(std::move(values))
    , tuple(isTuple)
    , group(isGroup)
    , depth(requireDepth(deepest(items) + 1))
    , charge(items.size() * sizeof(Value) + sizeof(Sequence))
{
    workOn(items.size() * sizeof(Value));
}

Dict::Dict() = default;
Dict::~Dict() = default;

template <typename Matches>
size_t Dict::locate(size_t hash, Matches matches) const
{
    const auto [begin, end] = m_index.equal_range(hash);
    for (auto it = begin; it != end; ++it) {
        workOn(0);
        if (matches(m_entries[it->second].first))
            return it->second;
    }
    return m_entries.size();
}

const Value* Dict::find(const Value& key) const
{
    const size_t at = locate(key.hash(), [&](const Value& other) { return key.equals(other); });
    return at < m_entries.size() ? &m_entries[at].second : nullptr;
}

const Value* Dict::find(std::string_view key) const
{
    const size_t at = locate(std::hash<std::string_view>()(key),
                             [&](const Value& other) { return other.isString() && other.bytes() == key; });
    return at < m_entries.size() ? &m_entries[at].second : nullptr;
}

void Dict::set(Value key, Value value)
{
    const size_t hash = key.hash();
    const size_t at = locate(hash, [&](const Value& other) { return key.equals(other); });
    m_depth = requireDepth(std::max({m_depth, key.depth() + 1, value.depth() + 1}));
    if (at < m_entries.size()) {
        m_entries[at].second = std::move(value);
        return;
    }
    m_charge.add(sizeof(Entry) + 64);
    m_index.emplace(hash, m_entries.size());
    m_entries.emplace_back(std::move(key), std::move(value));
}

void Object::print(TextBuilder& out, unsigned) const
{
    out << '<' << qualifiedName() << " object>";
}

std::optional<Value> Object::attribute(std::string_view) const
{
    return std::nullopt;
}

std::optional<Value> Object::item(const Value&) const
{
    return std::nullopt;
}

std::optional<std::vector<Value>> Object::iterate() const
{
    return std::nullopt;
}

Value Object::call(Interpreter&, Arguments&) const
{
    fail("'" + std::string(typeName()) + "' object is not callable");
}

Value Value::list(std::vector<Value> items)
{
    Value value;
    value.m_held = std::make_shared<const Sequence>(std::move(items), false);
    return value;
}

Value Value::tuple(std::vector<Value> items)
{
    Value value;
    value.m_held = std::make_shared<const Sequence>(std::move(items), true);
    return value;
}

Value Value::group(Value grouper, Value list)
{
    Value value;
    value.m_held =
        std::make_shared<const Sequence>(std::vector<Value>{std::move(grouper), std::move(list)}, true, true);
    return value;
}

Value Value::undefined(std::string message)
{
    Value value;
    value.m_held = std::make_shared<const Undefined>(Undefined{std::move(message)});
    return value;
}

void Value::requireDefined() const
{
    if (isUndefined())
        fail(undefinedMessage());
}

bool Value::truth() const
{
    if (isUndefined() || isNone())
        return false;
    if (isNumber())
        return isFloat() ? std::get<double>(m_held) != 0 : integer() != 0;
    return length().value_or(1) != 0;
}

std::string Value::typeName() const
{
    if (isUndefined())
        return "Undefined";
    if (isNone())
        return "NoneType";
    if (isBool())
        return "bool";
    if (isInt())
        return "int";
    if (isFloat())
        return "float";
    if (const Text* string = text())
        return string->markup ? "Markup" : "str";
    if (const Sequence* items = sequence())
        return items->group ? "_GroupTuple" : items->tuple ? "tuple" : "list";
    return dict() ? "dict" : std::string(object()->typeName());
}

std::string Value::describe() const
{
    if (isNone())
        return "None";
    return (object() ? object()->qualifiedName() : typeName()) + " object";
}

unsigned Value::depth() const
{
    if (const Sequence* items = sequence())
        return items->depth;
    if (const Dict* entries = dict())
        return entries->depth();
    return object() ? object()->depth() : 0;
}

std::string Value::str() const
{
    if (const Text* string = text())
        return string->bytes;
    TextBuilder out;
    print(out);
    return out.take();
}

void Value::print(TextBuilder& out) const
{
    if (const Text* string = text())
        out << string->bytes;
    else if (!isUndefined())
        printRepr(out, 0);
}

std::string Value::repr() const
{
    TextBuilder out;
    printRepr(out, 0);
    return out.take();
}

void Value::printRepr(TextBuilder& out, unsigned depth) const
{
    workOn(0);
    // Namespaces can hold each other, so depth of printing is not bounded by depth of values alone.
    if (depth > 2 * limits::valueDepth)
        fail("values are nested too deep to be printed");
    if (isUndefined())
        out << "Undefined";
    else if (isNone())
        out << "None";
    else if (isBool())
        out << (std::get<bool>(m_held) ? "True" : "False");
    else if (isInt())
        out << toString(std::get<Int>(m_held));
    else if (isFloat())
        out << toString(std::get<double>(m_held));
    else if (const Text* string = text()) {
        out << (string->markup ? "Markup(" : "");
        printQuoted(out, string->bytes);
        out << (string->markup ? ")" : "");
    } else if (const Sequence* items = sequence())
        printSequence(out, *items, depth);
    else if (const Dict* entries = dict())
        printDict(out, *entries, depth);
    else
        object()->print(out, depth);
}

size_t Value::hash() const
{
    workOn(0);
    if (const Text* string = text())
        return std::hash<std::string_view>()(string->bytes);
    if (isNumber())
        return std::hash<double>()(number());
    if (const Sequence* items = sequence(); items && items->tuple) {
        size_t hash = 0x345678;
        for (const Value& item : items->items)
            hash = hash * 1000003 ^ item.hash();
        return hash;
    }
    if (sequence() || dict())
        fail("unhashable type: '" + typeName() + "'");
    return object() ? std::hash<const void*>()(object()) : 0;
}

std::optional<size_t> Value::length() const
{
    if (isUndefined())
        return 0;
    if (const Text* string = text())
        return string->length;
    if (const Sequence* items = sequence())
        return items->items.size();
    if (const Dict* entries = dict())
        return entries->entries().size();
    return object() ? object()->length() : std::nullopt;
}

std::optional<std::vector<Value>> Value::iterate() const
{
    std::vector<Value> values;
    if (isUndefined())
        return values;
    if (const Sequence* items = sequence()) {
        workOn(items->items.size() * sizeof(Value));
        return items->items;
    }
    if (const Text* string = text()) {
        requireSpace(string->length, 4 * sizeof(Value));
        for (const std::string_view character : unicode::characters(string->bytes))
            values.emplace_back(character);
        return values;
    }
    if (const Dict* entries = dict()) {
        workOn(entries->entries().size() * sizeof(Value));
        for (const auto& [key, value] : entries->entries())
            values.push_back(key);
        return values;
    }
    return object() ? object()->iterate() : std::nullopt;
}

std::vector<Value> Value::requireIterable() const
{
    if (auto values = iterate())
        return std::move(*values);
    fail("'" + typeName() + "' object is not iterable");
}

bool Value::equals(const Value& other) const
{
    workOn(0);
    if (isNumber() && other.isNumber()) {
        if (isFloat() || other.isFloat())
            return number() == other.number();
        return integer() == other.integer();
    }
    if (const Text* string = text(); string && other.text()) {
        workOn(string->bytes.size());
        return string->bytes == other.bytes();
    }
    if (const Sequence* items = sequence(); items && other.sequence())
        return items->tuple == other.sequence()->tuple && equalItems(items->items, other.sequence()->items);
    if (const Dict* entries = dict(); entries && other.dict())
        return equalDicts(*entries, *other.dict());
    if (object() && other.object())
        return object()->equals(*other.object());
    return (isNone() && other.isNone()) || (isUndefined() && other.isUndefined());
}

namespace {

int compareSequences(const std::vector<Value>& left, const std::vector<Value>& right, std::string_view operation)
{
    const size_t common = std::min(left.size(), right.size());
    for (size_t i = 0; i < common; ++i)
        if (!left[i].equals(right[i]))
            return compare(left[i], right[i], operation);
    return left.size() < right.size() ? -1 : left.size() > right.size();
}

} // namespace

int compare(const Value& left, const Value& right, std::string_view operation)
{
    workOn(0);
    left.requireDefined();
    right.requireDefined();
    if (left.isNumber() && right.isNumber()) {
        if (left.isFloat() || right.isFloat())
            return left.number() < right.number() ? -1 : left.number() > right.number();
        return left.integer() < right.integer() ? -1 : left.integer() > right.integer();
    }
    if (left.isString() && right.isString()) {
        workOn(std::min(left.bytes().size(), right.bytes().size()));
        return left.bytes().compare(right.bytes());
    }
    if (left.sequence() && right.sequence() && left.isTuple() == right.isTuple())
        return compareSequences(left.sequence()->items, right.sequence()->items, operation);
    fail("'" + std::string(operation) + "' not supported between instances of '" + left.typeName() + "' and '"
         + right.typeName() + "'");
}

bool lessThan(const Value& left, const Value& right)
{
    return compare(left, right, "<") < 0;
}

std::string toString(Int value)
{
    if (value == 0)
        return "0";
    std::string digits;
    for (Int rest = value; rest != 0; rest /= 10)
        digits += char('0' + int(rest % 10 < 0 ? -(rest % 10) : rest % 10));
    if (value < 0)
        digits += '-';
    std::reverse(digits.begin(), digits.end());
    return digits;
}

std::string toString(double value)
{
    if (std::isnan(value))
        return "nan";
    if (std::isinf(value))
        return value < 0 ? "-inf" : "inf";
    char buffer[40];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
    std::string_view shortest(buffer, size_t(end - buffer));
    std::string sign;
    if (shortest.front() == '-') {
        sign = "-";
        shortest.remove_prefix(1);
    }
    const size_t e = shortest.find('e');
    const int exponent = std::stoi(std::string(shortest.substr(e + 1)));
    std::string digits(1, shortest[0]);
    if (e > 2)
        digits += shortest.substr(2, e - 2);
    if (exponent < -4 || exponent >= 16) {
        const std::string mantissa = digits.size() > 1 ? digits.substr(0, 1) + "." + digits.substr(1) : digits;
        const std::string power = std::to_string(std::abs(exponent));
        return sign + mantissa + (exponent < 0 ? "e-" : "e+") + (power.size() < 2 ? "0" : "") + power;
    }
    if (exponent < 0)
        return sign + "0." + std::string(size_t(-exponent - 1), '0') + digits;
    const auto whole = size_t(exponent) + 1;
    if (digits.size() <= whole)
        return sign + digits + std::string(whole - digits.size(), '0') + ".0";
    return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

void printEscaped(TextBuilder& out, char32_t code)
{
    static constexpr char hex[] = "0123456789abcdef";
    // An invalid byte shows as Python shows a byte that came in by surrogateescape.
    const unsigned digits = code < 0x100 ? 2 : code < 0x10000 ? 4 : 8;
    out << '\\' << (digits == 2 ? 'x' : digits == 4 ? 'u' : 'U');
    for (unsigned i = digits; i-- > 0;)
        out << hex[code >> (4 * i) & 15];
}

void printQuoted(TextBuilder& out, std::string_view text)
{
    workOn(text.size());
    const bool single = text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos;
    const char quote = single ? '"' : '\'';
    out << quote;
    for (size_t at = 0; at < text.size();) {
        const auto [code, size] = unicode::decode(text, at);
        if (code == char32_t(quote) || code == '\\')
            out << '\\' << char(code);
        else if (code == '\n')
            out << "\\n";
        else if (code == '\r')
            out << "\\r";
        else if (code == '\t')
            out << "\\t";
        else if (!unicode::isPrintable(code))
            printEscaped(out, code);
        else
            out << text.substr(at, size);
        at += size;
    }
    out << quote;
}

} // namespace cortex::engine::jinja
