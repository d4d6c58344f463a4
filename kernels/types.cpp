// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/types.h"

#include "kernels/blockformat.h"

#include <array>
#include <bit>
#include <cassert>
#include <cstring>

namespace cortex::kernels {

namespace {

constexpr std::array<TypeTraits, 18> allTraits{{
    {"f32", 1, 4},
    {"f16", 1, 2},
    {"bf16", 1, 2},
    {"i32", 1, 4},
    {"q4_0", 32, 18},
    {"q4_1", 32, 20},
    {"q5_0", 32, 22},
    {"q5_1", 32, 24},
    {"q8_0", 32, 34},
    {"q4_k", 256, 144},
    {"q5_k", 256, 176},
    {"q6_k", 256, 210},
    {"q2_k", 256, 84},
    {"q3_k", 256, 110},
    {"iq4_nl", 32, 18},
    {"iq4_xs", 256, 136},
    {"mxfp4", 32, 17},
    {"f8_e4m3", 1, 1},
}};

char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c;
}

template <class Convert>
void convertEach(const void* source, float* destination, int64_t count, Convert convert)
{
    const auto* bytes = static_cast<const uint8_t*>(source);
    for (int64_t i = 0; i < count; ++i) {
        uint16_t bits;
        std::memcpy(&bits, bytes + 2 * i, 2);
        destination[i] = convert(bits);
    }
}

} // namespace

const TypeTraits& traits(Type type)
{
    return allTraits[size_t(type)];
}

std::optional<Type> typeFromName(std::string_view name)
{
    for (size_t index = 0; index < allTraits.size(); ++index) {
        const std::string_view candidate = allTraits[index].name;
        bool same = candidate.size() == name.size();
        for (size_t i = 0; same && i < name.size(); ++i)
            same = lower(name[i]) == candidate[i];
        if (same)
            return Type(index);
    }
    return std::nullopt;
}

size_t rowBytes(Type type, int64_t columns)
{
    const TypeTraits& t = traits(type);
    assert(columns >= 0 && columns % t.blockElements == 0);
    return size_t(columns / t.blockElements) * size_t(t.blockBytes);
}

void dequantize(Type type, const void* source, float* destination, int64_t count)
{
    switch (type) {
    case Type::F32:
        std::memcpy(destination, source, size_t(count) * 4);
        return;
    case Type::F16:
        convertEach(source, destination, count, halfToFloat);
        return;
    case Type::BF16:
        convertEach(source, destination, count, bfloatToFloat);
        return;
    case Type::F8_E4M3:
        for (int64_t i = 0; i < count; ++i)
            destination[i] = e4m3ToFloat(static_cast<const uint8_t*>(source)[i]);
        return;
    case Type::I32:
        for (int64_t i = 0; i < count; ++i) {
            int32_t value;
            std::memcpy(&value, static_cast<const uint8_t*>(source) + 4 * i, 4);
            destination[i] = float(value);
        }
        return;
    default:
        break;
    }
    const TypeTraits& t = traits(type);
    assert(count % t.blockElements == 0);
    const auto* block = static_cast<const uint8_t*>(source);
    for (int64_t i = 0; i < count; i += t.blockElements, block += t.blockBytes)
        expandBlock(type, readBlock(type, block), destination + i);
}

float e4m3ToFloat(uint8_t bits)
{
    const uint32_t sign = uint32_t(bits & 0x80u) << 24;
    const uint32_t magnitude = bits & 0x7fu;
    if (magnitude == 0x7f)
        return std::bit_cast<float>(sign | 0x7fc00000u);
    if (magnitude < 8)
        return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(float(magnitude) * 0x1p-9f));
    return std::bit_cast<float>(sign | ((magnitude << 20) + (uint32_t(127 - 7) << 23)));
}

float halfToFloat(uint16_t bits)
{
    const uint32_t sign = uint32_t(bits & 0x8000u) << 16;
    const uint32_t exponent = bits >> 10 & 31;
    const uint32_t mantissa = bits & 1023;
    if (exponent == 0) {
        const float magnitude = float(mantissa) * 0x1p-24f;
        return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
    }
    const uint32_t wide = exponent == 31 ? 255 : exponent + 112;
    return std::bit_cast<float>(sign | wide << 23 | mantissa << 13);
}

uint16_t floatToHalf(float value)
{
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    const uint16_t sign = uint16_t(bits >> 16 & 0x8000u);
    const uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) // NaN: quiet, keeping the upper mantissa
        return uint16_t(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
    if (magnitude >= 0x477ff000u) // rounds to 65536 or more
        return uint16_t(sign | 0x7c00u);
    if (magnitude < 0x38800000u) { // below 2^-14: a subnormal; adding 0.5 leaves its bits, rounded, in the mantissa
        const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
        return uint16_t(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000u));
    }
    const uint32_t odd = magnitude >> 13 & 1;
    return uint16_t(sign | (magnitude - 0x38000000u + 0xfffu + odd) >> 13);
}

float bfloatToFloat(uint16_t bits)
{
    return std::bit_cast<float>(uint32_t(bits) << 16);
}

uint16_t floatToBfloat(float value)
{
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return uint16_t(bits >> 16 | 0x40u);
    return uint16_t((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

} // namespace cortex::kernels
