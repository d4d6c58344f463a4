// SPDX-License-Identifier: GPL-3.0-only
// Jinja's filters.
#include "neuron/engine/template/format.h"
#include "neuron/engine/template/library.h"
#include "neuron/engine/template/operators.h"
#include "neuron/engine/template/strings.h"
#include "neuron/engine/template/unicode.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <unordered_map>

namespace cortex::engine::jinja {

namespace {

using Items = std::vector<Value>;

// ---- attributes and orders, shared by the filters on sequences

/// value.a.b.0: the value behind a dotted path, integer parts as indices.
Value follow(Interpreter& interpreter, Value value, const Value& path, const std::optional<Value>& whenAbsent = {})
{
    if (path.isNone())
        return value;
    if (!path.isString())
        return interpreter.item(value, path);
    for (const std::string_view part : strings::split(path.bytes(), ".", SIZE_MAX)) {
        const bool isIndex = !part.empty() && part.size() < 10
            && std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
        value = interpreter.item(value, isIndex ? Value(std::stoi(std::string(part))) : Value(part));
        if (whenAbsent && value.isUndefined())
            value = *whenAbsent;
    }
    return value;
}

/// Strings in lower case, everything else as it is: Jinja's order where case does not count.
Value folded(const Value& value, bool caseSensitive)
{
    if (caseSensitive || !value.isString())
        return value;
    workOn(value.bytes().size() * 4);
    return Value(unicode::lower(value.bytes()));
}

/// The items in the order of their keys, stable.
Items ordered(const Items& items, const Items& keys, bool reverse)
{
    std::vector<size_t> order(items.size());
    for (size_t i = 0; i < order.size(); ++i)
        order[i] = i;
    // std::stable_sort needs a strict weak order: NaN keys give some order, without harm.
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
        return reverse ? lessThan(keys[b], keys[a]) : lessThan(keys[a], keys[b]);
    });
    Items result;
    result.reserve(items.size());
    for (const size_t i : order)
        result.push_back(items[i]);
    return result;
}

Items keysOf(Interpreter& interpreter, const Items& items, const Value& attribute, bool caseSensitive)
{
    Items keys;
    for (const Value& item : items)
        keys.push_back(folded(follow(interpreter, item, attribute), caseSensitive));
    return keys;
}

/// The key of sort: several attributes separated by commas make a tuple.
Items sortKeys(Interpreter& interpreter, const Items& items, const Value& attribute, bool caseSensitive)
{
    if (!attribute.isString() || attribute.bytes().find(',') == std::string::npos)
        return keysOf(interpreter, items, attribute, caseSensitive);
    std::vector<Items> columns;
    for (const std::string_view part : strings::split(attribute.bytes(), ",", SIZE_MAX))
        columns.push_back(keysOf(interpreter, items, Value(part), caseSensitive));
    Items keys;
    for (size_t i = 0; i < items.size(); ++i) {
        Items key;
        for (const Items& column : columns)
            key.push_back(column[i]);
        keys.push_back(Value::tuple(std::move(key)));
    }
    return keys;
}

// ---- text

template <std::string (*convert)(std::string_view)>
Value converted(Interpreter&, const Value& input, const Arguments& arguments)
{
    const Parameters none("filter", arguments, {});
    const std::string text = input.str();
    workOn(text.size() * 4);
    return Value(convert(text), input.isString() && input.text()->markup);
}

/// Words begin after white space, hyphens and opening brackets.
std::string titleWords(std::string_view text)
{
    std::string out;
    size_t begin = 0;
    for (size_t at = 0; at <= text.size();) {
        const bool atEnd = at == text.size();
        const auto c = atEnd ? unicode::Character{0, 1} : unicode::decode(text, at);
        const bool separates = !atEnd
            && (unicode::isSpace(c.code)
                || (c.code < 0x80 && std::string_view("-({[<").find(char(c.code)) != std::string_view::npos));
        if (atEnd || separates) {
            out += unicode::upperFirst(text.substr(begin, at - begin));
            if (separates)
                out += text.substr(at, c.size);
            begin = at + c.size;
        }
        at += c.size;
    }
    return out;
}

