// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QObject>

#include <functional>
#include <mutex>
#include <vector>

namespace cortex::neuron {

/// The one way back to the daemon's main thread for every other thread (engines, workers). Tasks run in order of
/// arrival on the thread that made the queue; many posts cost one wake of the event loop. Posting is thread-safe and
/// cheap. Must outlive everything that posts; the queue drops what it has not run.
class MainThreadQueue : public QObject {
    Q_OBJECT
public:
    using Task = std::function<void()>;
    void post(Task task);
    /// Drops what is queued, unrun; for the end of a program, while what the tasks hold can still be let go.
    void clear();

private Q_SLOTS:
    void drain();

private:
    std::mutex m_mutex; // guards m_tasks; also what makes a task's captures visible to this thread
    std::vector<Task> m_tasks;
};

} // namespace cortex::neuron
