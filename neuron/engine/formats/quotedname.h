// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <string>
#include <string_view>

namespace cortex::engine {

/// A name out of a file as an error message may show it: in quotes, at most 80 bytes of it, control characters as `?`,
/// so that a hostile file can neither flood nor drive the operator's terminal.
inline std::string quotedName(std::string_view name)
{
    constexpr size_t shown = 80;
    std::string text = "\"";
    for (const char c : name.substr(0, shown))
        text += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
    text += name.size() > shown ? "…\"" : "\"";
    return text;
}

} // namespace cortex::engine
