// SPDX-License-Identifier: GPL-3.0-only
// mixers-bench [threads] [path]: Gated DeltaNet and mixtures of experts against what the machine can do.
//
// Prints the ceilings (float32 multiply-adds, memory read bandwidth), then for the layers of two models the time of
// Device::gatedDelta for prompts, for one sequence generating and for sixteen, each with its share of the ceiling, and
// for comparison the chunked delta rule as matrix products; then a mixture layer.
#include "benchoptions.h"
#include "chunkeddelta.h"
#include "kernels/cpu/cpudevice.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

using namespace cortex::kernels;

namespace {

using Clock = std::chrono::steady_clock;

/// Seconds of the fastest of several calls.
double fastest(const std::function<void()>& call)
{
    call();
    double best = 1e9, total = 0;
    for (int round = 0; round < 3 || total < 0.15; ++round) {
        const Clock::time_point start = Clock::now();
        call();
        const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
        best = std::min(best, seconds);
        total += seconds;
    }
    return best;
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) double multiplyAdds(int64_t rounds)
{
    __m512 sums[8] = {};
    const __m512 a = _mm512_set1_ps(0.5f);
    for (int64_t round = 0; round < rounds; ++round)
        for (__m512& sum : sums) {
            sum = _mm512_fmadd_ps(sum, a, a);
            __asm__ volatile("" : "+v"(sum));
        }
    return double(rounds) * 8 * 16;
}
#endif

/// Float32 multiply-adds per second of one thread, or 0 where that is not known.
double printCeilings(int threads)
{
    double rate = 0;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) {
        double count = 0;
        const double seconds = fastest([&] { count = multiplyAdds(2000000); });
        rate = count / seconds;
        std::printf("float32 multiply-adds %6.1f G/s, one thread\n", rate / 1e9);
    }
#endif
    for (int count = 1; count <= threads; count += std::max(1, threads - 1))
        std::printf("reading memory        %6.1f GB/s, %d threads\n", measureReadBandwidth(count) / 1e9, count);
    return rate;
}

struct Matrix {
    std::unique_ptr<Buffer> buffer;
    Tensor tensor;
    std::vector<float> values;

    Matrix(Device& device, int64_t rows, int64_t columns, float low = -1, float high = 1)
        : buffer(device.allocate(size_t(rows * columns) * 4))
        , tensor(Tensor::view(*buffer, Type::F32, {rows, columns}))
        , values(size_t(rows * columns))
    {
        static std::mt19937 random(1);
        for (float& value : values)
            value = low + (high - low) * float(random() >> 8) * 0x1p-24f;
        device.upload(tensor, values.data());
    }
};

/// The mixer of one Gated DeltaNet layer with random inputs.
class Layer {
public:
    Layer(Device& device, int keyHeads, int valueHeads, int sequences, int rows)
        : m_device(device)
        , m_layout{.layers = 1,
                   .slots = sequences,
                   .keyHeads = keyHeads,
                   .valueHeads = valueHeads,
                   .keyDim = 128,
                   .valueDim = 128,
                   .kernelWidth = 4}
        , m_mixed(device, rows, m_layout.channels())
        , m_gate(device, rows, m_layout.valueChannels())
        , m_beta(device, rows, valueHeads)
        , m_decay(device, rows, valueHeads, -6, 0)
        , m_out(device, rows, m_layout.valueChannels())
        , m_convolution(load(m_layout.channels() * 4, -1, 1))
        , m_rate(load(valueHeads, -4, -0.1f))
        , m_bias(load(valueHeads, -3, 0))
        , m_norm(load(128, 0.5f, 2))
        , m_pool(device.createStatePool(m_layout))
        , m_batch(device.createBatch({.rows = rows, .sequences = sequences, .blocksPerSequence = 1}))
    {
        device.reserveWorkspace(
            {.rows = 32, .columns = 32, .heads = 1, .headDim = 64, .contextTokens = 0, .state = m_layout});
    }

    const StateLayout& layout() const { return m_layout; }

