// SPDX-License-Identifier: GPL-3.0-only
#include "fixtures.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace cortex::kernels;
using namespace cortex::kernels::test;

namespace {

constexpr WorkspaceLimits limits{.rows = 64, .columns = 768, .heads = 1, .headDim = 64, .contextTokens = 0};

/// x [rows, columns] · weightᵀ in double precision.
std::vector<double> multiply(const std::vector<float>& x, int64_t rows, const FileWeight& weight)
{
    std::vector<double> out(size_t(rows * weight.rows));
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t feature = 0; feature < weight.rows; ++feature) {
            double sum = 0;
            for (int64_t column = 0; column < weight.columns; ++column)
                sum += double(x[size_t(row * weight.columns + column)])
                    * double(weight.values[size_t(feature * weight.columns + column)]);
            out[size_t(row * weight.rows + feature)] = sum;
        }
    return out;
}

/// Largest |actual − expected| as a part of Σ |x · w|: unlike the relative error it does not grow where sums cancel.
double largestError(const std::vector<float>& actual, const std::vector<float>& x, int64_t rows, FileWeight weight)
{
    const std::vector<double> expected = multiply(x, rows, weight);
    std::vector<float> magnitudes = x;
    for (float& value : magnitudes)
        value = std::abs(value);
    for (float& value : weight.values)
        value = std::abs(value);
    const std::vector<double> sizes = multiply(magnitudes, rows, weight);
    double largest = 0;
    for (size_t i = 0; i < expected.size(); ++i)
        largest = std::max(largest, std::abs(double(actual[i]) - expected[i]) / sizes[i]);
    return largest;
}

std::vector<float> linear(Device& device, const Weight& weight, const std::vector<float>& x, int64_t rows)
{
    const DeviceTensor input(device, {rows, weight.columns()}, x);
    const DeviceTensor out(device, {rows, weight.rows()});
    const LinearOutput output{&weight, out.tensor()};
    device.linear({input.tensor()}, {&output, 1});
    return out.values();
}

/// Integers that every form of activations holds without loss: in all sixteen columns of whose remainders by sixteen a
/// lane of two products is made (ActivationEights), those of one sign add up to 127 at most, and some do.
std::vector<float> integers(size_t count, Random& random)
{
    std::vector<float> x(count);
    for (size_t i = 0; i < count; i += 32) {
        for (size_t lane = i; lane < i + 16; lane += 2) {
            int left[2] = {127, 127}; // of either sign
            for (size_t column : {lane, lane + 1, lane + 16, lane + 17}) {
                const int sign = column == lane ? 0 : random.integer(0, 1);
                const int magnitude = column == lane ? 127 : random.integer(0, left[sign]);
                left[sign] -= magnitude;
                x[column] = float(sign == 0 ? magnitude : -magnitude);
            }
        }
    }
    return x;
}

/// Multiplied as bytes, with activations as ActivationEights where sums are those of pairs.
bool isWide(Type type)
{
    return type == Type::Q8_0 || type == Type::IQ4_NL || type == Type::IQ4_XS;
}

/// What rounding any activations may cost.
double roundingError(Type type)
{
    return isWide(type) ? 2.5e-3 : traits(type).isQuantized() ? 1.5e-3 : 1e-6;
}

int64_t columnsFor(Type type)
{
    return traits(type).blockElements == 256 ? 512 : 576;
}

} // namespace

TEST_CASE("linear multiplies with weights of every type")
{
    for (const auto& device : allDevices(limits)) {
        INFO(describe(*device));
        for (Type type : productTypes) {
            INFO(traits(type).name);
            Random random(7);
            for (int64_t features : {1, 16, 37}) {
                const FileWeight file(type, features, columnsFor(type), random);
                const WeightPtr weight = device->loadWeight(file.source(), WeightUse::Product);
                CHECK(weight->residentBytes() == device->weightBytes(type, features, file.columns, WeightUse::Product));
                for (int64_t rows : {1, 2, 3, 7, 8, 21}) {
                    const std::vector<float> exact = integers(size_t(rows * file.columns), random);
                    CHECK(largestError(linear(*device, *weight, exact, rows), exact, rows, file) < 1e-6);
                    const std::vector<float> any = random.floats(size_t(rows * file.columns));
                    CHECK(largestError(linear(*device, *weight, any, rows), any, rows, file) < roundingError(type));
                }
            }
        }
    }
}

