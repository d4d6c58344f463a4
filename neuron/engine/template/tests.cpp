// SPDX-License-Identifier: GPL-3.0-only
// Jinja's tests: what stands after `is`.
#include "neuron/engine/template/library.h"
#include "neuron/engine/template/operators.h"
#include "neuron/engine/template/unicode.h"

#include <cmath>
#include <unordered_map>

namespace cortex::engine::jinja {

namespace {

using Op = ComparisonOperator;

template <Op op>
bool compares(Interpreter&, const Value& input, const Arguments& arguments)
{
    return applyComparison(op, input, Parameters("test", arguments, {"other"}, 1).get(0));
}

/// A test without arguments.
template <bool (*holds)(const Value&)>
bool plain(Interpreter&, const Value& input, const Arguments& arguments)
{
    const Parameters none("test", arguments, {});
    return holds(input);
}

bool isDefined(const Value& v)
{
    return !v.isUndefined();
}
bool isUndefined(const Value& v)
{
    return v.isUndefined();
}
bool isNone(const Value& v)
{
    return v.isNone();
}
bool isBoolean(const Value& v)
{
    return v.isBool();
}
bool isTrue(const Value& v)
{
    return v.isBool() && v.integer() != 0;
}
bool isFalse(const Value& v)
{
    return v.isBool() && v.integer() == 0;
}
bool isInteger(const Value& v)
{
    return v.isInt();
}
bool isFloat(const Value& v)
{
    return v.isFloat();
}
bool isNumber(const Value& v)
{
    return v.isNumber();
}
bool isString(const Value& v)
{
    return v.isString();
}
bool isMapping(const Value& v)
{
    return v.dict() != nullptr;
}
bool isEscaped(const Value& v)
{
    return v.isString() && v.text()->markup;
}
bool isCallable(const Value& v)
{
    return v.isUndefined() || (v.object() && v.object()->callable());
}

bool isIterable(const Value& v)
{
    // A generator must not be spent by being asked.
    return v.isUndefined() || v.isString() || v.sequence() || v.dict() || v.objectAs<Generator>() || v.objectAs<Range>()
        || v.objectAs<DictView>() || (v.object() && v.object()->typeName() == "LoopContext");
}

/// What has a length and items by index, as far as Python can tell without asking for one.
bool isSequence(const Value& v)
{
    return v.isUndefined() || v.isString() || v.sequence() || v.dict() || v.objectAs<Range>();
}

Value remainder(const Value& v, const Value& divisor)
{
    return applyBinary(BinaryOperator::Modulo, v, divisor);
}

bool isOdd(const Value& v)
{
    return remainder(v, 2).equals(1);
}
bool isEven(const Value& v)
{
    return remainder(v, 2).equals(0);
}

bool hasCase(const Value& v, bool (*wanted)(char32_t), bool (*unwanted)(char32_t))
{
    const std::string text = v.str();
    bool any = false;
    for (size_t at = 0; at < text.size();) {
        const auto [code, size] = unicode::decode(text, at);
        if (unwanted(code) || unicode::isTitle(code))
            return false;
        any |= wanted(code);
        at += size;
    }
    return any;
}

bool isLower(const Value& v)
{
    return hasCase(v, unicode::isLower, unicode::isUpper);
}
bool isUpper(const Value& v)
{
    return hasCase(v, unicode::isUpper, unicode::isLower);
}

bool isDivisibleBy(Interpreter&, const Value& input, const Arguments& arguments)
{
    return remainder(input, Parameters("divisibleby", arguments, {"num"}, 1).get(0)).equals(0);
}

/// Python's `is`: one object. Equal small values of one type count as one, as Python mostly has it.
bool isSameAs(Interpreter&, const Value& input, const Arguments& arguments)
{
    const Value other = Parameters("sameas", arguments, {"other"}, 1).get(0);
    if (input.sequence() || input.dict() || input.object())
        return input.sequence() == other.sequence() && input.dict() == other.dict() && input.object() == other.object();
    return input.typeName() == other.typeName() && input.equals(other);
}

bool isFilter(Interpreter&, const Value& input, const Arguments&)
{
    return input.isString() && findFilter(input.bytes());
}

bool isTest(Interpreter&, const Value& input, const Arguments&)
{
    return input.isString() && findTest(input.bytes());
}

} // namespace

Test findTest(std::string_view name)
{
    static const std::unordered_map<std::string_view, Test> tests = {
        {"boolean", plain<isBoolean>},
        {"callable", plain<isCallable>},
        {"defined", plain<isDefined>},
        {"divisibleby", isDivisibleBy},
        {"escaped", plain<isEscaped>},
        {"even", plain<isEven>},
        {"false", plain<isFalse>},
        {"filter", isFilter},
        {"float", plain<isFloat>},
        {"in", compares<Op::In>},
        {"integer", plain<isInteger>},
        {"iterable", plain<isIterable>},
        {"lower", plain<isLower>},
        {"mapping", plain<isMapping>},
        {"none", plain<isNone>},
        {"number", plain<isNumber>},
        {"odd", plain<isOdd>},
        {"sameas", isSameAs},
        {"sequence", plain<isSequence>},
        {"string", plain<isString>},
        {"test", isTest},
        {"true", plain<isTrue>},
        {"undefined", plain<isUndefined>},
        {"upper", plain<isUpper>},
        {"==", compares<Op::Equal>},
        {"eq", compares<Op::Equal>},
        {"equalto", compares<Op::Equal>},
        {"!=", compares<Op::NotEqual>},
        {"ne", compares<Op::NotEqual>},
        {"<", compares<Op::Less>},
        {"lt", compares<Op::Less>},
        {"lessthan", compares<Op::Less>},
        {"<=", compares<Op::LessEqual>},
        {"le", compares<Op::LessEqual>},
        {">", compares<Op::Greater>},
        {"gt", compares<Op::Greater>},
        {"greaterthan", compares<Op::Greater>},
        {">=", compares<Op::GreaterEqual>},
        {"ge", compares<Op::GreaterEqual>},
    };
    const auto it = tests.find(name);
    return it == tests.end() ? nullptr : it->second;
}

} // namespace cortex::engine::jinja
