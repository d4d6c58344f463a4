// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <string>
#include <string_view>

namespace cortex::engine {

/// Whether `text` (valid UTF-8) is certain to be in Normalization Form C. May say no for text that is; most is told.
bool isCertainlyNfc(std::string_view text);

/// `text` (valid UTF-8) in Normalization Form C: Unicode Standard Annex 15.
std::string toNfc(std::string_view text);

} // namespace cortex::engine
