// SPDX-License-Identifier: GPL-3.0-only
// kernels-bench [threads] [path]: how far the CPU kernels are from what the machine can do.
//
// Prints the ceilings (memory read bandwidth, int8 dot products), then for every path and weight type a matrix-vector
// product of a weight beyond the caches in GB/s of weight, products of it with 16 rows, and of one within them with 512
// rows, in GOP/s; then the operations of a SmolLM2-135M step, with random weights, in tokens/s.
#include "benchoptions.h"
#include "kernels/cpu/cpudevice.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <random>

using namespace cortex::kernels;

namespace {

using Clock = std::chrono::steady_clock;

/// Seconds of the fastest of several calls, within about a fifth of a second.
double fastest(const std::function<void()>& call)
{
    call();
    double best = 1e9, total = 0;
    for (int round = 0; round < 3 || total < 0.2; ++round) {
        const Clock::time_point start = Clock::now();
        call();
        const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
        best = std::min(best, seconds);
        total += seconds;
    }
    return best;
}

void printCeilings(int threads)
{
    std::printf("%d threads\nreading memory       %6.1f GB/s (one thread %.1f)\n", threads,
                measureReadBandwidth(threads) / 1e9, measureReadBandwidth(1) / 1e9);
    if (const double peak = measureDotPeak(threads); peak > 0)
        std::printf("int8 dot products    %6.0f GOP/s\n", peak / 1e9);
    ThreadPool pool(threads);
    const double seconds = fastest([&] {
        // Every chunk waits for all others, so that each thread has to take one: the caller could do empty ones alone.
        for (int i = 0; i < 1000; ++i) {
            std::atomic<int> arrived{0};
            pool.run(threads, [&](int, int) {
                arrived.fetch_add(1);
                while (arrived.load() < threads) { }
            });
        }
    });
    std::printf("fork and join        %6.0f ns\n", seconds * 1e6);
}

/// A weight of random bits, with scales near 0.01 so that nothing overflows.
struct RandomWeight {
    std::vector<uint8_t> bytes;
    WeightSource source;

    RandomWeight(Type type, int64_t rows, int64_t columns)
        : bytes(size_t(rows) * rowBytes(type, columns))
        , source{type, rows, columns, bytes.data(), nullptr}
    {
        static std::mt19937 random(1);
        const TypeTraits& t = traits(type);
        for (uint8_t& byte : bytes)
            byte = t.isQuantized() ? uint8_t(random()) : 0x3c;
        for (size_t at = 0; t.isQuantized() && at < bytes.size(); at += size_t(t.blockBytes)) {
            if (type == Type::MXFP4) {
                bytes[at] = 121;
                continue;
            }
            const size_t scale = at
                + (type == Type::Q6_K       ? 208
                       : type == Type::Q3_K ? 108
                       : type == Type::Q2_K ? 80
                                            : 0);
            bytes[scale + 1] = 0x0c;
            if (type == Type::Q4_1 || type == Type::Q5_1 || type == Type::Q4_K || type == Type::Q5_K
                || type == Type::Q2_K)
                bytes[scale + 3] = 0x8c;
        }
    }
};

struct Matrix {
    std::unique_ptr<Buffer> buffer;
    Tensor tensor;

    Matrix(Device& device, std::initializer_list<int64_t> shape)
    {
        int64_t elements = 1;
        for (int64_t extent : shape)
            elements *= extent;
        buffer = device.allocate(size_t(elements) * 4);
        tensor = Tensor::view(*buffer, Type::F32, shape);
        std::vector<float> values(static_cast<size_t>(elements));
        for (size_t i = 0; i < values.size(); ++i)
            values[i] = std::sin(float(i));
        device.upload(tensor, values.data());
    }
};

double timeLinear(Device& device, const Weight& weight, int64_t rows)
{
    const Matrix x(device, {rows, weight.columns()}), out(device, {rows, weight.rows()});
    const LinearOutput output{&weight, out.tensor};
    return fastest([&] { device.linear({x.tensor}, {&output, 1}); });
}

void printProducts(int threads, const std::string& path)
{
    const auto device = createCpuDevice(threads, path);
    device->reserveWorkspace({.rows = 512, .columns = 2048, .heads = 1, .headDim = 64, .contextTokens = 0});
    std::printf("\n%-12s          1 row        16 rows       512 rows, 2048 columns\n", path.c_str());
    for (Type type :
         {Type::F32, Type::F16, Type::BF16, Type::Q4_0, Type::Q4_1, Type::Q5_0, Type::Q5_1, Type::Q8_0, Type::Q4_K,
          Type::Q5_K, Type::Q6_K, Type::Q2_K, Type::Q3_K, Type::IQ4_NL, Type::IQ4_XS, Type::MXFP4}) {
        const int64_t rows = int64_t(64) << 20;
        const RandomWeight large(type, rows / int64_t(rowBytes(type, 2048)), 2048), small(type, 1024, 2048);
        const WeightPtr vectorWeight = device->loadWeight(large.source, WeightUse::Product);
        const WeightPtr matrixWeight = device->loadWeight(small.source, WeightUse::Product);
        const double vector = timeLinear(*device, *vectorWeight, 1), few = timeLinear(*device, *vectorWeight, 16);
        const double matrix = timeLinear(*device, *matrixWeight, 512);
        std::printf("  %-6s %15.1f GB/s %7.0f GOP/s %7.0f GOP/s\n", std::string(traits(type).name).c_str(),
                    double(vectorWeight->residentBytes()) / vector / 1e9,
                    2.0 * double(large.source.rows) * 2048 * 16 / few / 1e9, 2.0 * 1024 * 2048 * 512 / matrix / 1e9);
    }
}

/// SmolLM2-135M's shape and types (Q4_1, its embedding Q8_0), as a model graph runs it.
class Model {
public:
    explicit Model(Device& device)
        : m_device(device)
        , m_batch(device.createBatch({.rows = maxRows, .sequences = 1, .blocksPerSequence = maxTokens / blockTokens}))
        , m_pool(device.createKvPool({layers, maxTokens / blockTokens, blockTokens, 3, 64, Type::F16}))
        , m_x(device, {maxRows, 576})
        , m_q(device, {maxRows, 9, 64})
        , m_k(device, {maxRows, 3, 64})
        , m_v(device, {maxRows, 3, 64})
        , m_attended(device, {maxRows, 576})
        , m_gated(device, {maxRows, 1536})
        , m_last(device, {1, 576})
        , m_logits(device, {1, 49152})
    {
        device.reserveWorkspace(
            {.rows = maxRows, .columns = 1536, .heads = 9, .headDim = 64, .contextTokens = maxTokens});
        m_embedding = load(Type::Q8_0, 49152, 576, WeightUse::Both);
        m_norm = load(Type::F32, 1, 576, WeightUse::Vector);
        m_frequencies = load(Type::F32, 1, 32, WeightUse::Vector);
        for (int layer = 0; layer < layers; ++layer)
            for (auto [rows, columns] :
                 {std::pair{576, 576}, {192, 576}, {192, 576}, {576, 576}, {1536, 576}, {1536, 576}, {576, 1536}})
                m_weights.push_back(load(Type::Q4_1, rows, columns, WeightUse::Product));
        for (int block = 0; block < maxTokens / blockTokens; ++block)
            m_table.push_back(block);
    }

