// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/template/ast.h"

#include <string_view>

namespace cortex::engine::jinja {

/// The template's statements. Throws SyntaxFault (lexer.h).
Block parse(std::string_view source);

} // namespace cortex::engine::jinja
