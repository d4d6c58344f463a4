// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/cpu/memory.h"
#include "kernels/cpu/threadpool.h"
#include "kernels/device.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace cortex::kernels {

namespace {

/// Does so many rounds of dot products; returns their multiplications and additions.
using Chains = double (*)(int64_t rounds);

typedef uint64_t Words __attribute__((vector_size(64)));

/// Reads every byte; the sum keeps the compiler from reading none.
uint64_t sumWords(const std::byte* data, size_t bytes)
{
    Words sums[4] = {};
    for (size_t at = 0; at + sizeof sums <= bytes; at += sizeof sums) {
        Words words[4];
        std::memcpy(words, data + at, sizeof words);
        for (int i = 0; i < 4; ++i)
            sums[i] += words[i];
    }
    const Words total = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    uint64_t result = 0;
    for (int i = 0; i < 8; ++i)
        result += total[i];
    return result;
}

#if defined(__x86_64__)
/// Eight independent chains of vpdpbusd; returns their multiplications and additions.
__attribute__((target("avx512f,avx512vnni"))) double dotChains(int64_t rounds)
{
    __m512i sums[8] = {};
    const __m512i w = _mm512_set1_epi8(3), a = _mm512_set1_epi8(5);
    for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 8
        for (__m512i& sum : sums) {
            sum = _mm512_dpbusd_epi32(sum, w, a);
            __asm__ volatile("" : "+v"(sum));
        }
    }
    return double(rounds) * 8 * 64 * 2;
}

/// Likewise of vpmaddubsw, its pairs added up in sixteen bits.
__attribute__((target("avx2"))) double pairChains(int64_t rounds)
{
    __m256i sums[8] = {};
    const __m256i w = _mm256_set1_epi8(3), a = _mm256_set1_epi8(5);
    for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 8
        for (__m256i& sum : sums) {
            __m256i pairs = _mm256_maddubs_epi16(w, a);
            __asm__ volatile("" : "+x"(pairs));
            sum = _mm256_add_epi16(sum, pairs);
            __asm__ volatile("" : "+x"(sum));
        }
    }
    return double(rounds) * 8 * 32 * 2;
}

/// What this processor multiplies int8 with fastest; null where that is not known.
Chains fastestChains()
{
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vnni"))
        return dotChains;
    return __builtin_cpu_supports("avx2") ? pairChains : nullptr;
}
#else
Chains fastestChains()
{
    return nullptr;
}
#endif

} // namespace

double measureDotPeak(int threads)
{
    const auto chains = fastestChains();
    if (!chains)
        return 0;
    using Clock = std::chrono::steady_clock;
    ThreadPool pool(std::max(1, threads));
    std::vector<double> operations(size_t(pool.size()));
    double best = 0;
    for (int pass = 0; pass < 10; ++pass) {
        const Clock::time_point start = Clock::now();
        pool.run(pool.size(), [&](int chunk, int) { operations[size_t(chunk)] = chains(200000); });
        const std::chrono::duration<double> elapsed = Clock::now() - start;
        double sum = 0;
        for (double part : operations)
            sum += part;
        best = std::max(best, sum / elapsed.count());
    }
    return best;
}

double measureReadBandwidth(int threads, size_t bytes)
{
    const HostMemory memory(bytes);
    ThreadPool pool(std::max(1, threads));
    const int chunks = 16 * pool.size();
    const size_t chunkBytes = bytes / size_t(chunks) / 4096 * 4096;
    pool.run(chunks, [&](int chunk, int) { std::memset(memory.data() + size_t(chunk) * chunkBytes, 1, chunkBytes); });

    using Clock = std::chrono::steady_clock;
    double best = 0;
    std::atomic<uint64_t> kept{0};
    for (int pass = 0; pass < 4; ++pass) {
        const Clock::time_point start = Clock::now();
        pool.run(chunks, [&](int chunk, int) {
            kept.fetch_add(sumWords(memory.data() + size_t(chunk) * chunkBytes, chunkBytes), std::memory_order_relaxed);
        });
        const std::chrono::duration<double> elapsed = Clock::now() - start;
        best = std::max(best, double(chunkBytes) * chunks / elapsed.count());
    }
    return best;
}

} // namespace cortex::kernels