    /// `rows` of each sequence in these slots from `position` on.
    void step(int firstSlot, int sequences, int rows, int position)
    {
        std::vector<BatchSequence> plan;
        for (int s = 0; s < sequences; ++s)
            plan.push_back({firstSlot + s, s * rows, rows, position});
        const std::vector<int32_t> tokens(size_t(sequences) * size_t(rows)), table(size_t(m_layout.slots));
        m_batch->set({tokens, plan, table, {}});
        const auto first = [&](const Matrix& m) {
            return Tensor::view(*m.buffer, Type::F32, {int64_t(tokens.size()), m.tensor.columns()});
        };
        m_device.gatedDelta(first(m_out), {first(m_mixed), first(m_gate), first(m_beta), first(m_decay)},
                            {m_convolution.get(), m_rate.get(), m_bias.get(), m_norm.get(), 1e-6f}, *m_pool, 0,
                            *m_batch);
    }

private:
    WeightPtr load(int64_t count, float low, float high)
    {
        const Matrix values(m_device, 1, count, low, high);
        return m_device.loadWeight({Type::F32, 1, count, values.values.data(), nullptr}, WeightUse::Vector);
    }

    Device& m_device;
    StateLayout m_layout;
    Matrix m_mixed, m_gate, m_beta, m_decay, m_out;
    WeightPtr m_convolution, m_rate, m_bias, m_norm;
    std::unique_ptr<StatePool> m_pool;
    std::unique_ptr<Batch> m_batch;
};

void printDelta(int threads, const std::string& path, double rate, const char* model, int keyHeads, int valueHeads)
{
    std::printf("\n%s: %d key heads, %d value heads of 128 × 128, %s, %d threads\n", model, keyHeads, valueHeads,
                path.c_str(), threads);
    const double elements = double(valueHeads) * 128 * 128;
    constexpr int stepRows = 512;
    for (int rows : {512, 8192}) {
        const auto device = createCpuDevice(threads, path);
        Layer layer(*device, keyHeads, valueHeads, 1, stepRows);
        const double seconds = fastest([&] {
            for (int position = 0; position < rows; position += stepRows)
                layer.step(0, 1, stepRows, position);
        });
        std::printf("  prompt of %-5d  %8.2f ms  %6.2f µs/token", rows, seconds * 1e3, seconds * 1e6 / rows);
        if (rate > 0)
            std::printf("  %4.0f %% of the floor of 3 multiply-adds per element",
                        300 * elements * rows / seconds / rate / threads);
        std::printf("\n");
    }
    // More slots than a cache holds, each used once in a round.
    constexpr int slots = 96;
    const auto device = createCpuDevice(threads, path);
    Layer layer(*device, keyHeads, valueHeads, slots, slots);
    layer.step(0, slots, 1, 0);
    for (int sequences : {1, 16}) {
        const double seconds = fastest([&] {
            for (int slot = 0; slot < slots; slot += sequences)
                layer.step(slot, sequences, 1, 7);
        });
        std::printf("  generating, %2d sequences a step  %6.2f µs/sequence  %5.1f GB/s read and written\n", sequences,
                    seconds / slots * 1e6, 8 * elements * slots / seconds / 1e9);
    }
}

