// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/program/unixsignals.h"

#include <QSocketNotifier>

#include <cstdint>

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace cortex::neuron {

namespace {

int signalDescriptor = -1; // set before the handlers are, and what they write to: all that a handler may safely do

void handle(int)
{
    const uint64_t one = 1;
    [[maybe_unused]] const auto written = write(signalDescriptor, &one, sizeof one);
}

void install(void (*handler)(int))
{
    struct sigaction action = {};
    action.sa_handler = handler;
    sigaction(SIGTERM, &action, nullptr);
    sigaction(SIGINT, &action, nullptr);
}

} // namespace

UnixSignals::UnixSignals()
{
    signalDescriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    auto* notifier = new QSocketNotifier(signalDescriptor, QSocketNotifier::Read, this);
    connect(notifier, &QSocketNotifier::activated, this, [this, notifier] {
        notifier->setEnabled(false);
        install(SIG_DFL);
        Q_EMIT terminate();
    });
    install(handle);
}

UnixSignals::~UnixSignals()
{
    install(SIG_DFL);
    close(signalDescriptor);
}

} // namespace cortex::neuron
