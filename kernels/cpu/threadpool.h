// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

namespace cortex::kernels {

/// Threads that stay, for fork-join work of microseconds. The caller of run() is worker 0; workers 1 … size − 1 spin
/// for a bounded time after the last job and then sleep. Chunks are claimed one by one, so a worker whose core is taken
/// away by another process delays a job by the one chunk that it holds, and one that never woke up not at all.
class ThreadPool {
public:
    static constexpr int maxChunks = 0xffff;

    /// Throws std::runtime_error where the system does not give that many threads.
    explicit ThreadPool(int workers);
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    int size() const { return int(m_threads.size()) + 1; }

    /// Calls function(chunk, worker) once for every chunk in 0 … chunks − 1 and returns when all have returned. Not to
    /// be called from within itself, nor by two threads at once. `function` does not throw.
    template <class Function>
    void run(int chunks, Function&& function)
    {
        using Callable = std::remove_reference_t<Function>;
        if (chunks <= 1 || m_threads.empty()) {
            for (int chunk = 0; chunk < chunks; ++chunk)
                function(chunk, 0);
            return;
        }
        const auto invoke = [](void* context, int chunk, int worker) {
            (*static_cast<Callable*>(context))(chunk, worker);
        };
        runJob(chunks, invoke, const_cast<void*>(static_cast<const void*>(std::addressof(function))));
    }

    /// Calls function(index, worker) once for every index in 0 … count − 1, `grain` or more neighbours at a time; on
    /// the caller alone where that makes but one piece. As long as nobody is held up, a worker meets the same indices
    /// every time: what it wrote for them is in its own cache.
    template <class Function>
    void forEach(int64_t count, int64_t grain, Function&& function)
    {
        const int64_t share = count / (8 * size());
        forPieces(count, grain, share > grain ? share : grain, [&](int64_t first, int64_t end, int worker) {
            for (int64_t i = first; i < end; ++i)
                function(int(i), worker);
        });
    }

    /// Calls function(first, end, worker) for neighbouring indices that together make 0 … count − 1. Each worker walks
    /// a range of its own from front to back, so that its memory is read as one stream, and then helps the others with
    /// theirs. A piece is half of what its range still has, within `smallest` and `largest`: few claims (each of which
    /// waits for all memory accesses before it, and so interrupts the stream), yet all end at nearly the same time.
    template <class Function>
    void forPieces(int64_t count, int64_t smallest, int64_t largest, Function&& function)
    {
        const int workers = size();
        if (workers == 1 || count <= smallest) {
            if (count > 0)
                function(int64_t(0), count, 0);
            return;
        }
        for (int worker = 0; worker < workers; ++worker)
            m_ranges[size_t(worker)].next.store(count * worker / workers, std::memory_order_relaxed);
        run(workers, [&](int, int worker) {
            for (int i = 0; i < workers; ++i) {
                const int owner = (worker + i) % workers;
                const int64_t end = count * (owner + 1) / workers;
                std::atomic<int64_t>& next = m_ranges[size_t(owner)].next;
                int64_t first = next.load(std::memory_order_relaxed);
                while (first < end) {
                    const int64_t half = (end - first + 1) / 2;
                    const int64_t wanted = half < smallest ? smallest : half > largest ? largest : half;
                    const int64_t pieceEnd = first + wanted < end ? first + wanted : end;
                    if (!next.compare_exchange_weak(first, pieceEnd, std::memory_order_relaxed))
                        continue;
                    function(first, pieceEnd, worker);
                    first = next.load(std::memory_order_relaxed);
                }
            }
        });
    }

private:
    /// What is left of one worker's range in forPieces.
    struct alignas(64) Range {
        std::atomic<int64_t> next{0};
    };

    using Invoke = void (*)(void* context, int chunk, int worker);

    void runJob(int chunks, Invoke invoke, void* context);
    void stop();
    void work(int worker);
    bool claimAndRun(int worker);
    void waitForJob();

    // The ticket is job number (32 bits), next chunk (16), chunks (16). A claim increments `next chunk` by compare and
    // swap; that it succeeds proves the job still open, hence m_invoke and m_context to be its own.
    alignas(64) std::atomic<uint64_t> m_ticket{0};
    std::atomic<Invoke> m_invoke{nullptr};
    std::atomic<void*> m_context{nullptr};
    alignas(64) std::atomic<int32_t> m_remaining{0}; ///< chunks of the job that have not returned
    std::atomic<bool> m_callerSleeps{false};
    alignas(64) std::atomic<int32_t> m_sleepers{0};
    std::atomic<int32_t> m_wakeups{0}; ///< what sleepers wait on
    std::atomic<bool> m_stop{false};
    std::vector<Range> m_ranges;
    std::vector<std::thread> m_threads;
};

} // namespace cortex::kernels