Value trim(Interpreter&, const Value& input, const Arguments& arguments)
{
    const Parameters p("trim", arguments, {"chars"});
    const std::string text = input.str();
    const Value chars = p.get(0);
    return Value(strings::strip(text, chars.isString() ? std::optional<std::string_view>(chars.bytes()) : std::nullopt,
                                true, true));
}

Value replaceFilter(Interpreter&, const Value& input, const Arguments& arguments)
{
    const Parameters p("replace", arguments, {"s", "old", "new", "count"});
    Arguments shifted = arguments;
    shifted.positional.insert(shifted.positional.begin(), input);
    const Parameters q("replace", shifted, {"s", "old", "new", "count"}, 3);
    const Value count = q.get(3);
    return Value(
        strings::replace(input.str(), q.get(1).str(), q.get(2).str(), count.isNone() ? Int(-1) : q.integer(3, -1)));
}

Value indent(Interpreter&, const Value& input, const Arguments& arguments)
{
    const Parameters p("indent", arguments, {"width", "first", "blank"});
    input.requireDefined();
    if (!input.isString())
        fail("unsupported operand type(s) for +=: '" + input.typeName() + "' and 'str'");
    TextBuilder indentation;
    if (p.find(0) && p.find(0)->isString())
        indentation << p.find(0)->bytes();
    else
        indentation.repeat(" ", size_t(std::clamp<Int>(p.integer(0, 4), 0, Int(limits::textBytes) + 1)));
    const bool blank = p.flag(2, false);
    const std::string text = input.bytes() + "\n";
    TextBuilder out;
    bool isFirst = true;
    for (const std::string_view line : strings::lines(text, false)) {
        if (isFirst ? p.flag(1, false) : blank || !line.empty()) {
            if (!isFirst)
                out << '\n';
            out << indentation.text();
        } else if (!isFirst) {
            out << '\n';
        }
        out << line;
        isFirst = false;
    }
    return Value(out.take(), input.text()->markup);
}

Value truncate(Interpreter&, const Value& input, const Arguments& arguments)
{
    const Parameters p("truncate", arguments, {"length", "killwords", "end", "leeway"});
    const std::string end = p.text(2, "...");
    const Int endLength = Int(unicode::length(end));
    const Int length = p.integer(0, 255);
    const Value given = p.get(3);
    const Int leeway = given.isNone() ? Int(5) : p.integer(3, 5);
    if (length < endLength)
        fail("expected length >= " + toString(endLength) + ", got " + toString(length));
    if (leeway < 0)
        fail("expected leeway >= 0, got " + toString(leeway));
    if (!input.isString()) {
        const auto size = input.length();
        if (!size)
            fail("object of type '" + input.typeName() + "' has no len()");
        if (Int(*size) - leeway <= length)
            return input;
        fail("truncate needs a string");
    }
    if (Int(input.text()->length) - leeway <= length)
        return input;
    std::string_view kept =
        std::string_view(input.bytes()).substr(0, unicode::offset(input.bytes(), size_t(length - endLength)));
    if (!p.flag(1, false))
        kept = kept.substr(0, kept.rfind(' '));
    return Value(std::string(kept) + end);
}

Value wordCount(Interpreter&, const Value& input, const Arguments&)
{
    size_t words = 0;
    bool inside = false;
    const std::string text = input.str();
    workOn(text.size());
    for (size_t at = 0; at < text.size();) {
        const auto [code, size] = unicode::decode(text, at);
        const bool isWord = code == '_' || unicode::isAlpha(code) || unicode::isNumeric(code);
        words += isWord && !inside;
        inside = isWord;
        at += size;
    }
    return words;
}

