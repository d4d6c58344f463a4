// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/template/value.h"

namespace cortex::engine::jinja {

/// Python's `format % values`: a tuple holds several values, a dict named ones.
std::string percentFormat(std::string_view format, const Value& values);

/// Python's format.format(...).
std::string braceFormat(std::string_view format, const Arguments& arguments);

/// json.dumps as Hugging Face's tojson filter calls it: non-ASCII kept, no HTML escapes.
struct JsonStyle {
    bool asciiOnly = false;
    bool sortKeys = false;
    bool multiline = false; ///< indent was given
    std::string indent; ///< of one level
    std::string itemSeparator; ///< ", " or "," by default
    std::string keySeparator; ///< ": "
};
std::string toJson(const Value& value, const JsonStyle& style);

/// Rounds half to even at `precision` digits, as Python's round() does on the shortest exact value.
double roundTo(double value, int precision);

} // namespace cortex::engine::jinja