TEST_CASE("the largest codes and activations overflow nowhere")
{
    constexpr int64_t rows = 9, features = 17;
    for (const auto& device : allDevices(limits)) {
        INFO(describe(*device));
        for (Type type : quantizedTypes) {
            INFO(traits(type).name);
            for (int byte : {0x00, 0x7f, 0x80, 0xff}) {
                INFO("bytes of ", byte);
                Random random(12);
                const FileWeight file(type, features, columnsFor(type), random, byte);
                const WeightPtr weight = device->loadWeight(file.source(), WeightUse::Product);
                std::vector<float> x(size_t(rows * file.columns), 127.0f);
                for (size_t i = 0; i < x.size(); ++i) // whole rows of either sign, and one that alternates
                    if (const size_t row = i / size_t(file.columns); row == 8 ? i % 2 == 1 : row % 2 == 1)
                        x[i] = -127.0f;
                // Four equal codes are rounded from 31.75, to what just fits.
                CHECK(largestError(linear(*device, *weight, x, rows), x, rows, file) < (isWide(type) ? 8e-3 : 1e-6));
            }
        }
    }
}

TEST_CASE("dense weights may have any number of columns")
{
    for (const auto& device : allDevices(limits)) {
        INFO(describe(*device));
        for (Type type : {Type::F32, Type::F16, Type::BF16}) {
            Random random(8);
            for (int64_t columns : {1, 2, 33}) {
                const FileWeight file(type, 19, columns, random);
                const WeightPtr weight = device->loadWeight(file.source(), WeightUse::Product);
                const std::vector<float> x = random.floats(size_t(5 * columns));
                CHECK(relativeError(linear(*device, *weight, x, 5), multiply(x, 5, file)) < 2e-6);
            }
        }
    }
}

TEST_CASE("linear normalises, adds biases and accumulates, weights of different types sharing the input")
{
    Random random(9);
    const int64_t rows = 11, columns = 256;
    const FileWeight first(Type::Q8_0, 48, columns, random), second(Type::F16, 21, columns, random);
    const FileWeight third(Type::Q4_K, 35, columns, random);
    const FileWeight norm(random.floats(size_t(columns), 0.5f, 2)), bias(random.floats(21));
    const std::vector<float> x = random.floats(size_t(rows * columns)), residual = random.floats(size_t(rows * 48));
    constexpr float epsilon = 1e-5f;

    std::vector<float> normalised = x;
    for (int64_t row = 0; row < rows; ++row) {
        double sum = 0;
        for (int64_t c = 0; c < columns; ++c)
            sum += double(x[size_t(row * columns + c)]) * double(x[size_t(row * columns + c)]);
        const double factor = 1 / std::sqrt(sum / double(columns) + double(epsilon));
        for (int64_t c = 0; c < columns; ++c)
            normalised[size_t(row * columns + c)] *= float(factor * double(norm.values[size_t(c)]));
    }
    std::vector<double> expectedFirst = multiply(normalised, rows, first);
    for (size_t i = 0; i < expectedFirst.size(); ++i)
        expectedFirst[i] += double(residual[i]);
    std::vector<double> expectedSecond = multiply(normalised, rows, second);
    for (size_t i = 0; i < expectedSecond.size(); ++i)
        expectedSecond[i] += double(bias.values[i % 21]);

    const std::vector<double> expectedThird = multiply(normalised, rows, third);

    for (const auto& device : allDevices(limits)) {
        INFO(describe(*device));
        const WeightPtr w1 = device->loadWeight(first.source(), WeightUse::Product);
        const WeightPtr w2 = device->loadWeight(second.source(), WeightUse::Product);
        const WeightPtr w3 = device->loadWeight(third.source(), WeightUse::Product);
        const WeightPtr n = device->loadWeight(norm.source(), WeightUse::Vector);
        const WeightPtr b = device->loadWeight(bias.source(), WeightUse::Vector);
        const DeviceTensor input(*device, {rows, columns}, x);
        const DeviceTensor out1(*device, {rows, 48}, residual), out2(*device, {rows, 21}), out3(*device, {rows, 35});
        const LinearOutput outputs[] = {
            {w1.get(), out1.tensor(), nullptr, true}, {w2.get(), out2.tensor(), b.get()}, {w3.get(), out3.tensor()}};
        device->linear({input.tensor(), n.get(), epsilon}, outputs);
        CHECK(relativeError(out1.values(), expectedFirst) < 1e-2);
        CHECK(relativeError(out2.values(), expectedSecond) < 2e-6);
        CHECK(relativeError(out3.values(), expectedThird) < 1e-2);
        CHECK(input.values() == x);
    }
}