Value center(Interpreter&, const Value& input, const Arguments& arguments)
{
    const Parameters p("center", arguments, {"width"});
    return Value(strings::justify(input.str(), p.integer(0, 80), " ", '^'));
}

Value escape(Interpreter&, const Value& input, const Arguments&)
{
    return Value(escapeHtml(input), true);
}

Value forceEscape(Interpreter&, const Value& input, const Arguments&)
{
    return Value(escapeHtml(Value(input.str())), true);
}

Value safe(Interpreter&, const Value& input, const Arguments&)
{
    return Value(input.str(), true);
}

Value string(Interpreter&, const Value& input, const Arguments&)
{
    return input.isString() ? input : Value(input.str());
}

/// Comments and tags removed, white space collapsed, entities decoded.
Value stripTags(Interpreter&, const Value& input, const Arguments&)
{
    std::string text = input.str();
    workOn(text.size());
    std::string bare;
    for (size_t at = 0; at < text.size();) {
        const bool comment = text.compare(at, 4, "<!--") == 0;
        const size_t end = comment ? text.find("-->", at + 4)
            : text[at] == '<'      ? text.find('>', at)
                                   : std::string::npos;
        if (end == std::string::npos)
            bare += text[at++];
        else
            at = end + (comment ? 3 : 1);
    }
    TextBuilder out;
    for (const std::string_view word : strings::split(bare, std::nullopt, SIZE_MAX))
        out << (out.size() > 0 ? " " : "") << word;
    static constexpr std::pair<std::string_view, std::string_view> entities[] = {
        {"&lt;", "<"}, {"&gt;", ">"}, {"&#34;", "\""}, {"&quot;", "\""}, {"&#39;", "'"}, {"&amp;", "&"}};
    std::string result = out.take();
    for (const auto& [entity, character] : entities)
        result = strings::replace(result, entity, character, -1);
    return Value(std::move(result));
}

std::string percentEncoded(std::string_view text, std::string_view safeCharacters)
{
    static constexpr char hex[] = "0123456789ABCDEF";
    TextBuilder out;
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
            || std::string_view("_.-~").find(c) != std::string_view::npos
            || safeCharacters.find(c) != std::string_view::npos;
        const auto byte = static_cast<unsigned char>(c);
        if (plain)
            out << c;
        else
            out << '%' << hex[byte >> 4] << hex[byte & 15];
    }
    return out.take();
}

Value urlEncode(Interpreter&, const Value& input, const Arguments&)
{
    if (input.isString() || !input.iterate() || input.isUndefined())
        return Value(percentEncoded(input.str(), "/"));
    Items pairs =
        input.dict() ? *DictView(input.sharedDict(), DictView::Part::Items).iterate() : input.requireIterable();
    TextBuilder out;
    for (const Value& pair : pairs) {
        const Items parts = pair.requireIterable();
        if (parts.size() != 2)
            fail("urlencode needs pairs");
        out << (out.size() > 0 ? "&" : "");
        for (const bool second : {false, true})
            out << (second ? "=" : "") << strings::replace(percentEncoded(parts[second].str(), " "), " ", "+", -1);
    }
    return Value(out.take());
}

Value formatFilter(Interpreter&, const Value& input, const Arguments& arguments)
{
    if (!arguments.named.empty() && !arguments.positional.empty())
        fail("can't handle positional and keyword arguments at the same time");
    if (arguments.named.empty())
        return Value(percentFormat(input.str(), Value::tuple(arguments.positional)));
    auto dict = std::make_shared<Dict>();
    for (const auto& [key, value] : arguments.named)
        dict->set(Value(key), value);
    return Value(percentFormat(input.str(), std::shared_ptr<const Dict>(dict)));
}

