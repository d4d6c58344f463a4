// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/blockformat.h"

#include <bit>
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
    for (int i = 0; i < 4; ++i) {
        // Eight copies of the byte, of which each keeps the bit of its place; adding 127 carries that into the top bit.
        const uint64_t bits = source[i] * 0x0101010101010101u & 0x8040201008040201u;
        uint64_t eight;
        std::memcpy(&eight, codes + 8 * i, sizeof eight);
        eight |= ((bits + 0x7f7f7f7f7f7f7f7fu) & 0x8080808080808080u) >> 3;
        std::memcpy(codes + 8 * i, &eight, sizeof eight);
    }
}

/// Bits from … from + width − 1 of `count` bytes are further bits of as many elements, from bit `at` on.
void addBits(const uint8_t* source, int from, int width, uint8_t* codes, int count, int at)
{
    const int mask = (1 << width) - 1;
    for (int i = 0; i < count; ++i)
        codes[i] = uint8_t(codes[i] | (source[i] >> from & mask) << at);
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
    for (int part = 0; part < 8; ++part)
        addBits(high, part, 1, block.codes + 32 * part, 32, 4);
}

void readQ6K(const uint8_t* source, RowBlock& block)
{
    const uint8_t* high = source + 128;
    for (int half = 0; half < 2; ++half) {
        readNibbles(source + 64 * half, block.codes + 128 * half, 64);
        for (int part = 0; part < 4; ++part)
            addBits(high + 32 * half, 2 * part, 2, block.codes + 128 * half + 32 * part, 32, 4);
    }
    std::memcpy(block.scales, source + 192, 16);
    block.scale = read16(source + 208);
}

/// Codes of two bits, 64 bytes: of every 128 elements, bits 2k and 2k + 1 of byte i belong to element 32k + i.
void readPairs(const uint8_t* source, uint8_t* codes)
{
    for (int part = 0; part < 8; ++part)
        for (int i = 0; i < 32; ++i)
            codes[32 * part + i] = source[part / 4 * 32 + i] >> (part % 4 * 2) & 3;
}

void readQ2K(const uint8_t* source, RowBlock& block)
{
    for (int i = 0; i < 16; ++i) {
        block.scales[i] = source[i] & 15;
        block.minimums[i] = source[i] >> 4;
    }
    readPairs(source + 16, block.codes);
    block.scale = read16(source + 80);
    block.minimum = read16(source + 82);
}

/// Bit k of byte i of the mask at the front is the third bit of element 32k + i. The sixteen scales have their low four
/// bits in the nibbles of eight bytes and their high two in the four bytes after those.
void readQ3K(const uint8_t* source, RowBlock& block)
{
    readPairs(source + 32, block.codes);
    for (int part = 0; part < 8; ++part)
        addBits(source, part, 1, block.codes + 32 * part, 32, 2);
    const uint8_t* low = source + 96;
    const uint8_t* high = source + 104;
    for (int i = 0; i < 16; ++i) {
        const int scale = (low[i % 8] >> (i / 8 * 4) & 15) | (high[i % 4] >> (i / 4 * 2) & 3) << 4;
        block.scales[i] = uint8_t(scale - 32);
    }
    block.scale = read16(source + 108);
}

void readIQ4XS(const uint8_t* source, RowBlock& block)
{
    block.scale = read16(source);
    const int high = read16(source + 2);
    for (int i = 0; i < 8; ++i) {
        const int scale = (source[4 + i / 2] >> (i % 2 * 4) & 15) | (high >> (2 * i) & 3) << 4;
        block.scales[i] = uint8_t(scale - 32);
        readNibbles(source + 8 + 16 * i, block.codes + 32 * i, 16);
    }
}

// The same, backwards.

void write16(uint8_t* destination, uint16_t value)
{
    destination[0] = uint8_t(value);
    destination[1] = uint8_t(value >> 8);
}

void writeNibbles(uint8_t* destination, const uint8_t* codes, int count)
{
    for (int i = 0; i < count; ++i)
        destination[i] = uint8_t((codes[i] & 15) | codes[count + i] << 4);
}

