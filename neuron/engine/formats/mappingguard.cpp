// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/formats/mappingguard.h"

#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <mutex>

#include <sys/mman.h>
#include <unistd.h>

namespace cortex::engine {

namespace {

/// What the signal handler reads, which may interrupt any thread anywhere: numbers only, and no lock.
struct Guarded {
    std::atomic<uintptr_t> begin{0}; ///< 0: this place is free
    std::atomic<uintptr_t> end{0};
    std::atomic<bool> whole{true};
};

constexpr size_t MaxGuards = 4096;
std::array<Guarded, MaxGuards> g_guarded;
std::mutex g_placing; ///< held by whoever takes a place; the handler never waits for it
struct sigaction g_before;
const auto g_pageSize = uintptr_t(sysconf(_SC_PAGESIZE));

/// Zeros in place of everything from the page of `address` to the mapping's end: one fault, not one for every page.
bool patch(Guarded& guarded, uintptr_t address)
{
    const uintptr_t begin = guarded.begin.load();
    const uintptr_t end = guarded.end.load();
    if (begin == 0 || address < begin || address >= end)
        return false;
    const uintptr_t page = address / g_pageSize * g_pageSize;
    void* zeros = ::mmap(reinterpret_cast<void*>(page), end - page, PROT_READ,
                         MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (zeros == MAP_FAILED)
        return false;
    guarded.whole.store(false);
    return true;
}

void onBusError(int signal, siginfo_t* info, void* context)
{
    const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
    for (Guarded& guarded : g_guarded) {
        if (info->si_code == BUS_ADRERR && patch(guarded, address))
            return;
    }
    if (g_before.sa_flags & SA_SIGINFO)
        g_before.sa_sigaction(signal, info, context);
    else
        ::sigaction(SIGBUS, &g_before, nullptr); // the instruction runs again, and meets whom it would have met
}

void installHandler()
{
    struct sigaction action { };
    action.sa_sigaction = onBusError;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    ::sigaction(SIGBUS, &action, &g_before);
}

} // namespace

MappingGuard::MappingGuard(std::span<const std::byte> mapping)
    : m_place(0)
{
    const std::lock_guard lock(g_placing);
    static std::once_flag once;
    std::call_once(once, installHandler);
    while (m_place < MaxGuards && g_guarded[m_place].begin.load() != 0)
        ++m_place;
    if (m_place == MaxGuards)
        return;
    Guarded& guarded = g_guarded[m_place];
    const auto begin = reinterpret_cast<uintptr_t>(mapping.data());
    guarded.whole.store(true);
    guarded.end.store(begin + mapping.size());
    guarded.begin.store(begin);
}

MappingGuard::~MappingGuard()
{
    if (m_place < MaxGuards)
        g_guarded[m_place].begin.store(0);
}

bool MappingGuard::isWhole() const
{
    return m_place == MaxGuards || g_guarded[m_place].whole.load(std::memory_order_relaxed);
}

} // namespace cortex::engine