Value tojson(Interpreter&, const Value& input, const Arguments& arguments)
{
    const Parameters p("tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"});
    const Value indentation = p.get(1);
    const Value separators = p.get(2);
    JsonStyle style;
    style.asciiOnly = p.flag(0, false);
    style.sortKeys = p.flag(3, false);
    style.multiline = !indentation.isNone();
    if (indentation.isString())
        style.indent = indentation.bytes();
    else if (style.multiline) {
        TextBuilder spaces;
        spaces.repeat(" ", size_t(std::clamp<Int>(p.integer(1, 0), 0, Int(limits::textBytes) + 1)));
        style.indent = spaces.take();
    }
    style.itemSeparator = style.multiline ? "," : ", ";
    style.keySeparator = ": ";
    if (!separators.isNone()) {
        const Items parts = separators.requireIterable();
        if (parts.size() != 2 || !parts[0].isString() || !parts[1].isString())
            fail("separators must be two strings");
        style.itemSeparator = parts[0].bytes();
        style.keySeparator = parts[1].bytes();
    }
    return Value(toJson(input, style));
}

Value pprint(Interpreter&, const Value& input, const Arguments&)
{
    return Value(input.repr());
}

// ---- numbers

Value absolute(Interpreter&, const Value& input, const Arguments&)
{
    if (!input.isNumber())
        fail("bad operand type for abs(): '" + input.typeName() + "'");
    if (input.isFloat())
        return std::fabs(input.number());
    return input.integer() < 0 ? applyUnary(UnaryOperator::Negate, input) : Value(input.integer());
}

/// A float as Python's float(str) reads it.
std::optional<double> parseFloat(std::string_view source)
{
    std::string text;
    const std::string_view stripped = strings::strip(source, std::nullopt, true, true);
    for (size_t i = 0; i < stripped.size(); ++i) {
        const auto digit = [&](size_t k) { return k < stripped.size() && stripped[k] >= '0' && stripped[k] <= '9'; };
        if (stripped[i] == '_' && i > 0 && digit(i - 1) && digit(i + 1))
            continue;
        text += char(stripped[i] >= 'A' && stripped[i] <= 'Z' ? stripped[i] + 32 : stripped[i]);
    }
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+'))
        text.erase(0, 1);
    double value = 0;
    if (text == "inf" || text == "infinity") {
        value = INFINITY;
    } else if (text == "nan") {
        value = NAN;
    } else {
        if (text.empty() || text.find_first_not_of("0123456789.e+-") != std::string::npos || text[0] == '-'
            || text[0] == '+')
            return std::nullopt;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (end != text.data() + text.size() || error == std::errc::invalid_argument)
            return std::nullopt;
        if (error == std::errc::result_out_of_range)
            value = std::strtod(text.c_str(), nullptr);
    }
    return negative ? -value : value;
}

/// An int as Python's int(str, base) reads it.
std::optional<Int> parseInteger(std::string_view source, Int base)
{
    std::string_view text = strings::strip(source, std::nullopt, true, true);
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+'))
        text.remove_prefix(1);
    const auto prefix = [&](Int of, char lower, char upper) {
        const bool present = text.size() > 2 && text[0] == '0' && (text[1] == lower || text[1] == upper);
        if (!present || (base != of && base != 0))
            return;
        base = of;
        text.remove_prefix(text.size() > 3 && text[2] == '_' ? 3 : 2);
    };
    prefix(16, 'x', 'X');
    prefix(8, 'o', 'O');
    prefix(2, 'b', 'B');
    if (base == 0)
        base = 10;
    if (base < 2 || base > 36 || text.empty())
        return std::nullopt;
    Int value = 0;
    bool afterDigit = false;
    for (const char c : text) {
        const int digit = c >= '0' && c <= '9' ? c - '0'
            : c >= 'a' && c <= 'z'             ? c - 'a' + 10
            : c >= 'A' && c <= 'Z'             ? c - 'A' + 10
                                               : 99;
        if (c == '_' && afterDigit) {
            afterDigit = false;
            continue;
        }
        if (digit >= base)
            return std::nullopt;
        if (__builtin_mul_overflow(value, base, &value) || __builtin_add_overflow(value, Int(digit), &value))
            fail("an integer would exceed 128 bits");
        afterDigit = true;
    }
    if (!afterDigit)
        return std::nullopt;
    return negative ? -value : value;
}