void writeFifthBits(uint8_t* destination, const uint8_t* codes)
{
    std::memset(destination, 0, 4);
    for (int i = 0; i < 32; ++i)
        destination[i / 8] = uint8_t(destination[i / 8] | codes[i] >> 4 << (i % 8));
}

void writeSixBitScales(uint8_t* destination, const RowBlock& block)
{
    for (int i = 0; i < 4; ++i) {
        destination[i] = uint8_t(block.scales[i] | block.scales[i + 4] >> 4 << 6);
        destination[i + 4] = uint8_t(block.minimums[i] | block.minimums[i + 4] >> 4 << 6);
        destination[i + 8] = uint8_t((block.scales[i + 4] & 15) | block.minimums[i + 4] << 4);
    }
}

/// Q4_K, and but for the high bits Q5_K, whose codes begin at `codes`.
void writeAffineK(uint8_t* destination, uint8_t* codes, const RowBlock& block)
{
    write16(destination, block.scale);
    write16(destination + 2, block.minimum);
    writeSixBitScales(destination + 4, block);
    for (int chunk = 0; chunk < 4; ++chunk)
        writeNibbles(codes + 32 * chunk, block.codes + 64 * chunk, 32);
}

/// Bit k of byte i of a mask is bit `bit` of element 32k + i.
void writeMask(uint8_t* destination, const uint8_t* codes, int bit)
{
    std::memset(destination, 0, 32);
    for (int i = 0; i < 256; ++i)
        destination[i % 32] = uint8_t(destination[i % 32] | (codes[i] >> bit & 1) << (i / 32));
}

void writeQ6K(uint8_t* destination, const RowBlock& block)
{
    uint8_t* high = destination + 128;
    std::memset(high, 0, 64);
    for (int half = 0; half < 2; ++half) {
        writeNibbles(destination + 64 * half, block.codes + 128 * half, 64);
        for (int i = 0; i < 128; ++i) {
            uint8_t& byte = high[32 * half + i % 32];
            byte = uint8_t(byte | block.codes[128 * half + i] >> 4 << (i / 32 * 2));
        }
    }
    std::memcpy(destination + 192, block.scales, 16);
    write16(destination + 208, block.scale);
}

void writePairs(uint8_t* destination, const uint8_t* codes)
{
    std::memset(destination, 0, 64);
    for (int i = 0; i < 256; ++i) {
        uint8_t& byte = destination[i / 128 * 32 + i % 32];
        byte = uint8_t(byte | (codes[i] & 3) << (i % 128 / 32 * 2));
    }
}

void writeQ2K(uint8_t* destination, const RowBlock& block)
{
    for (int i = 0; i < 16; ++i)
        destination[i] = uint8_t(block.scales[i] | block.minimums[i] << 4);
    writePairs(destination + 16, block.codes);
    write16(destination + 80, block.scale);
    write16(destination + 82, block.minimum);
}

void writeQ3K(uint8_t* destination, const RowBlock& block)
{
    writeMask(destination, block.codes, 2);
    writePairs(destination + 32, block.codes);
    uint8_t* low = destination + 96;
    uint8_t* high = destination + 104;
    std::memset(low, 0, 12);
    for (int i = 0; i < 16; ++i) {
        const int scale = int8_t(block.scales[i]) + 32;
        low[i % 8] = uint8_t(low[i % 8] | (scale & 15) << (i / 8 * 4));
        high[i % 4] = uint8_t(high[i % 4] | scale >> 4 << (i / 4 * 2));
    }
    write16(destination + 108, block.scale);
}

void writeIQ4XS(uint8_t* destination, const RowBlock& block)
{
    int high = 0;
    std::memset(destination + 4, 0, 4);
    for (int i = 0; i < 8; ++i) {
        const int scale = int8_t(block.scales[i]) + 32;
        uint8_t& low = destination[4 + i / 2];
        low = uint8_t(low | (scale & 15) << (i % 2 * 4));
        high |= scale >> 4 << (2 * i);
        writeNibbles(destination + 8 + 16 * i, block.codes + 32 * i, 16);
    }
    write16(destination, block.scale);
    write16(destination + 2, uint16_t(high));
}

} // namespace