TEST_CASE("gatedLinear activates and multiplies")
{
    Random random(10);
    const int64_t rows = 9, columns = 64, features = 40;
    const FileWeight gate(Type::F32, features, columns, random), up(Type::F16, features, columns, random);
    const std::vector<float> x = random.floats(size_t(rows * columns), -8, 8);
    const std::vector<double> g = multiply(x, rows, gate), u = multiply(x, rows, up);
    for (Activation activation : {Activation::Silu, Activation::GeluTanh}) {
        std::vector<double> expected(g.size());
        for (size_t i = 0; i < g.size(); ++i) {
            const double cubic = std::sqrt(2 / 3.14159265358979) * (g[i] + 0.044715 * g[i] * g[i] * g[i]);
            expected[i] = u[i] * g[i]
                * (activation == Activation::Silu ? 1 / (1 + std::exp(-g[i])) : 0.5 * (1 + std::tanh(cubic)));
        }
        for (const auto& device : allDevices(limits)) {
            INFO(describe(*device));
            const WeightPtr gateWeight = device->loadWeight(gate.source(), WeightUse::Product);
            const WeightPtr upWeight = device->loadWeight(up.source(), WeightUse::Product);
            const DeviceTensor input(*device, {rows, columns}, x);
            const DeviceTensor out(*device, {rows, features});
            device->gatedLinear({input.tensor()}, *gateWeight, *upWeight, activation, out.tensor());
            CHECK(relativeError(out.values(), expected) < 2e-6);
        }
    }
}

TEST_CASE("a row's products do not depend on the rows beside it, nor on the number of threads")
{
    for (const std::string& path : allPaths()) {
        INFO(path);
        const auto one = createDevice(1, path), three = createDevice(3, path);
        one->reserveWorkspace(limits);
        three->reserveWorkspace(limits);
        for (Type type : productTypes) {
            INFO(traits(type).name);
            Random random(11);
            const int64_t rows = 45;
            const FileWeight file(type, 83, columnsFor(type), random);
            const FileWeight norm(random.floats(size_t(file.columns), 0.5f, 2));
            const std::vector<float> x = random.floats(size_t(rows * file.columns), -3, 3);
            const auto run = [&](Device& device, int64_t first, int64_t count) {
                const WeightPtr weight = device.loadWeight(file.source(), WeightUse::Product);
                const WeightPtr n = device.loadWeight(norm.source(), WeightUse::Vector);
                const auto begin = x.begin() + first * file.columns;
                const DeviceTensor input(device, {count, file.columns}, {begin, begin + count * file.columns});
                const DeviceTensor out(device, {count, file.rows}), gated(device, {count, file.rows});
                const LinearOutput output{weight.get(), out.tensor()};
                device.linear({input.tensor(), n.get(), 1e-5f}, {&output, 1});
                device.gatedLinear({input.tensor()}, *weight, *weight, Activation::Silu, gated.tensor());
                std::vector<float> result = out.values();
                const std::vector<float> more = gated.values();
                result.insert(result.end(), more.begin(), more.end());
                return result;
            };
            const std::vector<float> together = run(*three, 0, rows);
            CHECK(run(*one, 0, rows) == together);
            for (int64_t count : {1, 2, 5}) {
                for (int64_t first : {0, 17, 40}) {
                    const std::vector<float> alone = run(count % 2 ? *one : *three, first, count);
                    for (int64_t part = 0; part < 2; ++part) {
                        const auto from = together.begin() + (part * rows + first) * file.rows;
                        const auto own = alone.begin() + part * count * file.rows;
                        CHECK(std::equal(own, own + count * file.rows, from));
                    }
                }
            }
        }
    }
}
