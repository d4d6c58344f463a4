// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/template/chattemplate.h"

#include <limits>
#include <string>
#include <string_view>

namespace cortex::engine {

/// What a text from the network may have at most.
struct ContextLimits {
    size_t depth = std::numeric_limits<size_t>::max(); ///< objects and arrays within each other
    size_t values = std::numeric_limits<size_t>::max(); ///< of all kinds together
};

/// Parses JSON in which the order of keys counts, as a template's context; of keys that occur twice the last counts, in
/// the place of the first, as in Python. In time that grows with the text: nlohmann's own builder of ordered objects
/// looks each key up among all before it. Throws Error(BadRequest); `what` names the text there.
TemplateContext readContext(std::string_view json, const std::string& what, const ContextLimits& limits = {});

} // namespace cortex::engine
