// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <cstdint>
#include <span>

namespace cortex::engine {

/// The canonical decomposition of one character, one step of it; Hangul syllables are not listed.
struct Decomposition {
    char32_t character;
    char32_t first;
    char32_t second; ///< 0 where it decomposes into one character
    bool composes; ///< whether composition undoes it
};

/// Characters of one non-zero canonical combining class.
struct CombiningRange {
    char32_t first;
    char32_t last;
    uint8_t order;
};

extern const std::span<const Decomposition> decompositions; ///< ascending
extern const std::span<const CombiningRange> combiningRanges; ///< ascending

} // namespace cortex::engine
