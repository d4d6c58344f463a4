// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/template/value.h"

#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace cortex::engine::jinja {

struct Expression;
struct Statement;
using ExpressionPtr = std::unique_ptr<Expression>;
using Block = std::vector<Statement>;

/// The arguments of a call, filter or test, in source order; star and doubleStar may be null.
struct CallArguments {
    std::vector<ExpressionPtr> positional;
    std::vector<std::pair<std::string, ExpressionPtr>> named;
    ExpressionPtr star;
    ExpressionPtr doubleStar;
};

struct Literal {
    Value value;
};
struct Name {
    std::string name;
};
struct SequenceDisplay {
    bool tuple;
    std::vector<ExpressionPtr> items;
};
struct DictDisplay {
    std::vector<std::pair<ExpressionPtr, ExpressionPtr>> entries;
};
enum class UnaryOperator { Negate, Plus, Not };
struct Unary {
    UnaryOperator op;
    ExpressionPtr operand;
};
enum class BinaryOperator { Add, Subtract, Multiply, Divide, FloorDivide, Modulo, Power };
struct Binary {
    BinaryOperator op;
    ExpressionPtr left;
    ExpressionPtr right;
};
struct Logical {
    bool isAnd;
    ExpressionPtr left;
    ExpressionPtr right;
};
struct Concatenation {
    std::vector<ExpressionPtr> items;
};
enum class ComparisonOperator { Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual, In, NotIn };
struct Comparison {
    ExpressionPtr first;
    std::vector<std::pair<ComparisonOperator, ExpressionPtr>> rest;
};
/// `then if test else otherwise`; without else the value is undefined.
struct Conditional {
    ExpressionPtr test;
    ExpressionPtr then;
    ExpressionPtr otherwise;
};
/// input|name(arguments); within a filter block the innermost filter has no input.
struct FilterCall {
    ExpressionPtr input;
    std::string name;
    CallArguments arguments;
};
struct TestCall {
    ExpressionPtr input;
    std::string name;
    CallArguments arguments;
    bool negated;
};
struct AttributeAccess {
    ExpressionPtr owner;
    std::string name;
};
struct ItemAccess {
    ExpressionPtr owner;
    ExpressionPtr index;
};
/// owner[start:stop:step], each of which may be null.
struct SliceAccess {
    ExpressionPtr owner;
    ExpressionPtr start;
    ExpressionPtr stop;
    ExpressionPtr step;
};
struct Call {
    ExpressionPtr callee;
    CallArguments arguments;
};

struct Expression {
    using Node =
        std::variant<Literal, Name, SequenceDisplay, DictDisplay, Unary, Binary, Logical, Concatenation, Comparison,
                     Conditional, FilterCall, TestCall, AttributeAccess, ItemAccess, SliceAccess, Call>;
    int line;
    unsigned depth; ///< levels of expressions below and with this one
    Node node;
};

/// What an assignment fills: a name, a namespace's attribute, or a tuple of targets.
struct Target {
    std::string name;
    std::string attribute; ///< of the namespace `name`, where not empty
    std::vector<Target> items; ///< of a tuple, where isTuple
    bool isTuple = false;
};

struct Data {
    std::string text;
};
struct Print {
    ExpressionPtr value;
};
struct If {
    std::vector<std::pair<ExpressionPtr, Block>> branches;
    Block otherwise;
};
struct For {
    Target target;
    ExpressionPtr iterable;
    ExpressionPtr filter; ///< or null
    bool recursive;
    Block body;
    Block otherwise;
};
struct Set {
    Target target;
    ExpressionPtr value;
};
struct SetBlock {
    Target target;
    ExpressionPtr filter; ///< or null
    Block body;
};
/// What macro and call blocks share.
struct MacroBody {
    std::string name; ///< empty for a caller
    std::vector<std::string> parameters;
    std::vector<ExpressionPtr> defaults; ///< of the last parameters
    bool usesCaller = false;
    bool usesVarargs = false;
    bool usesKwargs = false;
    Block body;
};
struct MacroDefinition {
    std::shared_ptr<const MacroBody> macro;
};
struct CallBlock {
    ExpressionPtr call; ///< a Call
    std::shared_ptr<const MacroBody> caller;
};
struct FilterBlock {
    ExpressionPtr filter;
    Block body;
};
struct With {
    std::vector<std::pair<Target, ExpressionPtr>> variables;
    Block body;
};
struct Generation {
    Block body;
};
struct Break { };
struct Continue { };

struct Statement {
    using Node = std::variant<Data, Print, If, For, Set, SetBlock, MacroDefinition, CallBlock, FilterBlock, With,
                              Generation, Break, Continue>;
    int line;
    Node node;
};

} // namespace cortex::engine::jinja
