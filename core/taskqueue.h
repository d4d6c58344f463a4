// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QObject>

#include <functional>
#include <mutex>
#include <vector>

class QSocketNotifier;

namespace cortex {

/// Work handed from any thread to the thread that this lives on. Tasks run in the order of their arrival; many posts
/// cost one wake of the event loop. Posting is thread-safe. Must outlive everything that posts; what has not run is
/// dropped.
///
/// Why not queued signals or invokeMethod with a lambda: what they carry across is guarded by locks inside Qt that the
/// thread sanitizer cannot see, so that every such call is reported as a race. This mutex it sees, and the event loop
/// is woken by a file descriptor for the same reason.
class TaskQueue : public QObject {
    Q_OBJECT
public:
    using Task = std::function<void()>;
    TaskQueue();
    ~TaskQueue() override;
    void post(Task task);
    void clear(); ///< drops what is queued, unrun

private:
    void drain();

    int m_wake; // an eventfd: readable while tasks wait
    QSocketNotifier* m_notifier; // a child, so that it moves to another thread with us
    std::mutex m_mutex; // guards m_tasks, and makes what tasks hold visible to the thread that runs them
    std::vector<Task> m_tasks;
};

} // namespace cortex
