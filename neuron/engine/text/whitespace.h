// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <cstddef>
#include <string_view>

namespace cortex::engine {

// White space as Unicode's property White_Space defines it. Texts are valid UTF-8.

/// How many bytes of white space `text` begins with.
size_t leadingSpace(std::string_view text);

/// Where the white space at the end of `text` begins.
size_t trailingSpace(std::string_view text);

} // namespace cortex::engine
