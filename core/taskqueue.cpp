// SPDX-License-Identifier: GPL-3.0-only
#include "core/taskqueue.h"

namespace cortex {

void TaskQueue::post(Task task)
{
    bool wasEmpty = false;
    {
        const std::lock_guard lock(m_mutex);
        wasEmpty = m_tasks.empty();
        m_tasks.push_back(std::move(task));
    }
    if (wasEmpty)
        QMetaObject::invokeMethod(this, "drain", Qt::QueuedConnection);
}

void TaskQueue::clear()
{
    std::vector<Task> dropped; // dies after the lock: what a task holds may post on its way out
    const std::lock_guard lock(m_mutex);
    dropped.swap(m_tasks);
}

void TaskQueue::drain()
{
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
