// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/template/value.h"

#include <string>
#include <string_view>
#include <vector>

namespace cortex::engine::jinja {

enum class TokenKind {
    Data,
    VariableBegin,
    VariableEnd,
    BlockBegin,
    BlockEnd,
    Name,
    String,
    Integer,
    Float,
    Operator,
    End
};

struct Token {
    TokenKind kind;
    int line;
    std::string text; ///< data, name, operator, or a string's decoded content
    Value number; ///< of Integer and Float

    bool isOperator(std::string_view op) const { return kind == TokenKind::Operator && text == op; }
    bool isName(std::string_view name) const { return kind == TokenKind::Name && text == name; }
    /// For messages: the source as a person would name it.
    std::string describe() const;
};

/// A Fault at a line known while reading the template, before anything runs.
struct SyntaxFault {
    std::string message;
    int line;
};

/// The whole template as tokens, with trim_blocks and lstrip_blocks applied as Jinja does; comments are gone and raw
/// sections are data. Throws SyntaxFault.
std::vector<Token> tokenize(std::string_view source);

} // namespace cortex::engine::jinja