    void step(int position, int rows)
    {
        const std::vector<int32_t> tokens(size_t(rows), 5), outputs{rows - 1};
        const BatchSequence sequence{0, 0, rows, position};
        m_batch->set({tokens, {&sequence, 1}, m_table, outputs});
        const Tensor x = m_x.tensor.first(rows), q = m_q.tensor.first(rows), k = m_k.tensor.first(rows);
        const Tensor v = m_v.tensor.first(rows), attended = m_attended.tensor.first(rows);
        const Tensor gated = m_gated.tensor.first(rows);
        const auto flat = [](const Tensor& heads) {
            return Tensor::view(*heads.buffer, Type::F32, {heads.shape[0], heads.shape[1] * heads.shape[2]});
        };
        m_device.embed(x, *m_embedding, *m_batch);
        for (int layer = 0; layer < layers; ++layer) {
            const WeightPtr* w = m_weights.data() + layer * 7;
            const LinearOutput qkv[] = {{w[0].get(), flat(q)}, {w[1].get(), flat(k)}, {w[2].get(), flat(v)}};
            m_device.linear({x, m_norm.get(), 1e-5f}, qkv);
            m_device.prepareHeads(q, k, v, {.rope = {m_frequencies.get()}}, *m_pool, layer, *m_batch);
            m_device.attention(Tensor::view(*attended.buffer, Type::F32, {rows, 9, 64}), q, *m_pool, layer, {0.125f, 0},
                               *m_batch);
            const LinearOutput projected{w[3].get(), x, nullptr, true}, lowered{w[6].get(), x, nullptr, true};
            m_device.linear({attended}, {&projected, 1});
            m_device.gatedLinear({x, m_norm.get(), 1e-5f}, *w[4], *w[5], Activation::Silu, gated);
            m_device.linear({gated}, {&lowered, 1});
        }
        m_device.gatherOutputs(m_last.tensor, x, *m_batch);
        const LinearOutput logits{m_embedding.get(), m_logits.tensor};
        m_device.linear({m_last.tensor, m_norm.get(), 1e-5f}, {&logits, 1});
    }

private:
    static constexpr int layers = 30, maxRows = 512, maxTokens = 2048, blockTokens = 32;

    WeightPtr load(Type type, int64_t rows, int64_t columns, WeightUse use)
    {
        return m_device.loadWeight(RandomWeight(type, rows, columns).source, use);
    }

    Device& m_device;
    std::unique_ptr<Batch> m_batch;
    std::unique_ptr<KvPool> m_pool;
    Matrix m_x, m_q, m_k, m_v, m_attended, m_gated, m_last, m_logits;
    WeightPtr m_embedding, m_norm, m_frequencies;
    std::vector<WeightPtr> m_weights;
    std::vector<int32_t> m_table;
};

void printModel(int threads, const std::string& path)
{
    const auto device = createCpuDevice(threads, path);
    Model model(*device);
    const double prompt = fastest([&] { model.step(0, 512); });
    int position = 0;
    const double token = fastest([&] {
        for (position = 0; position < 32; ++position)
            model.step(position, 1);
    });
    const double late = fastest([&] { model.step(1500, 1); });
    std::printf("%-12s %8.0f prompt tok/s %6.0f tok/s generating (%.0f after 1500 tokens)\n", path.c_str(),
                512 / prompt, 32 / token, 1 / late);
}

} // namespace

int main(int argc, char** argv)
{
    const BenchOptions options(argc, argv, "How far the CPU kernels are from what the machine can do, path by path");
    printCeilings(options.threads);
    for (const std::string& path : cpuInstructionPaths())
        if (options.path.empty() || path == options.path)
            printProducts(options.threads, path);
    std::printf("\nSmolLM2-135M Q4_1, a prompt of 512 tokens, then one at a time\n");
    for (const std::string& path : cpuInstructionPaths())
        if (options.path.empty() || path == options.path)
            printModel(options.threads, path);
}
