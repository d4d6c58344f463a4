// SPDX-License-Identifier: GPL-3.0-only
#include "core/taskqueue.h"

#include <QSocketNotifier>

#include <cerrno>

#include <sys/eventfd.h>
#include <unistd.h>

namespace cortex {

TaskQueue::TaskQueue()
    : m_wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))
{
    if (m_wake < 0)
        qFatal("cannot make an eventfd: %s", qPrintable(qt_error_string(errno)));
    m_notifier = new QSocketNotifier(m_wake, QSocketNotifier::Read, this);
    connect(m_notifier, &QSocketNotifier::activated, this, &TaskQueue::drain);
}

TaskQueue::~TaskQueue()
{
    delete m_notifier; // before its descriptor is gone
    ::close(m_wake);
}

void TaskQueue::post(Task task)
{
    bool wasEmpty = false;
    {
        const std::lock_guard lock(m_mutex);
        wasEmpty = m_tasks.empty();
        m_tasks.push_back(std::move(task));
    }
    if (wasEmpty)
        ::eventfd_write(m_wake, 1);
}

void TaskQueue::clear()
{
    std::vector<Task> dropped; // dies after the lock: what a task holds may post on its way out
    const std::lock_guard lock(m_mutex);
    dropped.swap(m_tasks);
}

void TaskQueue::drain()
{
    eventfd_t wakes = 0;
    ::eventfd_read(m_wake, &wakes); // before the tasks are taken: who posts later wakes again
    std::vector<Task> tasks;
    {
        const std::lock_guard lock(m_mutex);
        tasks.swap(m_tasks);
    }
    for (Task& task : tasks) {
        task();
        task = {}; // captures die in the order in which the tasks ran
    }
}

} // namespace cortex
