// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QObject>

#include <functional>
#include <mutex>
#include <vector>

namespace cortex {

/// Work handed from any thread to the thread that this lives on. Tasks run in the order of their arrival; many posts cost
/// one wake of the event loop. Posting is thread-safe. Must outlive everything that posts; what has not run is dropped.
///
/// Why not queued signals or invokeMethod with a lambda: what they carry across is guarded by locks inside Qt that the
/// thread sanitizer cannot see, so that every such call is reported as a race. This mutex it sees.
class TaskQueue : public QObject {
    Q_OBJECT
public:
    using Task = std::function<void()>;
    void post(Task task);
    void clear(); ///< drops what is queued, unrun

private Q_SLOTS:
    void drain();

private:
    std::mutex m_mutex; // guards m_tasks, and makes what tasks hold visible to the thread that runs them
    std::vector<Task> m_tasks;
};

} // namespace cortex