std::optional<Int> truncated(double value)
{
    if (!std::isfinite(value))
        return std::nullopt;
    if (std::fabs(value) > 1e38)
        fail("an integer would exceed 128 bits");
    return Int(value);
}

Value integer(Interpreter&, const Value& input, const Arguments& arguments)
{
    const Parameters p("int", arguments, {"default", "base"});
    const Value otherwise = p.get(0, 0);
    input.requireDefined();
    if (input.isIntegral())
        return input.integer();
    std::optional<Int> value;
    if (input.isString()) {
        value = parseInteger(input.bytes(), p.integer(1, 10));
        if (!value)
            if (const auto number = parseFloat(input.bytes()))
                value = truncated(*number);
    } else if (input.isFloat()) {
        if (std::isinf(input.number()))
            fail("cannot convert float infinity to integer");
        value = truncated(input.number());
    }
    return value ? Value(*value) : otherwise;
}

Value floating(Interpreter&, const Value& input, const Arguments& arguments)
{
    const Parameters p("float", arguments, {"default"});
    input.requireDefined();
    if (input.isNumber())
        return input.number();
    if (input.isString())
        if (const auto value = parseFloat(input.bytes()))
            return *value;
    return p.get(0, 0.0);
}

Value round(Interpreter&, const Value& input, const Arguments& arguments)
{
    const Parameters p("round", arguments, {"precision", "method"});
    const int precision = int(std::clamp<Int>(p.integer(0, 0), -400, 400));
    const std::string method = p.text(1, "common");
    if (method != "common" && method != "ceil" && method != "floor")
        fail("method must be common, ceil or floor");
    input.requireDefined();
    if (!input.isNumber())
        fail("type " + input.typeName() + " doesn't define __round__ method");
    if (method == "common") {
        if (!input.isIntegral())
            return roundTo(input.number(), precision);
        if (precision >= 0)
            return input.integer();
        const auto rounded = truncated(roundTo(input.number(), precision));
        return Value(*rounded);
    }
    if (std::abs(precision) > 300)
        fail("round cannot work at that precision");
    const double scale = std::pow(10.0, precision);
    const double scaled = input.number() * scale;
    return (method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale;
}

Value sum(Interpreter& interpreter, const Value& input, const Arguments& arguments)
{
    const Parameters p("sum", arguments, {"attribute", "start"});
    Value total = p.get(1, 0);
    if (total.isString())
        fail("sum() can't sum strings [use ''.join(seq) instead]");
    for (const Value& item : input.requireIterable())
        total = applyBinary(BinaryOperator::Add, total, follow(interpreter, item, p.get(0)));
    return total;
}

// ---- one value

Value defaultValue(Interpreter&, const Value& input, const Arguments& arguments)
{
    const Parameters p("default", arguments, {"default_value", "boolean"});
    const bool replaced = input.isUndefined() || (p.flag(1, false) && !input.truth());
    return replaced ? p.get(0, "") : input;
}

Value attr(Interpreter&, const Value& input, const Arguments& arguments)
{
    const Parameters p("attr", arguments, {"name"}, 1);
    const std::string name = p.get(0).str();
    input.requireDefined();
    if (!name.starts_with("__"))
        if (const auto found = input.object() ? input.object()->attribute(name) : findMethod(input, name))
            return *found;
    return Value::undefined("'" + input.describe() + "' has no attribute " + Value(name.substr(0, 200)).repr());
}

Value length(Interpreter&, const Value& input, const Arguments&)
{
    if (const auto size = input.length())
        return *size;
    fail("object of type '" + input.typeName() + "' has no len()");
}

Value first(Interpreter&, const Value& input, const Arguments& arguments)
{
    const Parameters none("first", arguments, {});
    if (const auto* generator = input.objectAs<Generator>()) {
        const auto value = generator->next();
        return value ? *value : Value::undefined("No first item, sequence was empty.");
    }
    const Items items = input.requireIterable();
    return items.empty() ? Value::undefined("No first item, sequence was empty.") : items.front();
}

/// Needs what Python's reversed() needs: a generator has no end to begin at.
void requireReversible(const Value& input)
{
    if (input.objectAs<Generator>())
        fail("'generator' object is not reversible");
}

Value last(Interpreter&, const Value& input, const Arguments&)
{
    requireReversible(input);
    const Items items = input.requireIterable();
    return items.empty() ? Value::undefined("No last item, sequence was empty.") : items.back();
}

Value list(Interpreter&, const Value& input, const Arguments&)
{
    return Value::list(input.requireIterable());
}

Value items(Interpreter&, const Value& input, const Arguments&)
{
    if (input.isUndefined())
        return Generator::make({});
    if (!input.dict())
        fail("Can only get item pairs from a mapping.");
    return Generator::make(*DictView(input.sharedDict(), DictView::Part::Items).iterate());
}

// ---- sequences

Value join(Interpreter& interpreter, const Value& input, const Arguments& arguments)
{
    const Parameters p("join", arguments, {"d", "attribute"});
    const std::string separator = p.get(0, "").str();
    TextBuilder out;
    bool isFirst = true;
    for (const Value& item : input.requireIterable()) {
        if (!isFirst)
            out << separator;
        isFirst = false;
        follow(interpreter, item, p.get(1)).print(out);
    }
    return Value(out.take());
}

Value reverse(Interpreter&, const Value& input, const Arguments&)
{
    Items values = input.isString() ? Items() : input.requireIterable();
    if (input.isString()) {
        const auto characters = unicode::characters(input.bytes());
        std::string out;
        for (auto it = characters.rbegin(); it != characters.rend(); ++it)
            out += *it;
        return Value(std::move(out));
    }
    requireReversible(input);
    std::reverse(values.begin(), values.end());
    return Generator::make(std::move(values));
}

Value sort(Interpreter& interpreter, const Value& input, const Arguments& arguments)
{
    const Parameters p("sort", arguments, {"reverse", "case_sensitive", "attribute"});
    const Items values = input.requireIterable();
    return Value::list(ordered(values, sortKeys(interpreter, values, p.get(2), p.flag(1, false)), p.flag(0, false)));
}

Value dictSort(Interpreter&, const Value& input, const Arguments& arguments)
{
    const Parameters p("dictsort", arguments, {"case_sensitive", "by", "reverse"});
    const std::string by = p.text(1, "key");
    if (by != "key" && by != "value")
        fail("You can only sort by either \"key\" or \"value\"");
    input.requireDefined();
    if (!input.dict())
        fail("'" + input.describe() + "' has no attribute 'items'");
    Items pairs;
    Items keys;
    for (const auto& [key, value] : input.dict()->entries()) {
        pairs.push_back(Value::tuple({key, value}));
        keys.push_back(folded(by == "key" ? key : value, p.flag(0, false)));
    }
    return Value::list(ordered(pairs, keys, p.flag(2, false)));
}

Value unique(Interpreter& interpreter, const Value& input, const Arguments& arguments)
{
    const Parameters p("unique", arguments, {"case_sensitive", "attribute"});
    const Items values = input.requireIterable();
    const Items keys = keysOf(interpreter, values, p.get(1), p.flag(0, false));
    Dict seen;
    Items kept;
    for (size_t i = 0; i < values.size(); ++i) {
        if (seen.find(keys[i]))
            continue;
        seen.set(keys[i], {});
        kept.push_back(values[i]);
    }
    return Generator::make(std::move(kept));
}

template <bool wantLess>
Value extreme(Interpreter& interpreter, const Value& input, const Arguments& arguments)
{
    const Parameters p("min/max", arguments, {"case_sensitive", "attribute"});
    const Items values = input.requireIterable();
    if (values.empty())
        return Value::undefined("No aggregated item, sequence was empty.");
    const Items keys = keysOf(interpreter, values, p.get(1), p.flag(0, false));
    size_t best = 0;
    for (size_t i = 1; i < values.size(); ++i)
        if (wantLess ? lessThan(keys[i], keys[best]) : compare(keys[i], keys[best], ">") > 0)
            best = i;
    return values[best];
}

Value groupBy(Interpreter& interpreter, const Value& input, const Arguments& arguments)
{
    const Parameters p("groupby", arguments, {"attribute", "default", "case_sensitive"}, 1);
    const bool caseSensitive = p.flag(2, false);
    const auto whenAbsent = p.find(1) ? std::optional(*p.find(1)) : std::nullopt;
    const Items values = input.requireIterable();
    Items keys;
    for (const Value& value : values)
        keys.push_back(folded(follow(interpreter, value, p.get(0), whenAbsent), caseSensitive));
    Items sortedValues = ordered(values, keys, false);
    Items sortedKeys = ordered(keys, keys, false);
    Items groups;
    for (size_t begin = 0; begin < sortedValues.size();) {
        size_t end = begin + 1;
        while (end < sortedValues.size() && sortedKeys[end].equals(sortedKeys[begin]))
            ++end;
        Items members(sortedValues.begin() + ptrdiff_t(begin), sortedValues.begin() + ptrdiff_t(end));
        groups.push_back(Value::group(follow(interpreter, sortedValues[begin], p.get(0), whenAbsent),
                                      Value::list(std::move(members))));
        begin = end;
    }
    return Value::list(std::move(groups));
}

/// Lists of `count` items, the last filled up where a filler was given.
Value batch(Interpreter&, const Value& input, const Arguments& arguments)
{
    const Parameters p("batch", arguments, {"linecount", "fill_with"}, 1);
    const Int count = p.integer(0, 0);
    Items batches;
    Items row;
    for (const Value& item : input.requireIterable()) {
        if (Int(row.size()) == count)
            batches.push_back(Value::list(std::exchange(row, {})));
        row.push_back(item);
    }
    if (!row.empty()) {
        const Value filler = p.get(1);
        if (!filler.isNone() && Int(row.size()) < count) {
            requireSpace(size_t(std::min<Int>(count, Int(limits::liveBytes))), sizeof(Value));
            workOn(size_t(count) * sizeof(Value));
            row.resize(size_t(count), filler);
        }
        batches.push_back(Value::list(std::move(row)));
    }
    return Generator::make(std::move(batches));
}

/// `count` columns of nearly equal length, the short ones filled up where a filler was given.
Value sliceFilter(Interpreter&, const Value& input, const Arguments& arguments)
{
    const Parameters p("slice", arguments, {"slices", "fill_with"}, 1);
    const Items values = input.requireIterable();
    const Int slices = p.integer(0, 0);
    if (slices == 0)
        fail("integer division or modulo by zero");
    const size_t count = size_t(std::clamp<Int>(slices, 0, Int(limits::liveBytes)));
    requireSpace(count, 4 * sizeof(Value));
    const Value filler = p.get(1);
    Items columns;
    size_t at = 0;
    for (size_t i = 0; i < count; ++i) {
        const bool isLonger = i < values.size() % count;
        const size_t size = values.size() / count + isLonger;
        Items column(values.begin() + ptrdiff_t(at), values.begin() + ptrdiff_t(at + size));
        at += size;
        if (!filler.isNone() && !isLonger)
            column.push_back(filler);
        columns.push_back(Value::list(std::move(column)));
    }
    return Generator::make(std::move(columns));
}

/// The arguments after the first `count`, for a filter or test called by name.
Arguments rest(const Arguments& arguments, size_t count)
{
    return {{arguments.positional.begin() + ptrdiff_t(count), arguments.positional.end()}, arguments.named};
}

std::string calledName(const Value& name)
{
    if (!name.isString())
        fail("a filter or test is called by its name, not by " + name.typeName());
    return name.bytes();
}

Value map(Interpreter& interpreter, const Value& input, const Arguments& arguments)
{
    Items results;
    const Items values = input.requireIterable();
    if (arguments.positional.empty()) {
        const Parameters p("map", arguments, {"attribute", "default"});
        if (!p.find(0))
            fail("map requires a filter argument");
        const auto whenAbsent = p.find(1) ? std::optional(*p.find(1)) : std::nullopt;
        for (const Value& value : values)
            results.push_back(follow(interpreter, value, p.get(0), whenAbsent));
        return Generator::make(std::move(results));
    }
    const std::string name = calledName(arguments.positional[0]);
    const Arguments more = rest(arguments, 1);
    for (const Value& value : values)
        results.push_back(interpreter.applyFilter(name, value, more));
    return Generator::make(std::move(results));
}

/// select, reject, selectattr and rejectattr: by a test, or by truth where none is named.
template <bool wanted, bool byAttribute>
Value select(Interpreter& interpreter, const Value& input, const Arguments& arguments)
{
    constexpr size_t skipped = byAttribute ? 1 : 0;
    if (arguments.positional.size() < skipped)
        fail("Missing parameter for attribute name");
    const Value attribute = byAttribute ? arguments.positional[0] : Value();
    const bool tested = arguments.positional.size() > skipped;
    const std::string name = tested ? calledName(arguments.positional[skipped]) : "";
    const Arguments more = tested ? rest(arguments, skipped + 1) : Arguments();
    Items kept;
    for (const Value& item : input.requireIterable()) {
        const Value value = follow(interpreter, item, attribute);
        if ((tested ? interpreter.applyTest(name, value, more) : value.truth()) == wanted)
            kept.push_back(item);
    }
    return Generator::make(std::move(kept));
}

} // namespace

