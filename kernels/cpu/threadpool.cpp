// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/cpu/threadpool.h"

#include <cassert>
#include <chrono>
#include <stdexcept>
#include <string>
#include <system_error>

namespace cortex::kernels {

namespace {

using Clock = std::chrono::steady_clock;

/// Longer than the gaps between the operations of a step, shorter than anybody would notice on a shared machine.
constexpr auto spinTime = std::chrono::microseconds(60);

void relax()
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/// Spins until ready() or for spinTime; returns the last ready(). The clock is read seldom: it costs more than a look.
template <class Ready>
bool spinUntil(Ready ready)
{
    Clock::time_point end{};
    for (;;) {
        for (int look = 0; look < 64; ++look) {
            if (ready())
                return true;
            relax();
        }
        const Clock::time_point now = Clock::now();
        if (end == Clock::time_point{})
            end = now + spinTime;
        else if (now >= end)
            return ready();
    }
}

constexpr uint64_t chunksOf(uint64_t ticket)
{
    return ticket & 0xffff;
}

constexpr uint64_t nextOf(uint64_t ticket)
{
    return ticket >> 16 & 0xffff;
}

constexpr bool isOpen(uint64_t ticket)
{
    return nextOf(ticket) < chunksOf(ticket);
}

} // namespace

ThreadPool::ThreadPool(int workers)
    : m_ranges(size_t(workers))
{
    assert(workers >= 1);
    m_threads.reserve(size_t(workers - 1));
    try {
        for (int worker = 1; worker < workers; ++worker)
            m_threads.emplace_back([this, worker] { work(worker); });
    } catch (const std::system_error& error) {
        const int started = size();
        stop();
        throw std::runtime_error("only " + std::to_string(started) + " of " + std::to_string(workers)
                                 + " threads can be had (" + error.code().message() + "); ask for fewer");
    }
}

ThreadPool::~ThreadPool()
{
    stop();
}

void ThreadPool::stop()
{
    m_stop.store(true);
    m_wakeups.fetch_add(1);
    m_wakeups.notify_all();
    for (std::thread& thread : m_threads)
        thread.join();
}

void ThreadPool::runJob(int chunks, Invoke invoke, void* context)
{
    assert(chunks <= maxChunks);
    m_invoke.store(invoke, std::memory_order_relaxed);
    m_context.store(context, std::memory_order_relaxed);
    m_remaining.store(chunks, std::memory_order_relaxed);
    const uint64_t job = (m_ticket.load(std::memory_order_relaxed) >> 32) + 1;
    m_ticket.store(job << 32 | uint64_t(chunks)); // sequentially consistent: before the look at m_sleepers
    if (m_sleepers.load() > 0) {
        m_wakeups.fetch_add(1);
        m_wakeups.notify_all();
    }

    while (claimAndRun(0)) { }

    const auto done = [this] { return m_remaining.load(std::memory_order_acquire) == 0; };
    if (spinUntil(done))
        return;
    m_callerSleeps.store(true);
    for (int32_t remaining = m_remaining.load(); remaining != 0; remaining = m_remaining.load())
        m_remaining.wait(remaining);
    m_callerSleeps.store(false);
}

bool ThreadPool::claimAndRun(int worker)
{
    uint64_t ticket = m_ticket.load(std::memory_order_acquire);
    Invoke invoke;
    void* context;
    do {
        if (!isOpen(ticket))
            return false;
        invoke = m_invoke.load(std::memory_order_relaxed);
        context = m_context.load(std::memory_order_relaxed);
    } while (!m_ticket.compare_exchange_weak(ticket, ticket + 0x10000, std::memory_order_acq_rel,
                                             std::memory_order_acquire));
    invoke(context, int(nextOf(ticket)), worker);
    if (m_remaining.fetch_sub(1) == 1 && m_callerSleeps.load())
        m_remaining.notify_one();
    return true;
}

void ThreadPool::work(int worker)
{
    for (;;) {
        while (claimAndRun(worker)) { }
        waitForJob();
        if (m_stop.load())
            return;
    }
}

void ThreadPool::waitForJob()
{
    const auto ready = [this] { return isOpen(m_ticket.load(std::memory_order_acquire)) || m_stop.load(); };
    if (spinUntil(ready))
        return;
    // Announce, read the wake-up count, look once more, sleep: runJob publishes first and looks for sleepers second, so
    // one of the two sees the other.
    m_sleepers.fetch_add(1);
    const int32_t wakeups = m_wakeups.load();
    if (!isOpen(m_ticket.load()) && !m_stop.load())
        m_wakeups.wait(wakeups);
    m_sleepers.fetch_sub(1);
}

} // namespace cortex::kernels
