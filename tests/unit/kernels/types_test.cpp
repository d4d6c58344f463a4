// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/types.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <vector>

using namespace cortex::kernels;

TEST_CASE("dequantize matches the gguf package bit for bit")
{
    // Written by tests/reference/make_dequantize.py.
    std::ifstream file(CORTEX_TEST_DATA "/dequantize.bin", std::ios::binary);
    const std::vector<char> data{std::istreambuf_iterator<char>(file), {}};
    size_t at = 0;
    for (Type type : {Type::F16, Type::BF16, Type::Q4_0, Type::Q4_1, Type::Q5_0, Type::Q5_1, Type::Q8_0, Type::Q4_K,
                      Type::Q5_K, Type::Q6_K, Type::Q2_K, Type::Q3_K, Type::IQ4_NL, Type::IQ4_XS, Type::MXFP4}) {
        INFO(traits(type).name);
        std::vector<float> expected(512), actual(512);
        const size_t bytes = rowBytes(type, 512);
        REQUIRE(at + bytes + 2048 <= data.size());
        dequantize(type, data.data() + at, actual.data(), 512);
        std::memcpy(expected.data(), data.data() + at + bytes, 2048);
        CHECK(std::memcmp(actual.data(), expected.data(), 2048) == 0);
        at += bytes + 2048;
    }
    CHECK(at == data.size());
}

TEST_CASE("names lead to types in any case")
{
    CHECK(typeFromName("Q4_K") == Type::Q4_K);
    CHECK(typeFromName("bf16") == Type::BF16);
    CHECK(typeFromName("Q8_0") == Type::Q8_0);
    CHECK_FALSE(typeFromName("q4_k_m"));
    CHECK_FALSE(typeFromName(""));
    CHECK(traits(Type::Q6_K).name == "q6_k");
    CHECK(traits(Type::Q6_K).isQuantized());
    CHECK_FALSE(traits(Type::BF16).isQuantized());
    CHECK(rowBytes(Type::Q4_K, 512) == 288);
    CHECK(rowBytes(Type::F16, 3) == 6);
}

TEST_CASE("every half survives the way to float and back")
{
    for (uint32_t bits = 0; bits < 0x10000; ++bits) {
        const float value = halfToFloat(uint16_t(bits));
        if (std::isnan(value)) {
            CHECK((floatToHalf(value) & 0x7fff) > 0x7c00);
        } else if (floatToHalf(value) != bits) {
            FAIL("half " << bits);
        }
    }
}

TEST_CASE("halves round to nearest even")
{
    CHECK(floatToHalf(1 + 0x1p-11f) == 0x3c00);
    CHECK(floatToHalf(1 + 0x3p-11f) == 0x3c02);
    CHECK(floatToHalf(1 + 0x1p-11f + 0x1p-20f) == 0x3c01);
    CHECK(floatToHalf(65519.0f) == 0x7bff);
    CHECK(floatToHalf(65520.0f) == 0x7c00);
    CHECK(floatToHalf(-std::numeric_limits<float>::infinity()) == 0xfc00);
    CHECK(floatToHalf(0x1p-25f) == 0);
    CHECK(floatToHalf(0x3p-26f) == 1);
    CHECK(floatToHalf(-0.0f) == 0x8000);
}

TEST_CASE("bfloats round to nearest even")
{
    CHECK(floatToBfloat(1.0f) == 0x3f80);
    CHECK(floatToBfloat(1 + 0x1p-8f) == 0x3f80);
    CHECK(floatToBfloat(1 + 0x3p-8f) == 0x3f82);
    CHECK(std::isnan(bfloatToFloat(floatToBfloat(std::numeric_limits<float>::quiet_NaN()))));
    CHECK(bfloatToFloat(0xc040) == -3.0f);
}

TEST_CASE("FP8 codes are the values of float8_e4m3fn")
{
    const std::pair<uint8_t, float> values[] = {{0x00, 0.0f}, {0x01, 0x1p-9f}, {0x07, 7 * 0x1p-9f}, {0x08, 0x1p-6f},
                                                {0x38, 1.0f}, {0x3c, 1.5f},    {0x7e, 448.0f},      {0xb8, -1.0f}};
    for (const auto& [code, value] : values)
        CHECK(e4m3ToFloat(code) == value);
    CHECK(std::isnan(e4m3ToFloat(0x7f)));
    CHECK(std::isnan(e4m3ToFloat(0xff)));
    CHECK(std::signbit(e4m3ToFloat(0x80)));
}
