// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/template/chattemplate.h"

#include <string_view>

namespace cortex::engine {

/// Parses a template's context; of keys that occur twice the last counts, in the place of the first, as in Python. In
/// time that grows with the text: nlohmann's own builder of ordered objects looks each key up among all before it.
/// Throws Error(BadRequest).
TemplateContext readContext(std::string_view json);

} // namespace cortex::engine
