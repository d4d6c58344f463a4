// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/cli/interrupt.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <system_error>

#include <sys/eventfd.h>
#include <unistd.h>

namespace cortex::engine::cli {

namespace {

int g_descriptor = -1;
std::atomic<bool> g_requested = false;
static_assert(std::atomic<bool>::is_always_lock_free); // the handler may use nothing else

void onSignal(int)
{
    const int saved = errno;
    g_requested = true;
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written =
        ::write(g_descriptor, &one, sizeof one); // cannot fail: the counter is far from full
    errno = saved;
}

} // namespace

void Interrupt::install()
{
    g_descriptor = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (g_descriptor < 0)
        throw std::system_error(errno, std::generic_category(), "eventfd");
    struct sigaction action { };
    action.sa_handler = onSignal;
    action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND); // a second signal finds the default again
    for (int signal : {SIGINT, SIGTERM})
        ::sigaction(signal, &action, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
}

bool Interrupt::requested()
{
    return g_requested;
}

int Interrupt::descriptor()
{
    return g_descriptor;
}

} // namespace cortex::engine::cli
