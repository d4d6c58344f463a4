// SPDX-License-Identifier: GPL-3.0-only
#include "fixtures.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace cortex::kernels;
using namespace cortex::kernels::test;

namespace {

constexpr WorkspaceLimits limits{.rows = 64, .columns = 1024, .heads = 1, .headDim = 64, .contextTokens = 0};

/// A batch of one sequence at position 0.
std::unique_ptr<Batch> batchOf(Device& device, const std::vector<int32_t>& tokens, const std::vector<int32_t>& outputs)
{
    auto batch = device.createBatch({.rows = 64, .sequences = 1, .blocksPerSequence = 1});
    const BatchSequence sequence{0, 0, int(tokens.size()), 0};
    const int32_t block = 0;
    batch->set({tokens, {&sequence, 1}, {&block, 1}, outputs});
    return batch;
}

} // namespace

TEST_CASE("embed looks rows up, wherever the table lies")
{
    Random random(1);
    const std::vector<int32_t> tokens{3, 0, 36, 3, 17};
    for (const auto& device : allDevices(limits)) {
        INFO(describe(*device));
        const auto batch = batchOf(*device, tokens, {4});
        for (Type type : productTypes) {
            const FileWeight file(type, 37, 512, random);
            for (WeightUse use : {WeightUse::Embedding, WeightUse::Both}) {
                const WeightPtr table = device->loadWeight(file.source(), use);
                for (float scale : {1.0f, 4.5f}) {
                    const DeviceTensor out(*device, {5, 512});
                    device->embed(out.tensor(), *table, *batch, scale);
                    const std::vector<float> values = out.values();
                    bool same = true;
                    for (size_t i = 0; i < values.size(); ++i)
                        same = same && values[i] == scale * file.values[size_t(tokens[i / 512]) * 512 + i % 512];
                    CHECK(same);
                }
            }
        }
    }
}

TEST_CASE("rmsNorm normalises rows of any length, in place too")
{
    Random random(2);
    for (int64_t columns : {1, 7, 64, 576, 1001}) {
        const int64_t rows = 13;
        const std::vector<float> x = random.floats(size_t(rows * columns), -4, 4);
        const FileWeight weight(random.floats(size_t(columns), 0.1f, 3));
        std::vector<double> expected(x.size());
        for (int64_t row = 0; row < rows; ++row) {
            double sum = 0;
            for (int64_t c = 0; c < columns; ++c)
                sum += double(x[size_t(row * columns + c)]) * double(x[size_t(row * columns + c)]);
            for (int64_t c = 0; c < columns; ++c)
                expected[size_t(row * columns + c)] = double(x[size_t(row * columns + c)])
                    / std::sqrt(sum / double(columns) + 1e-6) * double(weight.values[size_t(c)]);
        }
        for (const auto& device : allDevices(limits)) {
            INFO(describe(*device));
            const WeightPtr w = device->loadWeight(weight.source(), WeightUse::Vector);
            const DeviceTensor input(*device, {rows, columns}, x), out(*device, {rows, columns});
            device->rmsNorm(out.tensor(), input.tensor(), *w, 1e-6f);
            CHECK(relativeError(out.values(), expected) < 1e-6);
            device->rmsNorm(input.tensor(), input.tensor(), *w, 1e-6f);
            CHECK(input.values() == out.values());
        }
    }
}

TEST_CASE("add adds, gatherOutputs picks rows")
{
    Random random(3);
    const std::vector<float> x = random.floats(size_t(33 * 77)), y = random.floats(size_t(33 * 77));
    for (const auto& device : allDevices(limits)) {
        INFO(describe(*device));
        const DeviceTensor a(*device, {33, 77}, x), b(*device, {33, 77}, y), out(*device, {2, 77});
        device->add(a.tensor(), b.tensor());
        const std::vector<float> sum = a.values();
        bool same = true;
        for (size_t i = 0; i < sum.size(); ++i)
            same = same && sum[i] == x[i] + y[i];
        CHECK(same);
        const auto batch = batchOf(*device, std::vector<int32_t>(33), {5, 32});
        CHECK(batch->rows() == 33);
        CHECK(batch->outputs() == 2);
        device->gatherOutputs(out.tensor(), a.tensor(), *batch);
        const std::vector<float> picked = out.values();
        CHECK(std::equal(picked.begin(), picked.begin() + 77, sum.begin() + 5 * 77));
        CHECK(std::equal(picked.begin() + 77, picked.end(), sum.begin() + 32 * 77));
    }
}

TEST_CASE("devices say what they are")
{
    const auto device = createCpuDevice(2);
    CHECK(device->info().kind == "cpu");
    CHECK(device->info().threads == 2);
    CHECK(device->info().instructions == cpuInstructionPaths().front());
    CHECK_FALSE(device->info().name.empty());
    CHECK(device->info().totalBytes > 0);
    CHECK(device->freeBytes() > 0);
    CHECK(cpuInstructionPaths().back() == "portable");
    CHECK_THROWS_AS(createCpuDevice(1, "avx1024"), std::invalid_argument);
    CHECK(createCpuDevice()->info().threads >= 1);
    CHECK(measureReadBandwidth(2, size_t(8) << 20) > 1e8);
}

TEST_CASE("gateSigmoid gates elements or whole rows")
{
    Random random(8);
    for (int64_t columns : {1, 6, 64, 1001}) {
        for (int64_t gates : {columns, int64_t(1)}) {
            const int64_t rows = 9;
            const std::vector<float> x = random.floats(size_t(rows * columns), -4, 4);
            std::vector<float> gate = random.floats(size_t(rows * gates), -12, 12);
            gate[0] = 200;
            gate[gate.size() - 1] = -200;
            std::vector<double> expected;
            for (int64_t i = 0; i < rows * columns; ++i) {
                const int64_t g = gates == 1 ? i / columns : i;
                expected.push_back(double(x[size_t(i)]) / (1 + std::exp(-double(gate[size_t(g)]))));
            }
            for (const auto& device : allDevices(limits)) {
                INFO(describe(*device));
                const DeviceTensor values(*device, {rows, columns}, x), g(*device, {rows, gates}, gate);
                device->gateSigmoid(values.tensor(), g.tensor());
                CHECK(relativeError(values.values(), expected) < 1e-6);
            }
        }
    }
}
