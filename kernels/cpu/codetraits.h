// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/types.h"

namespace cortex::kernels {

/// How the packed codes of a block type become numbers; see packing.h.
struct CodeTraits {
    int bits; ///< of a code
    int zeroShift; ///< codes stand for code − 2^zeroShift; −1: no zero point
    bool minimums; ///< value = scale · code + minimum
    bool superBlocks; ///< scales are bytes times a float16 per 256 columns
    bool halfScales; ///< a scale per sixteen columns
    int quantBytes; ///< per row and block of 32 columns, in the tile
    int scaleBytes; ///< per row and (super-)block, in the tile
    int tableBits = 0; ///< codes are looked up in a table of numbers of this many bits; 0: they are the numbers
    bool exponents = false; ///< the scale is a power of two, stored as its exponent

    /// Bits of the numbers that are multiplied.
    constexpr int productBits() const { return tableBits > 0 ? tableBits : bits; }
};

constexpr CodeTraits codeTraits(Type type)
{
    switch (type) {
    case Type::Q4_0:
        return {4, 3, false, false, false, 16, 2};
    case Type::Q4_1:
        return {4, -1, true, false, false, 16, 4};
    case Type::Q5_0:
        return {5, 4, false, false, false, 20, 2};
    case Type::Q5_1:
        return {5, -1, true, false, false, 20, 4};
    case Type::Q8_0:
        return {8, -1, false, false, false, 32, 2};
    case Type::Q4_K:
        return {4, -1, true, true, false, 16, 20};
    case Type::Q5_K:
        return {5, -1, true, true, false, 20, 20};
    case Type::Q6_K:
        return {6, 5, false, true, true, 24, 18};
    case Type::Q2_K:
        return {2, -1, true, true, true, 8, 20};
    case Type::Q3_K:
        return {3, 2, false, true, true, 12, 18};
    case Type::IQ4_NL:
        return {4, -1, false, false, false, 16, 2, 8};
    case Type::IQ4_XS:
        return {4, -1, false, true, false, 16, 10, 8};
    case Type::MXFP4: // its table holds value + 16
        return {4, 4, false, false, false, 16, 1, 5, true};
    default:
        return {};
    }
}

} // namespace cortex::kernels
