// SPDX-License-Identifier: GPL-3.0-only
#include "core/signals.h"

#include <QSocketNotifier>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace cortex {

namespace {

std::atomic<int> writeEnd{-1};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may not lock");

void onSignal(int number)
{
    const int before = errno;
    const auto byte = static_cast<char>(number);
    [[maybe_unused]] const auto written = ::write(writeEnd.load(), &byte, 1); // async-signal-safe, as little else is
    errno = before;
}

void setAction(int number, void (*handler)(int), int flags)
{
    struct sigaction action { };
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, nullptr);
}

} // namespace

TerminationSignals::TerminationSignals(QObject* parent)
    : QObject(parent)
{
    Q_ASSERT(writeEnd.load() < 0);
    if (::pipe2(m_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        qFatal("cannot make a pipe for signals: %s", qPrintable(qt_error_string(errno)));
    writeEnd = m_pipe[1];
    auto* const notifier = new QSocketNotifier(m_pipe[0], QSocketNotifier::Read, this);
    connect(notifier, &QSocketNotifier::activated, this, &TerminationSignals::read);
    // SA_RESETHAND: the same signal, coming again, meets the default action.
    setAction(SIGINT, onSignal, SA_RESTART | static_cast<int>(SA_RESETHAND));
    setAction(SIGTERM, onSignal, SA_RESTART | static_cast<int>(SA_RESETHAND));
    setAction(SIGPIPE, SIG_IGN, 0);
}

TerminationSignals::~TerminationSignals()
{
    setAction(SIGINT, SIG_DFL, 0);
    setAction(SIGTERM, SIG_DFL, 0);
    writeEnd = -1;
    ::close(m_pipe[0]);
    ::close(m_pipe[1]);
}

void TerminationSignals::read()
{
    char number = 0;
    while (::read(m_pipe[0], &number, 1) == 1) {
        if (!std::exchange(m_received, true))
            Q_EMIT received(number);
    }
}

} // namespace cortex
