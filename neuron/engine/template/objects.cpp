// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/template/objects.h"

#include "neuron/engine/template/operators.h"

#include <algorithm>

namespace cortex::engine::jinja {

namespace {

unsigned depthAround(const std::vector<Value>& items)
{
    unsigned depth = 1;
    for (const Value& item : items)
        depth = std::max(depth, item.depth() + 1);
    if (depth > limits::valueDepth)
        fail("values are nested more than " + std::to_string(limits::valueDepth) + " deep");
    return depth;
}

} // namespace

Range::Range(Int start, Int stop, Int step)
    : m_start(start)
    , m_stop(stop)
    , m_step(step)
{
    if (step == 0)
        fail("range() arg 3 must not be zero");
    constexpr Int bound = Int(1) << 120;
    for (const Int part : {start, stop, step})
        if (part > bound || part < -bound)
            fail("range() takes no integers of more than 120 bits");
    const Int span = step > 0 ? stop - start : start - stop;
    const Int stride = step > 0 ? step : -step;
    const Int length = span > 0 ? (span + stride - 1) / stride : 0;
    if (length > Int(limits::rangeLength))
        fail("Range too big. The sandbox blocks ranges larger than MAX_RANGE (" + std::to_string(limits::rangeLength)
             + ").");
    m_length = size_t(length);
}

void Range::print(TextBuilder& out, unsigned) const
{
    out << "range(" << toString(m_start) << ", " << toString(m_stop);
    if (m_step != 1)
        out << ", " << toString(m_step);
    out << ')';
}

std::optional<Value> Range::item(const Value& index) const
{
    const auto at = position(index, m_length);
    return at ? std::optional<Value>(m_start + Int(*at) * m_step) : std::nullopt;
}

std::optional<std::vector<Value>> Range::iterate() const
{
    requireSpace(m_length, sizeof(Value));
    workOn(m_length * sizeof(Value));
    std::vector<Value> values;
    values.reserve(m_length);
    for (size_t i = 0; i < m_length; ++i)
        values.emplace_back(m_start + Int(i) * m_step);
    return values;
}

bool Range::equals(const Object& other) const
{
    const auto* range = dynamic_cast<const Range*>(&other);
    if (!range || range->m_length != m_length)
        return false;
    return m_length == 0 || (range->m_start == m_start && (m_length == 1 || range->m_step == m_step));
}

std::string_view DictView::typeName() const
{
    return m_part == Part::Keys ? "dict_keys" : m_part == Part::Values ? "dict_values" : "dict_items";
}

void DictView::print(TextBuilder& out, unsigned depth) const
{
    out << typeName() << '(';
    Value::list(*iterate()).printRepr(out, depth + 1);
    out << ')';
}

std::optional<std::vector<Value>> DictView::iterate() const
{
    const auto& entries = m_dict->entries();
    requireSpace(entries.size(), 4 * sizeof(Value));
    std::vector<Value> values;
    values.reserve(entries.size());
    for (const auto& [key, value] : entries) {
        if (m_part == Part::Items)
            values.push_back(Value::tuple({key, value}));
        else
            values.push_back(m_part == Part::Keys ? key : value);
    }
    return values;
}

Generator::Generator(std::vector<Value> items)
    : m_items(std::move(items))
    , m_depth(depthAround(m_items))
    , m_charge(m_items.size() * sizeof(Value) + sizeof(Generator))
{
}

Value Generator::make(std::vector<Value> items)
{
    return std::shared_ptr<const Object>(std::make_shared<Generator>(std::move(items)));
}

std::optional<std::vector<Value>> Generator::iterate() const
{
    const size_t from = std::exchange(m_next, m_items.size());
    return std::vector<Value>(m_items.begin() + ptrdiff_t(from), m_items.end());
}

std::optional<Value> Generator::next() const
{
    return m_next < m_items.size() ? std::optional(m_items[m_next++]) : std::nullopt;
}

void Namespace::print(TextBuilder& out, unsigned depth) const
{
    out << "<Namespace {";
    bool first = true;
    for (const auto& [key, value] : m_attributes->entries()) {
        if (!first)
            out << ", ";
        first = false;
        key.printRepr(out, depth + 1);
        out << ": ";
        value.printRepr(out, depth + 1);
    }
    out << "}>";
}

std::optional<Value> Namespace::attribute(std::string_view name) const
{
    const Value* found = m_attributes->find(name);
    return found ? std::optional(*found) : std::nullopt;
}

Value Joiner::call(Interpreter&, Arguments&) const
{
    return std::exchange(m_used, true) ? Value(m_separator) : Value("");
}

Cycler::Cycler(std::vector<Value> items)
    : m_items(std::move(items))
    , m_depth(depthAround(m_items))
{
    if (m_items.empty())
        fail("at least one item has to be provided");
}

std::optional<Value> Cycler::attribute(std::string_view name) const
{
    if (name == "current")
        return m_items[m_at];
    if (name != "next" && name != "reset")
        return std::nullopt;
    const bool isNext = name == "next";
    return Function::make(
        std::string(name),
        [self = shared_from_this(), isNext](Interpreter&, Arguments&) {
            const size_t at = self->m_at;
            self->m_at = isNext ? (at + 1) % self->m_items.size() : 0;
            return isNext ? self->m_items[at] : Value();
        },
        m_depth + 1);
}

} // namespace cortex::engine::jinja
