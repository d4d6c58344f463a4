// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace cortex::engine::jinja::unicode {

/// One character of UTF-8 text. A byte that starts no valid sequence counts as one character of its own (code 0xDC80 +
/// its low bits, which no valid text holds), so every byte string can be walked and put together again.
struct Character {
    char32_t code;
    unsigned size; ///< bytes, at least 1
};

Character decode(std::string_view text, size_t at);
void append(std::string& text, char32_t code);

/// Number of characters.
size_t length(std::string_view text);

/// Byte offset of character `index`; the text's size from its end on.
size_t offset(std::string_view text, size_t index);

/// The text's characters, one view each.
std::vector<std::string_view> characters(std::string_view text);

/// The first byte that is not valid UTF-8, or npos.
size_t firstInvalid(std::string_view text);

bool isAlpha(char32_t);
bool isDecimal(char32_t);
bool isDigit(char32_t);
bool isNumeric(char32_t);
bool isLower(char32_t);
bool isUpper(char32_t);
bool isTitle(char32_t);
bool isSpace(char32_t);
bool isPrintable(char32_t);

/// Python's str.lower, upper, title, capitalize, swapcase.
std::string lower(std::string_view text);
std::string upper(std::string_view text);
std::string title(std::string_view text);
std::string capitalize(std::string_view text);
std::string swapCase(std::string_view text);

/// `word` with its first character in upper case and the rest in lower case (Jinja's title filter, word by word).
std::string upperFirst(std::string_view word);

} // namespace cortex::engine::jinja::unicode