float halfPower2(uint8_t exponent)
{
    return std::bit_cast<float>(exponent < 2 ? uint32_t(0x00200000) << exponent : uint32_t(exponent - 1) << 23);
}

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
    case Type::Q2_K:
        readQ2K(source, block);
        break;
    case Type::Q3_K:
        readQ3K(source, block);
        break;
    case Type::IQ4_NL:
        block.scale = read16(source);
        readNibbles(source + 2, block.codes, 16);
        break;
    case Type::IQ4_XS:
        readIQ4XS(source, block);
        break;
    case Type::MXFP4:
        block.scales[0] = source[0];
        readNibbles(source + 1, block.codes, 16);
        break;
    default:
        assert(false && "readBlock is for block formats");
    }
    return block;
}

void writeBlock(Type type, const RowBlock& block, uint8_t* destination)
{
    switch (type) {
    case Type::Q4_0:
    case Type::IQ4_NL:
        write16(destination, block.scale);
        writeNibbles(destination + 2, block.codes, 16);
        break;
    case Type::Q4_1:
        write16(destination, block.scale);
        write16(destination + 2, block.minimum);
        writeNibbles(destination + 4, block.codes, 16);
        break;
    case Type::Q5_0:
        write16(destination, block.scale);
        writeFifthBits(destination + 2, block.codes);
        writeNibbles(destination + 6, block.codes, 16);
        break;
    case Type::Q5_1:
        write16(destination, block.scale);
        write16(destination + 2, block.minimum);
        writeFifthBits(destination + 4, block.codes);
        writeNibbles(destination + 8, block.codes, 16);
        break;
    case Type::Q8_0:
        write16(destination, block.scale);
        std::memcpy(destination + 2, block.codes, 32);
        break;
    case Type::Q4_K:
        writeAffineK(destination, destination + 16, block);
        break;
    case Type::Q5_K:
        writeAffineK(destination, destination + 48, block);
        writeMask(destination + 16, block.codes, 4);
        break;
    case Type::Q6_K:
        writeQ6K(destination, block);
        break;
    case Type::Q2_K:
        writeQ2K(destination, block);
        break;
    case Type::Q3_K:
        writeQ3K(destination, block);
        break;
    case Type::IQ4_XS:
        writeIQ4XS(destination, block);
        break;
    case Type::MXFP4:
        destination[0] = block.scales[0];
        writeNibbles(destination + 1, block.codes, 16);
        break;
    default:
        assert(false && "writeBlock is for block formats");
    }
}

void expandBlock(Type type, const RowBlock& block, float* destination)
{
    const float scale = type == Type::MXFP4 ? 0 : halfToFloat(block.scale);
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
    case Type::Q2_K: {
        const float minimum = halfToFloat(block.minimum);
        for (int i = 0; i < 256; ++i)
            destination[i] =
                scale * float(block.scales[i / 16]) * float(block.codes[i]) - minimum * float(block.minimums[i / 16]);
        break;
    }
    case Type::Q3_K:
        for (int i = 0; i < 256; ++i)
            destination[i] = scale * float(int8_t(block.scales[i / 16])) * float(block.codes[i] - 4);
        break;
    case Type::IQ4_NL:
        for (int i = 0; i < 32; ++i)
            destination[i] = scale * float(iq4Values[block.codes[i]]);
        break;
    case Type::IQ4_XS:
        for (int i = 0; i < 256; ++i)
            destination[i] = scale * float(int8_t(block.scales[i / 32])) * float(iq4Values[block.codes[i]]);
        break;
    case Type::MXFP4: {
        const float power = halfPower2(block.scales[0]);
        for (int i = 0; i < 32; ++i)
            destination[i] = power * float(fp4Values[block.codes[i]]);
        break;
    }
    default:
        assert(false && "expandBlock is for block formats");
    }
}

} // namespace cortex::kernels
