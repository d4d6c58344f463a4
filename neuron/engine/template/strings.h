// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/template/value.h"

namespace cortex::engine::jinja::strings {

/// Python's str algorithms on UTF-8. Without `separator` (or `chars`), runs of white space separate (or are stripped).
std::string_view strip(std::string_view text, std::optional<std::string_view> chars, bool left, bool right);
std::vector<std::string_view> split(std::string_view text, std::optional<std::string_view> separator, size_t most);
std::vector<std::string_view> rsplit(std::string_view text, std::optional<std::string_view> separator, size_t most);
std::vector<std::string_view> lines(std::string_view text, bool keepEnds);
/// At most `count` replacements, all where it is negative.
std::string replace(std::string_view text, std::string_view from, std::string_view to, Int count);
/// Padded to `width` characters; `align` is '<', '>' or '^'.
std::string justify(std::string_view text, Int width, std::string_view fill, char align);
Value toList(const std::vector<std::string_view>& parts);

} // namespace cortex::engine::jinja::strings
