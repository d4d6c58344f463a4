// SPDX-License-Identifier: GPL-3.0-only
#include "fixtures.h"
#include "kernels/quantize.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>

using namespace cortex::kernels;
using namespace cortex::kernels::test;

namespace {

std::vector<uint8_t> quantized(Type type, const std::vector<float>& values)
{
    std::vector<uint8_t> bytes(rowBytes(type, int64_t(values.size())));
    quantize(type, values.data(), bytes.data(), int64_t(values.size()));
    return bytes;
}

std::vector<float> roundTrip(Type type, const std::vector<float>& values)
{
    const std::vector<uint8_t> bytes = quantized(type, values);
    std::vector<float> result(values.size());
    dequantize(type, bytes.data(), result.data(), int64_t(values.size()));
    return result;
}

/// Sums of twelve uniform numbers: near enough to the normal distribution of real weights.
std::vector<float> bellShaped(size_t count, uint32_t seed)
{
    Random random(seed);
    std::vector<float> values(count);
    for (float& value : values) {
        value = 0;
        for (int i = 0; i < 12; ++i)
            value += random.uniform(-0.02f, 0.02f);
    }
    return values;
}

double relativeError(const std::vector<float>& actual, const std::vector<float>& expected)
{
    return test::relativeError(actual, std::vector<double>(expected.begin(), expected.end()));
}

} // namespace

TEST_CASE("types without a search are quantized as the gguf package does, bit for bit")
{
    // Written by tests/reference/make_quantize.py.
    std::ifstream file(CORTEX_TEST_DATA "/quantize.bin", std::ios::binary);
    const std::vector<char> data{std::istreambuf_iterator<char>(file), {}};
    REQUIRE(data.size() > 2048);
    std::vector<float> values(512);
    std::memcpy(values.data(), data.data(), 2048);
    size_t at = 2048;
    for (Type type : {Type::BF16, Type::Q4_0, Type::Q4_1, Type::Q5_0, Type::Q5_1, Type::Q8_0, Type::MXFP4}) {
        INFO(traits(type).name);
        const std::vector<uint8_t> actual = quantized(type, values);
        REQUIRE(at + actual.size() <= data.size());
        CHECK(std::memcmp(actual.data(), data.data() + at, actual.size()) == 0);
        at += actual.size();
    }
    CHECK(at == data.size());
}

TEST_CASE("a block that was taken apart goes together again, bit for bit")
{
    Random random(31);
    for (Type type : quantizedTypes) {
        INFO(traits(type).name);
        for (int round = 0; round < 20; ++round) {
            std::vector<uint8_t> block(size_t(traits(type).blockBytes)), again(block.size(), 0xa5);
            for (uint8_t& byte : block)
                byte = uint8_t(random.integer(0, 255));
            writeBlock(type, readBlock(type, block.data()), again.data());
            CHECK(block == again);
        }
    }
}

TEST_CASE("quantization loses no more than its type must")
{
    // The error of bell-shaped weights is a property of the type; what ggml's own quantizers reach on such values is
    // within these bounds, too, by a hundredth or two.
    const std::pair<Type, double> bounds[] = {
        {Type::Q8_0, 0.0059},  {Type::Q6_K, 0.0184},   {Type::Q5_K, 0.0360}, {Type::Q5_1, 0.0388}, {Type::Q5_0, 0.0427},
        {Type::Q4_K, 0.0739},  {Type::Q4_1, 0.0802},   {Type::Q4_0, 0.0889}, {Type::Q3_K, 0.165},  {Type::Q2_K, 0.320},
        {Type::IQ4_NL, 0.076}, {Type::IQ4_XS, 0.0765}, {Type::MXFP4, 0.125}, {Type::F16, 0.00025}, {Type::BF16, 0.002},
    };
    const std::vector<float> values = bellShaped(1 << 16, 32);
    for (const auto& [type, bound] : bounds) {
        INFO(traits(type).name);
        const double error = relativeError(roundTrip(type, values), values);
        CHECK(error < bound);
        CHECK(error > bound / 1.25); // else the bound says nothing
    }
}

TEST_CASE("values that are already of a type hardly change when they are quantized to it again")
{
    for (Type type : quantizedTypes) {
        INFO(traits(type).name);
        const std::vector<float> once = roundTrip(type, bellShaped(4096, 33));
        const double bound = type == Type::Q2_K ? 0.25 : type == Type::Q3_K ? 0.06 : 0.045;
        CHECK(relativeError(roundTrip(type, once), once) < bound);
    }
}

TEST_CASE("odd blocks become finite values near the originals")
{
    std::vector<float> outlier(256, 0.001f), ramp(256), negative(256, -0.5f), tiny(256, 1e-38f), large(256, 3e4f);
    outlier[100] = -8;
    for (size_t i = 0; i < ramp.size(); ++i)
        ramp[i] = float(i) / 256;
    for (Type type : productTypes) {
        INFO(traits(type).name);
        for (const auto& values : {std::vector<float>(256), outlier, ramp, negative, tiny, large}) {
            const std::vector<float> back = roundTrip(type, values);
            REQUIRE(allFinite(back.data(), 256));
            float largest = 0;
            for (float value : values)
                largest = std::max(largest, std::abs(value));
            for (size_t i = 0; i < values.size(); ++i)
                CHECK(std::abs(back[i] - values[i]) <= 0.4f * largest + 1e-30f);
        }
    }
}

TEST_CASE("infinity and NaN are noticed")
{
    std::vector<float> values(300, 1.5f);
    CHECK(allFinite(values.data(), 300));
    for (float bad : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                      std::numeric_limits<float>::quiet_NaN()}) {
        values[299] = bad;
        CHECK_FALSE(allFinite(values.data(), 300));
        CHECK(allFinite(values.data(), 299));
    }
}

TEST_CASE("a weight that comes row by row is the same as one in a file of its type")
{
    Random random(34);
    const int64_t rows = 37, columns = 512;
    const std::vector<float> values = random.floats(size_t(rows * columns));
    const std::vector<float> x = random.floats(size_t(3 * columns));
    for (const auto& device :
         allDevices({.rows = 3, .columns = columns, .heads = 1, .headDim = 64, .contextTokens = 0})) {
        INFO(describe(*device));
        for (Type type : {Type::Q8_0, Type::Q4_K, Type::Q6_K, Type::BF16}) {
            INFO(traits(type).name);
            const std::vector<uint8_t> bytes = quantized(type, values);
            const WeightPtr filed = device->loadWeight({type, rows, columns, bytes.data(), nullptr}, WeightUse::Both);
            WeightSource source{type, rows, columns, nullptr, nullptr};
            source.readRow = [&](int64_t row, float* out) {
                std::copy_n(values.begin() + row * columns, columns, out);
            };
            const WeightPtr read = device->loadWeight(source, WeightUse::Both);
            CHECK(read->residentBytes() == filed->residentBytes());
            const DeviceTensor input(*device, {3, columns}, x);
            const DeviceTensor first(*device, {3, rows}), second(*device, {3, rows});
            const LinearOutput outputs[] = {{filed.get(), first.tensor()}, {read.get(), second.tensor()}};
            device->linear({input.tensor()}, outputs);
            CHECK(first.values() == second.values());
        }
    }
}
