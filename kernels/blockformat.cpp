// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/blockformat.h"

#include <cassert>
#include <cstring>

namespace cortex::kernels {

namespace {

uint16_t read16(const uint8_t* source)
{
    return uint16_t(source[0] | source[1] << 8);
}

/// Low nibbles are elements 0 … count − 1, high nibbles the `count` after them.
void readNibbles(const uint8_t* source, uint8_t* codes, int count)
{
    for (int i = 0; i < count; ++i) {
        codes[i] = source[i] & 15;
        codes[count + i] = source[i] >> 4;
    }
}

/// Bit i of the 32 is the fifth bit of element i.
void addFifthBits(const uint8_t* source, uint8_t* codes)
{
    for (int i = 0; i < 32; ++i)
        codes[i] = uint8_t(codes[i] | (source[i / 8] >> (i % 8) & 1) << 4);
}

/// Eight six-bit scales and minimums in twelve bytes: the upper four take two bits each from the lower four's bytes.
void readSixBitScales(const uint8_t* source, RowBlock& block)
{
    for (int i = 0; i < 4; ++i) {
        block.scales[i] = source[i] & 63;
        block.minimums[i] = source[i + 4] & 63;
        block.scales[i + 4] = uint8_t((source[i + 8] & 15) | (source[i] >> 6) << 4);
        block.minimums[i + 4] = uint8_t((source[i + 8] >> 4) | (source[i + 4] >> 6) << 4);
    }
}

void readQ4K(const uint8_t* source, RowBlock& block)
{
    block.scale = read16(source);
    block.minimum = read16(source + 2);
    readSixBitScales(source + 4, block);
    for (int chunk = 0; chunk < 4; ++chunk)
        readNibbles(source + 16 + 32 * chunk, block.codes + 64 * chunk, 32);
}

void readQ5K(const uint8_t* source, RowBlock& block)
{
    block.scale = read16(source);
    block.minimum = read16(source + 2);
    readSixBitScales(source + 4, block);
    const uint8_t* high = source + 16;
    for (int chunk = 0; chunk < 4; ++chunk)
        readNibbles(source + 48 + 32 * chunk, block.codes + 64 * chunk, 32);
    for (int i = 0; i < 256; ++i)
        block.codes[i] = uint8_t(block.codes[i] | (high[i % 32] >> (i / 32) & 1) << 4);
}

void readQ6K(const uint8_t* source, RowBlock& block)
{
    const uint8_t* high = source + 128;
    for (int half = 0; half < 2; ++half) {
        readNibbles(source + 64 * half, block.codes + 128 * half, 64);
        for (int i = 0; i < 128; ++i) {
            uint8_t& code = block.codes[128 * half + i];
            code = uint8_t(code | (high[32 * half + i % 32] >> (i / 32 * 2) & 3) << 4);
        }
    }
    std::memcpy(block.scales, source + 192, 16);
    block.scale = read16(source + 208);
}

} // namespace

RowBlock readBlock(Type type, const uint8_t* source)
{
    RowBlock block;
    switch (type) {
    case Type::Q4_0:
        block.scale = read16(source);
        readNibbles(source + 2, block.codes, 16);
        break;
    case Type::Q4_1:
        block.scale = read16(source);
        block.minimum = read16(source + 2);
        readNibbles(source + 4, block.codes, 16);
        break;
    case Type::Q5_0:
        block.scale = read16(source);
        readNibbles(source + 6, block.codes, 16);
        addFifthBits(source + 2, block.codes);
        break;
    case Type::Q5_1:
        block.scale = read16(source);
        block.minimum = read16(source + 2);
        readNibbles(source + 8, block.codes, 16);
        addFifthBits(source + 4, block.codes);
        break;
    case Type::Q8_0:
        block.scale = read16(source);
        std::memcpy(block.codes, source + 2, 32);
        break;
    case Type::Q4_K:
        readQ4K(source, block);
        break;
    case Type::Q5_K:
        readQ5K(source, block);
        break;
    case Type::Q6_K:
        readQ6K(source, block);
        break;
    default:
        assert(false && "readBlock is for block formats");
    }
    return block;
}

void expandBlock(Type type, const RowBlock& block, float* destination)
{
    const float scale = halfToFloat(block.scale);
    const auto expandSymmetric = [&](int zero) {
        for (int i = 0; i < 32; ++i)
            destination[i] = scale * float(block.codes[i] - zero);
    };
    switch (type) {
    case Type::Q4_0:
        expandSymmetric(8);
        break;
    case Type::Q5_0:
        expandSymmetric(16);
        break;
    case Type::Q4_1:
    case Type::Q5_1: {
        const float minimum = halfToFloat(block.minimum);
        for (int i = 0; i < 32; ++i)
            destination[i] = scale * float(block.codes[i]) + minimum;
        break;
    }
    case Type::Q8_0:
        for (int i = 0; i < 32; ++i)
            destination[i] = scale * float(int8_t(block.codes[i]));
        break;
    case Type::Q4_K:
    case Type::Q5_K: {
        const float minimum = halfToFloat(block.minimum);
        for (int i = 0; i < 256; ++i)
            destination[i] =
                scale * float(block.scales[i / 32]) * float(block.codes[i]) - minimum * float(block.minimums[i / 32]);
        break;
    }
    case Type::Q6_K:
        for (int i = 0; i < 256; ++i)
            destination[i] = scale * float(int8_t(block.scales[i / 16])) * float(block.codes[i] - 32);
        break;
    default:
        assert(false && "expandBlock is for block formats");
    }
}

} // namespace cortex::kernels
