// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/template/interpreter.h"

#include <initializer_list>

namespace cortex::engine::jinja {

/// What templates can call by name. Each table is built once and never changes.
using Filter = Value (*)(Interpreter& interpreter, const Value& input, const Arguments& arguments);
using Test = bool (*)(Interpreter& interpreter, const Value& input, const Arguments& arguments);

/// The filter or test of that name, or nullptr.
Filter findFilter(std::string_view name);
Test findTest(std::string_view name);

/// The global function of that name (range, dict, namespace, cycler, joiner, raise_exception, strftime_now), or
/// nothing.
std::optional<Value> findGlobal(std::string_view name);

/// The method `name` of a str, list, tuple, dict or number, bound to it; nothing where Python has none. Methods that
/// would change a list or dict are found, and refuse to be called as Jinja's immutable sandbox does.
std::optional<Value> findMethod(const Value& owner, std::string_view name);

/// The arguments of one call sorted to parameter names, as Python does. Throws Fault where Python raises.
class Parameters {
public:
    Parameters(std::string_view function, const Arguments& arguments, std::initializer_list<std::string_view> names,
               size_t required = 0);
    const Value* find(size_t index) const { return m_values[index] ? &*m_values[index] : nullptr; }
    Value get(size_t index, Value whenAbsent = {}) const;
    bool flag(size_t index, bool whenAbsent) const;
    Int integer(size_t index, Int whenAbsent) const;
    std::string text(size_t index, std::string_view whenAbsent) const;

private:
    std::string m_function;
    std::vector<std::optional<Value>> m_values;
};

} // namespace cortex::engine::jinja
