// SPDX-License-Identifier: GPL-3.0-only
#include "gateway/cli/unixsignals.h"

#include <QSocketNotifier>

#include <csignal>

#include <fcntl.h>
#include <unistd.h>

namespace cortex::cli {

namespace {

int wakePipe[2] = {-1, -1};

void onSignal(int number)
{
    const char byte = char(number);
    // Nothing can be done here about a full pipe, and a full pipe wakes the loop just as well.
    [[maybe_unused]] const ssize_t written = write(wakePipe[1], &byte, 1);
}

} // namespace

UnixSignals::UnixSignals(QObject* parent)
    : QObject(parent)
{
    if (pipe2(wakePipe, O_CLOEXEC | O_NONBLOCK) != 0)
        qFatal("cortex: no pipe for signals");
    auto* notifier = new QSocketNotifier(wakePipe[0], QSocketNotifier::Read, this);
    connect(notifier, &QSocketNotifier::activated, this, [this] {
        char byte = 0;
        while (read(wakePipe[0], &byte, 1) == 1) { }
        Q_EMIT asked();
    });
    struct sigaction action = {};
    action.sa_handler = onSignal;
    action.sa_flags = SA_RESTART | int(SA_RESETHAND);
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, nullptr);
    sigaction(SIGINT, &action, nullptr);
}

} // namespace cortex::cli