/// A mixture layer of Q4_K experts with random codes; every row goes to eight experts of its own.
void printMixture(int threads, const std::string& path)
{
    constexpr int64_t hidden = 2048, inner = 512, maxRows = 512;
    constexpr int experts = 64, perRow = 8;
    const auto device = createCpuDevice(threads, path);
    device->reserveWorkspace({.rows = maxRows,
                              .columns = hidden,
                              .heads = 1,
                              .headDim = 64,
                              .contextTokens = 0,
                              .experts = experts,
                              .expertsPerRow = perRow});
    std::mt19937 random(1);
    std::vector<uint8_t> bytes(size_t(inner) * rowBytes(Type::Q4_K, hidden));
    for (uint8_t& byte : bytes)
        byte = uint8_t(random());
    for (size_t at = 0; at < bytes.size(); at += size_t(traits(Type::Q4_K).blockBytes)) {
        bytes[at + 1] = 0x0c;
        bytes[at + 3] = 0x8c;
    }
    std::vector<WeightPtr> gate, up, down;
    for (int e = 0; e < experts; ++e) {
        gate.push_back(device->loadWeight({Type::Q4_K, inner, hidden, bytes.data(), nullptr}, WeightUse::Product));
        up.push_back(device->loadWeight({Type::Q4_K, inner, hidden, bytes.data(), nullptr}, WeightUse::Product));
        down.push_back(device->loadWeight({Type::Q4_K, hidden, inner, bytes.data(), nullptr}, WeightUse::Product));
    }
    const Matrix x(*device, maxRows, hidden), intermediate(*device, maxRows * perRow, inner);
    const Matrix out(*device, maxRows, hidden), shares(*device, maxRows, perRow, 0, 0.2f);
    const auto chosen = device->allocate(size_t(maxRows * perRow) * 4);
    std::printf("\n%d experts of %d × %d, Q4_K, %d a row, %s, %d threads\n", experts, int(hidden), int(inner), perRow,
                path.c_str(), threads);
    for (int64_t rows : {int64_t(1), int64_t(16), maxRows}) {
        const auto first = [rows](const Matrix& m) {
            return Tensor::view(*m.buffer, Type::F32, {rows, m.tensor.columns()});
        };
        const ExpertChoice choice{Tensor::view(*chosen, Type::I32, {rows, perRow}), first(shares)};
        int round = 0;
        const double seconds = fastest([&] {
            std::vector<int32_t> numbers;
            for (int64_t i = 0; i < rows * perRow; ++i)
                numbers.push_back(int32_t((i * 7 + round * 8) % experts));
            ++round;
            device->upload(choice.experts, numbers.data());
            device->expertFeedForward({first(x)}, {gate, up, down}, choice, Activation::Silu, intermediate.tensor,
                                      first(out));
        });
        const int64_t touched = std::min<int64_t>(experts, rows * perRow);
        std::printf("  %3d rows  %8.1f µs  %5.1f GB/s of weight  %6.0f GOP/s\n", int(rows), seconds * 1e6,
                    double(touched) * 3 * double(gate[0]->residentBytes()) / seconds / 1e9,
                    double(rows * perRow) * 6 * double(hidden * inner) / seconds / 1e9);
    }
}

#if defined(__x86_64__)
/// One value head of a prompt by either form of the delta rule, convolutions and norms left aside.
void printChunked(double rate)
{
    constexpr int64_t tokens = 512;
    const auto device = createCpuDevice(1);
    const Matrix q(*device, tokens, 128, -0.1f, 0.1f), k(*device, tokens, 128, -0.1f, 0.1f), v(*device, tokens, 128);
    const Matrix g(*device, 1, tokens, -0.1f, 0), beta(*device, 1, tokens, 0, 1);
    std::vector<float> state(128 * 128), outs(tokens * 128);
    const double seconds = fastest([&] {
        bench::runChunkedDelta({tokens, q.values.data(), k.values.data(), v.values.data(), g.values.data(),
                                beta.values.data(), state.data(), outs.data()});
    });
    const DeltaStep step{0.5f, 1, 1, 1, 0.1f};
    const std::vector<DeltaStep> steps(64, step);
    const CpuPath& path = *findCpuPath("avx512");
    const double recurrent = fastest([&] {
        for (int64_t first = 0; first < tokens; first += 64)
            path.delta({state.data(), 128, 128, 64, q.values.data() + first * 128, k.values.data() + first * 128, 128,
                        v.values.data() + first * 128, outs.data() + first * 128, 128, steps.data()});
    });
    std::printf("\none value head, one thread, 512 tokens: chunked %.3f ms, recurrent %.3f ms (floor %.3f ms)\n",
                seconds * 1e3, recurrent * 1e3, rate > 0 ? 3.0 * 128 * 128 * tokens / rate * 1e3 : 0);
}

#endif

} // namespace

int main(int argc, char** argv)
{
    const BenchOptions options(argc, argv, "Gated DeltaNet and mixtures of experts against what the machine can do");
    const std::string path = options.path.empty() ? cpuInstructionPaths().front() : options.path;
    const double rate = printCeilings(options.threads);
    printDelta(options.threads, path, rate, "Qwen3.5-0.8B", 16, 16);
    printDelta(options.threads, path, rate, "Qwen3.5-27B", 16, 48);
    printMixture(options.threads, path);
#if defined(__x86_64__)
    if (findCpuPath("avx512"))
        printChunked(rate);
#endif
}