Filter findFilter(std::string_view name)
{
    static const std::unordered_map<std::string_view, Filter> filters = {
        {"abs", absolute},
        {"attr", attr},
        {"batch", batch},
        {"capitalize", converted<unicode::capitalize>},
        {"center", center},
        {"count", length},
        {"d", defaultValue},
        {"default", defaultValue},
        {"dictsort", dictSort},
        {"e", escape},
        {"escape", escape},
        {"first", first},
        {"float", floating},
        {"forceescape", forceEscape},
        {"format", formatFilter},
        {"groupby", groupBy},
        {"indent", indent},
        {"int", integer},
        {"items", items},
        {"join", join},
        {"last", last},
        {"length", length},
        {"list", list},
        {"lower", converted<unicode::lower>},
        {"map", map},
        {"max", extreme<false>},
        {"min", extreme<true>},
        {"pprint", pprint},
        {"reject", select<false, false>},
        {"rejectattr", select<false, true>},
        {"replace", replaceFilter},
        {"reverse", reverse},
        {"round", round},
        {"safe", safe},
        {"select", select<true, false>},
        {"selectattr", select<true, true>},
        {"slice", sliceFilter},
        {"sort", sort},
        {"string", string},
        {"striptags", stripTags},
        {"sum", sum},
        {"title", converted<titleWords>},
        {"tojson", tojson},
        {"trim", trim},
        {"truncate", truncate},
        {"unique", unique},
        {"upper", converted<unicode::upper>},
        {"urlencode", urlEncode},
        {"wordcount", wordCount},
    };
    const auto it = filters.find(name);
    return it == filters.end() ? nullptr : it->second;
}

} // namespace cortex::engine::jinja
