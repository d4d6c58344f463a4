// SPDX-License-Identifier: GPL-3.0-only
// The methods of str, list, tuple, dict and numbers.
#include "neuron/engine/template/format.h"
#include "neuron/engine/template/library.h"
#include "neuron/engine/template/operators.h"
#include "neuron/engine/template/strings.h"
#include "neuron/engine/template/unicode.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace cortex::engine::jinja {

namespace {

using Method = Value (*)(Interpreter& interpreter, const Value& self, Arguments& arguments);
using Methods = std::unordered_map<std::string_view, Method>;

std::string_view view(const Value& self)
{
    return self.bytes();
}

/// The str argument at `index`; Python's complaint names the type found.
std::string_view needText(const Parameters& p, size_t index)
{
    const Value* value = p.find(index);
    if (!value->isString()) {
        value->requireDefined();
        fail("must be str, not " + value->typeName());
    }
    return value->bytes();
}

template <std::string (*convert)(std::string_view)>
Value converted(Interpreter&, const Value& self, Arguments& arguments)
{
    const Parameters none("str method", arguments, {});
    workOn(view(self).size() * 4);
    return Value(convert(view(self)));
}

/// True where the text is not empty and every character passes.
template <bool (*holds)(char32_t)>
Value all(Interpreter&, const Value& self, Arguments& arguments)
{
    const Parameters none("str method", arguments, {});
    const std::string_view text = view(self);
    workOn(text.size());
    for (size_t at = 0; at < text.size();) {
        const auto [code, size] = unicode::decode(text, at);
        if (!holds(code))
            return false;
        at += size;
    }
    return !text.empty();
}

bool isAlnum(char32_t c)
{
    return unicode::isAlpha(c) || unicode::isNumeric(c);
}

template <bool lower>
Value isCased(Interpreter& interpreter, const Value& self, Arguments&)
{
    return interpreter.applyTest(lower ? "lower" : "upper", self, {});
}

Value isAscii(Interpreter&, const Value& self, Arguments&)
{
    return self.text()->length == view(self).size()
        && std::all_of(view(self).begin(), view(self).end(), [](char c) { return (c & 0x80) == 0; });
}

Value isPrintable(Interpreter& interpreter, const Value& self, Arguments& arguments)
{
    return view(self).empty() ? Value(true) : all<unicode::isPrintable>(interpreter, self, arguments);
}

Value isTitle(Interpreter&, const Value& self, Arguments&)
{
    bool any = false;
    bool afterCased = false;
    for (size_t at = 0; at < view(self).size();) {
        const auto [code, size] = unicode::decode(view(self), at);
        const bool upper = unicode::isUpper(code) || unicode::isTitle(code);
        const bool lower = unicode::isLower(code);
        if ((upper && afterCased) || (lower && !afterCased))
            return false;
        afterCased = upper || lower;
        any |= afterCased;
        at += size;
    }
    return any;
}

Value isIdentifier(Interpreter&, const Value& self, Arguments&)
{
    const std::string_view text = view(self);
    for (size_t at = 0; at < text.size();) {
        const auto [code, size] = unicode::decode(text, at);
        if (code != '_' && !unicode::isAlpha(code) && (at == 0 || !unicode::isDecimal(code)))
            return false;
        at += size;
    }
    return !text.empty();
}

template <bool left, bool right>
Value strip(Interpreter&, const Value& self, Arguments& arguments)
{
    const Parameters p("strip", arguments, {"chars"});
    const Value chars = p.get(0);
    if (!chars.isNone() && !chars.isString()) {
        chars.requireDefined();
        fail("strip arg must be None or str");
    }
    return Value(strings::strip(view(self), chars.isNone() ? std::nullopt : std::optional(view(chars)), left, right));
}

template <bool fromRight>
Value split(Interpreter&, const Value& self, Arguments& arguments)
{
    const Parameters p("split", arguments, {"sep", "maxsplit"});
    const Value separator = p.get(0);
    if (!separator.isNone() && !separator.isString()) {
        separator.requireDefined();
        fail("must be str or None, not " + separator.typeName());
    }
    if (separator.isString() && view(separator).empty())
        fail("empty separator");
    const Int most = p.integer(1, -1);
    const size_t limit = most < 0 ? SIZE_MAX : size_t(std::min<Int>(most, Int(limits::textBytes)));
    const auto sep = separator.isNone() ? std::nullopt : std::optional(view(separator));
    return strings::toList(fromRight ? strings::rsplit(view(self), sep, limit)
                                     : strings::split(view(self), sep, limit));
}

Value splitLines(Interpreter&, const Value& self, Arguments& arguments)
{
    const Parameters p("splitlines", arguments, {"keepends"});
    return strings::toList(strings::lines(view(self), p.flag(0, false)));
}

template <bool fromRight>
Value partition(Interpreter&, const Value& self, Arguments& arguments)
{
    const Parameters p("partition", arguments, {"sep"}, 1);
    const std::string_view separator = needText(p, 0);
    if (separator.empty())
        fail("empty separator");
    const std::string_view text = view(self);
    const size_t at = fromRight ? text.rfind(separator) : text.find(separator);
    if (at != std::string_view::npos)
        return Value::tuple({Value(text.substr(0, at)), Value(separator), Value(text.substr(at + separator.size()))});
    if (fromRight)
        return Value::tuple({"", "", self});
    return Value::tuple({self, "", ""});
}

/// The bytes [start, end) that find, count, startswith and endswith look at, from character positions.
struct Window {
    size_t begin;
    size_t end;
    bool valid; ///< start does not lie beyond the end
};

Window window(const Value& self, const Parameters& p)
{
    const Int size = Int(self.text()->length);
    const auto clip = [&](size_t index, Int whenAbsent) {
        if (!p.find(index) || p.find(index)->isNone())
            return whenAbsent;
        Int at = p.integer(index, 0);
        return at < 0 ? std::max<Int>(at + size, 0) : at;
    };
    const Int start = clip(1, 0);
    const Int end = std::min(clip(2, size), size);
    if (start > end)
        return {0, 0, false};
    return {unicode::offset(view(self), size_t(start)), unicode::offset(view(self), size_t(end)), true};
}

/// The byte offset of the first (or last) occurrence in the window, or npos.
size_t locate(const Value& self, const Parameters& p, bool last)
{
    const std::string_view wanted = needText(p, 0);
    const Window w = window(self, p);
    if (!w.valid)
        return std::string::npos;
    workOn(view(self).size());
    const std::string_view part = view(self).substr(w.begin, w.end - w.begin);
    const size_t at = last ? part.rfind(wanted) : part.find(wanted);
    return at == std::string::npos ? at : at + w.begin;
}

template <bool last, bool mustExist>
Value find(Interpreter&, const Value& self, Arguments& arguments)
{
    const size_t at = locate(self, Parameters("find", arguments, {"sub", "start", "end"}, 1), last);
    if (at == std::string::npos && mustExist)
        fail("substring not found");
    return at == std::string::npos ? Value(-1) : Value(unicode::length(view(self).substr(0, at)));
}

Value count(Interpreter&, const Value& self, Arguments& arguments)
{
    const Parameters p("count", arguments, {"sub", "start", "end"}, 1);
    const std::string_view wanted = needText(p, 0);
    const Window w = window(self, p);
    if (!w.valid)
        return 0;
    const std::string_view part = view(self).substr(w.begin, w.end - w.begin);
    workOn(part.size());
    if (wanted.empty())
        return unicode::length(part) + 1;
    size_t found = 0;
    for (size_t at = 0; (at = part.find(wanted, at)) != std::string_view::npos; at += wanted.size())
        ++found;
    return found;
}

template <bool atStart>
Value startsOrEnds(Interpreter&, const Value& self, Arguments& arguments)
{
    const std::string name = atStart ? "startswith" : "endswith";
    const Parameters p(name, arguments, {"prefix", "start", "end"}, 1);
    const Value wanted = p.get(0);
    wanted.requireDefined();
    const Window w = window(self, p);
    const std::string_view part = view(self).substr(w.begin, w.end - w.begin);
    const auto matches = [&](const Value& candidate) {
        if (!candidate.isString())
            fail(wanted.isTuple() ? "tuple for " + name + " must only contain str, not " + candidate.typeName()
                                  : name + " first arg must be str or a tuple of str, not " + candidate.typeName());
        return w.valid && (atStart ? part.starts_with(view(candidate)) : part.ends_with(view(candidate)));
    };
    if (!wanted.isTuple())
        return matches(wanted);
    const auto& candidates = wanted.sequence()->items;
    return std::any_of(candidates.begin(), candidates.end(), matches);
}

Value replace(Interpreter&, const Value& self, Arguments& arguments)
{
    const Parameters p("replace", arguments, {"old", "new", "count"}, 2);
    return Value(strings::replace(view(self), needText(p, 0), needText(p, 1), p.integer(2, -1)));
}

Value removePrefix(Interpreter&, const Value& self, Arguments& arguments)
{
    const Parameters p("removeprefix", arguments, {"prefix"}, 1);
    const std::string_view prefix = needText(p, 0);
    return view(self).starts_with(prefix) ? Value(view(self).substr(prefix.size())) : self;
}

Value removeSuffix(Interpreter&, const Value& self, Arguments& arguments)
{
    const Parameters p("removesuffix", arguments, {"suffix"}, 1);
    const std::string_view suffix = needText(p, 0);
    return view(self).ends_with(suffix) ? Value(view(self).substr(0, view(self).size() - suffix.size())) : self;
}

Value join(Interpreter&, const Value& self, Arguments& arguments)
{
    const std::vector<Value> items = Parameters("join", arguments, {"iterable"}, 1).get(0).requireIterable();
    TextBuilder out;
    for (size_t i = 0; i < items.size(); ++i) {
        if (!items[i].isString())
            fail("sequence item " + std::to_string(i) + ": expected str instance, " + items[i].typeName() + " found");
        if (i > 0)
            out << view(self);
        out << view(items[i]);
    }
    return Value(out.take());
}

template <char align>
Value justify(Interpreter&, const Value& self, Arguments& arguments)
{
    const Parameters p("justify", arguments, {"width", "fillchar"}, 1);
    const std::string fill = p.text(1, " ");
    if (unicode::length(fill) != 1)
        fail("The fill character must be exactly one character long");
    return Value(strings::justify(view(self), p.integer(0, 0), fill, align));
}

Value zeroFill(Interpreter&, const Value& self, Arguments& arguments)
{
    const Parameters p("zfill", arguments, {"width"}, 1);
    const Int missing = p.integer(0, 0) - Int(self.text()->length);
    const bool hasSign = view(self).starts_with('-') || view(self).starts_with('+');
    TextBuilder out;
    out << view(self).substr(0, hasSign);
    out.repeat("0", size_t(std::clamp<Int>(missing, 0, Int(limits::textBytes) + 1)));
    out << view(self).substr(hasSign);
    return Value(out.take());
}

Value expandTabs(Interpreter&, const Value& self, Arguments& arguments)
{
    const Parameters p("expandtabs", arguments, {"tabsize"});
    const size_t tab = size_t(std::clamp<Int>(p.integer(0, 8), 0, Int(limits::textBytes) + 1));
    TextBuilder out;
    size_t column = 0;
    for (const std::string_view c : unicode::characters(view(self))) {
        if (c == "\t") {
            const size_t width = tab > 0 ? tab - column % tab : 0;
            out.repeat(" ", width);
            column += width;
        } else {
            out << c;
            column = c == "\n" || c == "\r" ? 0 : column + 1;
        }
    }
    return Value(out.take());
}

Value format(Interpreter&, const Value& self, Arguments& arguments)
{
    return Value(braceFormat(view(self), arguments));
}

const Methods& textMethods()
{
    static const Methods methods = {
        {"capitalize", converted<unicode::capitalize>},
        {"casefold", converted<unicode::lower>},
        {"center", justify<'^'>},
        {"count", count},
        {"endswith", startsOrEnds<false>},
        {"expandtabs", expandTabs},
        {"find", find<false, false>},
        {"format", format},
        {"index", find<false, true>},
        {"isalnum", all<isAlnum>},
        {"isalpha", all<unicode::isAlpha>},
        {"isascii", isAscii},
        {"isdecimal", all<unicode::isDecimal>},
        {"isdigit", all<unicode::isDigit>},
        {"isidentifier", isIdentifier},
        {"islower", isCased<true>},
        {"isnumeric", all<unicode::isNumeric>},
        {"isprintable", isPrintable},
        {"isspace", all<unicode::isSpace>},
        {"istitle", isTitle},
        {"isupper", isCased<false>},
        {"join", join},
        {"ljust", justify<'<'>},
        {"lower", converted<unicode::lower>},
        {"lstrip", strip<true, false>},
        {"partition", partition<false>},
        {"removeprefix", removePrefix},
        {"removesuffix", removeSuffix},
        {"replace", replace},
        {"rfind", find<true, false>},
        {"rindex", find<true, true>},
        {"rjust", justify<'>'>},
        {"rpartition", partition<true>},
        {"rsplit", split<true>},
        {"rstrip", strip<false, true>},
        {"split", split<false>},
        {"splitlines", splitLines},
        {"startswith", startsOrEnds<true>},
        {"strip", strip<true, true>},
        {"swapcase", converted<unicode::swapCase>},
        {"title", converted<unicode::title>},
        {"upper", converted<unicode::upper>},
        {"zfill", zeroFill},
    };
    return methods;
}

// ---- list, tuple

Value countItem(Interpreter&, const Value& self, Arguments& arguments)
{
    const Value wanted = Parameters("count", arguments, {"value"}, 1).get(0);
    const auto& items = self.sequence()->items;
    return size_t(std::count_if(items.begin(), items.end(), [&](const Value& item) { return item.equals(wanted); }));
}

Value indexOf(Interpreter&, const Value& self, Arguments& arguments)
{
    const Value wanted = Parameters("index", arguments, {"value"}, 1).get(0);
    const auto& items = self.sequence()->items;
    const auto it = std::find_if(items.begin(), items.end(), [&](const Value& item) { return item.equals(wanted); });
    if (it == items.end())
        fail(self.isTuple() ? "tuple.index(x): x not in tuple" : wanted.repr() + " is not in list");
    return size_t(it - items.begin());
}

Value copy(Interpreter&, const Value& self, Arguments&)
{
    return self;
}

// ---- dict

Value get(Interpreter&, const Value& self, Arguments& arguments)
{
    const Parameters p("get", arguments, {"key", "default"}, 1);
    const Value* found = self.dict()->find(p.get(0));
    return found ? *found : p.get(1);
}

template <DictView::Part part>
Value dictView(Interpreter&, const Value& self, Arguments& arguments)
{
    const Parameters none("dict method", arguments, {});
    return std::shared_ptr<const Object>(std::make_shared<DictView>(self.sharedDict(), part));
}

// ---- numbers

Value isWhole(Interpreter&, const Value& self, Arguments&)
{
    return self.number() == std::floor(self.number());
}

Value bitLength(Interpreter&, const Value& self, Arguments&)
{
    size_t bits = 0;
    for (Int rest = self.integer(); rest != 0; rest /= 2)
        ++bits;
    return bits;
}

const Methods& methodsOf(const Value& owner)
{
    static const Methods list = {{"count", countItem}, {"index", indexOf}, {"copy", copy}};
    static const Methods tuple = {{"count", countItem}, {"index", indexOf}};
    static const Methods dict = {{"get", get},
                                 {"copy", copy},
                                 {"items", dictView<DictView::Part::Items>},
                                 {"keys", dictView<DictView::Part::Keys>},
                                 {"values", dictView<DictView::Part::Values>}};
    static const Methods floats = {{"is_integer", isWhole}};
    static const Methods integers = {{"bit_length", bitLength}};
    static const Methods none;
    if (owner.isString())
        return textMethods();
    if (owner.sequence())
        return owner.isTuple() ? tuple : list;
    return owner.dict() ? dict : owner.isFloat() ? floats : owner.isIntegral() ? integers : none;
}

/// The methods that change their object, which the immutable sandbox withholds.
bool isMutator(const Value& owner, std::string_view name)
{
    static constexpr std::string_view list[] = {"append", "clear",  "extend",  "insert",
                                                "pop",    "remove", "reverse", "sort"};
    static constexpr std::string_view dict[] = {"clear", "pop", "popitem", "setdefault", "update"};
    const auto has = [&](const auto& names) {
        return std::find(std::begin(names), std::end(names), name) != std::end(names);
    };
    return (owner.isList() && has(list)) || (owner.dict() && has(dict));
}

} // namespace

std::optional<Value> findMethod(const Value& owner, std::string_view name)
{
    const Methods& methods = methodsOf(owner);
    if (const auto it = methods.find(name); it != methods.end()) {
        return Function::make(
            std::string(name),
            [owner, method = it->second](Interpreter& interpreter, Arguments& arguments) {
                return method(interpreter, owner, arguments);
            },
            owner.depth() + 1);
    }
    if (isMutator(owner, name))
        return Value::undefined("access to attribute " + Value(name).repr() + " of '" + owner.typeName()
                                + "' object is unsafe.");
    if (owner.sequence() && owner.sequence()->group && (name == "grouper" || name == "list"))
        return owner.sequence()->items[name == "list"];
    return std::nullopt;
}

} // namespace cortex::engine::jinja
