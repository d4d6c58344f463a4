// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/template/operators.h"

#include "neuron/engine/template/format.h"
#include "neuron/engine/template/unicode.h"

#include <algorithm>
#include <cmath>

namespace cortex::engine::jinja {

namespace {

[[noreturn]] void unsupported(std::string_view symbol, const Value& left, const Value& right)
{
    fail("unsupported operand type(s) for " + std::string(symbol) + ": '" + left.typeName() + "' and '"
         + right.typeName() + "'");
}

[[noreturn]] void overflow()
{
    fail("an integer would exceed 128 bits");
}

double finite(double value, double left, double right)
{
    if (std::isinf(value) && std::isfinite(left) && std::isfinite(right))
        fail("(34, 'Numerical result out of range')");
    return value;
}

Value concatenate(const Value& left, const Value& right)
{
    if (left.isString() && right.isString()) {
        const bool markup = left.text()->markup || right.text()->markup;
        TextBuilder out;
        if (markup)
            out << escapeHtml(left) << escapeHtml(right);
        else
            out << left.bytes() << right.bytes();
        return Value(out.take(), markup);
    }
    if (left.isString())
        fail("can only concatenate str (not \"" + right.typeName() + "\") to str");
    if (!left.sequence())
        unsupported("+", left, right);
    if (!right.sequence() || left.isTuple() != right.isTuple()) {
        const std::string type = left.typeName();
        fail("can only concatenate " + type + " (not \"" + right.typeName() + "\") to " + type);
    }
    const auto& head = left.sequence()->items;
    const auto& tail = right.sequence()->items;
    requireSpace(head.size() + tail.size(), sizeof(Value));
    std::vector<Value> items(head);
    items.insert(items.end(), tail.begin(), tail.end());
    return left.isTuple() ? Value::tuple(std::move(items)) : Value::list(std::move(items));
}

Value add(const Value& left, const Value& right)
{
    if (!left.isNumber() || !right.isNumber())
        return concatenate(left, right);
    if (left.isFloat() || right.isFloat())
        return left.number() + right.number();
    Int sum;
    if (__builtin_add_overflow(left.integer(), right.integer(), &sum))
        overflow();
    return sum;
}

Value subtract(const Value& left, const Value& right)
{
    if (!left.isNumber() || !right.isNumber())
        unsupported("-", left, right);
    if (left.isFloat() || right.isFloat())
        return left.number() - right.number();
    Int difference;
    if (__builtin_sub_overflow(left.integer(), right.integer(), &difference))
        overflow();
    return difference;
}

Value repeat(const Value& items, const Value& times)
{
    if (!times.isIntegral())
        fail("can't multiply sequence by non-int of type '" + times.typeName() + "'");
    const Int count = std::clamp<Int>(times.integer(), 0, Int(limits::liveBytes));
    if (const Text* text = items.text()) {
        TextBuilder out;
        out.repeat(text->bytes, size_t(count));
        return Value(out.take(), text->markup);
    }
    const auto& once = items.sequence()->items;
    std::vector<Value> all;
    if (!once.empty()) {
        requireSpace(size_t(count), once.size() * sizeof(Value));
        for (Int i = 0; i < count; ++i)
            all.insert(all.end(), once.begin(), once.end());
    }
    return items.isTuple() ? Value::tuple(std::move(all)) : Value::list(std::move(all));
}

Value multiply(const Value& left, const Value& right)
{
    if (left.isString() || left.sequence())
        return repeat(left, right);
    if (right.isString() || right.sequence())
        return repeat(right, left);
    if (!left.isNumber() || !right.isNumber())
        unsupported("*", left, right);
    if (left.isFloat() || right.isFloat())
        return left.number() * right.number();
    Int product;
    if (__builtin_mul_overflow(left.integer(), right.integer(), &product))
        overflow();
    return product;
}

Value divide(const Value& left, const Value& right)
{
    if (!left.isNumber() || !right.isNumber())
        unsupported("/", left, right);
    if (right.number() == 0)
        fail(left.isFloat() || right.isFloat() ? "float division by zero" : "division by zero");
    return left.number() / right.number();
}

double floorModulo(double left, double right)
{
    const double rest = std::fmod(left, right);
    if (rest == 0)
        return std::copysign(0.0, right);
    return (rest < 0) != (right < 0) ? rest + right : rest;
}

Value floorDivide(const Value& left, const Value& right)
{
    if (!left.isNumber() || !right.isNumber())
        unsupported("//", left, right);
    if (left.isFloat() || right.isFloat()) {
        if (right.number() == 0)
            fail("float floor division by zero");
        return std::round((left.number() - floorModulo(left.number(), right.number())) / right.number());
    }
    const Int a = left.integer();
    const Int b = right.integer();
    if (b == 0)
        fail("integer division or modulo by zero");
    if (b == -1)
        return subtract(Int(0), left);
    const Int quotient = a / b;
    return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

Value modulo(const Value& left, const Value& right)
{
    if (left.isString())
        return Value(percentFormat(left.bytes(), right), left.text()->markup);
    if (!left.isNumber() || !right.isNumber())
        unsupported("%", left, right);
    if (left.isFloat() || right.isFloat()) {
        if (right.number() == 0)
            fail("float modulo");
        return floorModulo(left.number(), right.number());
    }
    const Int a = left.integer();
    const Int b = right.integer();
    if (b == 0)
        fail("integer modulo by zero");
    if (b == -1)
        return Int(0);
    const Int rest = a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

Value integerPower(Int base, Int exponent)
{
    Int result = 1;
    while (exponent > 0) {
        if (exponent % 2 != 0 && __builtin_mul_overflow(result, base, &result))
            overflow();
        exponent /= 2;
        if (exponent > 0 && __builtin_mul_overflow(base, base, &base))
            overflow();
    }
    return result;
}

Value power(const Value& left, const Value& right)
{
    if (!left.isNumber() || !right.isNumber())
        unsupported("** or pow()", left, right);
    if (left.isIntegral() && right.isIntegral() && right.integer() >= 0) {
        const Int base = left.integer();
        if (base == 0 || base == 1)
            return right.integer() == 0 ? Int(1) : base;
        return integerPower(base, right.integer());
    }
    const double base = left.number();
    const double exponent = right.number();
    if (base == 0 && exponent < 0)
        fail("0.0 cannot be raised to a negative power");
    if (base < 0 && exponent != std::floor(exponent))
        fail("complex numbers are not supported");
    return finite(std::pow(base, exponent), base, exponent);
}

} // namespace

Value applyBinary(BinaryOperator op, const Value& left, const Value& right)
{
    left.requireDefined();
    if (!(op == BinaryOperator::Modulo && left.isString()))
        right.requireDefined();
    switch (op) {
    case BinaryOperator::Add:
        return add(left, right);
    case BinaryOperator::Subtract:
        return subtract(left, right);
    case BinaryOperator::Multiply:
        return multiply(left, right);
    case BinaryOperator::Divide:
        return divide(left, right);
    case BinaryOperator::FloorDivide:
        return floorDivide(left, right);
    case BinaryOperator::Modulo:
        return modulo(left, right);
    case BinaryOperator::Power:
        return power(left, right);
    }
    return {};
}

Value applyUnary(UnaryOperator op, const Value& operand)
{
    if (op == UnaryOperator::Not)
        return !operand.truth();
    operand.requireDefined();
    const bool negate = op == UnaryOperator::Negate;
    if (!operand.isNumber())
        fail(std::string("bad operand type for unary ") + (negate ? "-" : "+") + ": '" + operand.typeName() + "'");
    if (operand.isFloat())
        return negate ? -operand.number() : operand.number();
    return negate ? subtract(Int(0), operand) : Value(operand.integer());
}

bool applyComparison(ComparisonOperator op, const Value& left, const Value& right)
{
    const auto unordered = [&] {
        return (left.isFloat() && std::isnan(left.number())) || (right.isFloat() && std::isnan(right.number()));
    };
    const auto ordered = [&](std::string_view symbol, auto holds) {
        const int order = compare(left, right, symbol);
        return !unordered() && holds(order);
    };
    switch (op) {
    case ComparisonOperator::Equal:
        return left.equals(right);
    case ComparisonOperator::NotEqual:
        return !left.equals(right);
    case ComparisonOperator::Less:
        return ordered("<", [](int order) { return order < 0; });
    case ComparisonOperator::LessEqual:
        return ordered("<=", [](int order) { return order <= 0; });
    case ComparisonOperator::Greater:
        return ordered(">", [](int order) { return order > 0; });
    case ComparisonOperator::GreaterEqual:
        return ordered(">=", [](int order) { return order >= 0; });
    case ComparisonOperator::In:
        return contains(right, left);
    case ComparisonOperator::NotIn:
        return !contains(right, left);
    }
    return false;
}

bool contains(const Value& container, const Value& item)
{
    if (const Text* text = container.text()) {
        if (!item.isString())
            fail("'in <string>' requires string as left operand, not " + item.typeName());
        workOn(text->bytes.size());
        return text->bytes.find(item.bytes()) != std::string::npos;
    }
    if (const Dict* dict = container.dict())
        return dict->find(item) != nullptr;
    const auto values = container.iterate();
    if (!values)
        fail("argument of type '" + container.typeName() + "' is not iterable");
    return std::any_of(values->begin(), values->end(), [&](const Value& value) { return value.equals(item); });
}

std::optional<size_t> position(const Value& index, size_t size)
{
    if (!index.isIntegral())
        return std::nullopt;
    Int at = index.integer();
    if (at < 0)
        at += Int(size);
    if (at < 0 || at >= Int(size))
        return std::nullopt;
    return size_t(at);
}

std::optional<Value> subscript(const Value& owner, const Value& index)
{
    if (const Dict* dict = owner.dict()) {
        const bool hashable = !index.isList() && !index.dict();
        const Value* found = hashable ? dict->find(index) : nullptr;
        return found ? std::optional(*found) : std::nullopt;
    }
    if (const Sequence* sequence = owner.sequence()) {
        const auto at = position(index, sequence->items.size());
        return at ? std::optional(sequence->items[*at]) : std::nullopt;
    }
    if (const Text* text = owner.text()) {
        const auto at = position(index, text->length);
        if (!at)
            return std::nullopt;
        workOn(text->bytes.size());
        const bool ascii = text->bytes.size() == text->length;
        const size_t begin = ascii ? *at : unicode::offset(text->bytes, *at);
        return Value(text->bytes.substr(begin, unicode::decode(text->bytes, begin).size), text->markup);
    }
    return owner.object() ? owner.object()->item(index) : std::nullopt;
}

namespace {

/// A slice's bound as Python clips it: for a negative step, -1 stands before the first item.
Int clip(const Value& bound, Int size, Int whenAbsent, bool backwards)
{
    if (bound.isNone())
        return whenAbsent;
    if (!bound.isIntegral())
        fail("slice indices must be integers or None or have an __index__ method");
    Int at = bound.integer();
    if (at < 0)
        at = std::max<Int>(at, -size - 1) + size;
    return std::clamp<Int>(at, backwards ? -1 : 0, backwards ? size - 1 : size);
}

std::vector<size_t> slicePositions(size_t size, const Value& start, const Value& stop, const Value& step)
{
    if (!step.isNone() && !step.isIntegral())
        fail("slice indices must be integers or None or have an __index__ method");
    const Int stride = step.isNone() ? Int(1) : step.integer();
    if (stride == 0)
        fail("slice step cannot be zero");
    const bool backwards = stride < 0;
    const Int length = Int(size);
    const Int from = clip(start, length, backwards ? length - 1 : 0, backwards);
    const Int to = clip(stop, length, backwards ? -1 : length, backwards);
    const Int bounded = std::clamp<Int>(stride, -length - 1, length + 1);
    std::vector<size_t> positions;
    for (Int at = from; backwards ? at > to : at < to; at += bounded)
        positions.push_back(size_t(at));
    return positions;
}

Value sliceText(const Text& text, const std::vector<size_t>& positions)
{
    TextBuilder out;
    if (text.bytes.size() == text.length) {
        for (const size_t at : positions)
            out << text.bytes[at];
        return Value(out.take(), text.markup);
    }
    const auto characters = unicode::characters(text.bytes);
    for (const size_t at : positions)
        out << characters[at];
    return Value(out.take(), text.markup);
}

} // namespace

std::optional<Value> slice(const Value& owner, const Value& start, const Value& stop, const Value& step)
{
    const Sequence* sequence = owner.sequence();
    if (!sequence && !owner.isString() && !(owner.object() && owner.typeName() == "range"))
        return std::nullopt;
    const size_t size = owner.length().value_or(0);
    workOn(size * sizeof(Value));
    requireSpace(size, 4 * sizeof(size_t));
    const std::vector<size_t> positions = slicePositions(size, start, stop, step);
    if (const Text* text = owner.text())
        return sliceText(*text, positions);
    const std::vector<Value> source = sequence ? sequence->items : owner.requireIterable();
    std::vector<Value> items;
    items.reserve(positions.size());
    for (const size_t at : positions)
        items.push_back(source[at]);
    return owner.isTuple() ? Value::tuple(std::move(items)) : Value::list(std::move(items));
}

std::string escapeHtml(const Value& value)
{
    if (value.isString() && value.text()->markup)
        return value.bytes();
    TextBuilder out;
    for (const char c : value.str()) {
        switch (c) {
        case '&':
            out << "&amp;";
            break;
        case '<':
            out << "&lt;";
            break;
        case '>':
            out << "&gt;";
            break;
        case '"':
            out << "&#34;";
            break;
        case '\'':
            out << "&#39;";
            break;
        default:
            out << c;
        }
    }
    return out.take();
}

} // namespace cortex::engine::jinja
