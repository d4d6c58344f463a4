// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace cortex::engine {

/// What stands at the start of a piece of text that should be UTF-8.
struct Utf8Step {
    enum class Kind {
        Whole, ///< one code point
        Broken, ///< bytes that are no UTF-8 whatever follows; the longest such run that one U+FFFD replaces
        Incomplete, ///< the text ends inside a sequence that is well-formed so far
    };
    Kind kind;
    size_t bytes; ///< that it takes, at least 1
    char32_t codePoint; ///< of a Whole one
};

/// Looks at the start of `text`, which is not empty. Unicode 15, table 3-7; a broken sequence ends where the
/// "substitution of maximal subparts" (chapter 3.9) ends it, as Rust's from_utf8_lossy does.
Utf8Step nextUtf8(std::string_view text);

/// The last character of valid UTF-8 that is not empty.
std::string_view lastCharacter(std::string_view text);

/// Whether the whole of `text` is UTF-8.
bool isUtf8(std::string_view text);

/// `text` with a U+FFFD for every sequence that is broken or cut off at the end.
std::string repairedUtf8(std::string_view text);

/// Removes from `pending` and returns everything up to a sequence that further bytes may complete; what is broken
/// becomes U+FFFD.
std::string takeWholeUtf8(std::string& pending);

void appendUtf8(std::string& text, char32_t codePoint);

} // namespace cortex::engine
