// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/template/ast.h"

namespace cortex::engine::jinja {

/// Python's operators. All throw Fault with Python's wording where Python raises.
Value applyBinary(BinaryOperator op, const Value& left, const Value& right);
Value applyUnary(UnaryOperator op, const Value& operand);
bool applyComparison(ComparisonOperator op, const Value& left, const Value& right);

/// `item in container`.
bool contains(const Value& container, const Value& item);

/// owner[start:stop:step], parts None where absent; nothing where `owner` cannot be sliced.
std::optional<Value> slice(const Value& owner, const Value& start, const Value& stop, const Value& step);

/// owner[index] of str, list, tuple and dict, without Jinja's fallback to attributes; nothing where Python raises.
std::optional<Value> subscript(const Value& owner, const Value& index);

/// The position that a possibly negative index means in a sequence of `size`, if it exists.
std::optional<size_t> position(const Value& index, size_t size);

/// &, <, >, " and ' as HTML entities; markup stays as it is.
std::string escapeHtml(const Value& value);

} // namespace cortex::engine::jinja
