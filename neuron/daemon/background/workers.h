// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/taskqueue.h"

#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <thread>
#include <type_traits>

namespace cortex::neuron {

/// What background work came to: a value, or the exception that it threw.
template <class T>
class Outcome {
public:
    explicit Outcome(T value)
        : m_value(std::move(value))
    {
    }
    explicit Outcome(std::exception_ptr error)
        : m_error(std::move(error))
    {
    }
    /// The value (once), or the exception again.
    T take()
    {
        if (m_error)
            std::rethrow_exception(m_error);
        return std::move(*m_value);
    }

private:
    std::optional<T> m_value;
    std::exception_ptr m_error;
};

/// A few threads for work that would hold up the event loop. First come, first served. Plain std::thread and
/// std::mutex: the thread sanitizer sees through these, and not through an uninstrumented Qt.
class Workers {
public:
    Workers(TaskQueue& mainThread, int threads);
    /// Runs what was accepted to its end, then joins.
    ~Workers();
    Workers(const Workers&) = delete;
    Workers& operator=(const Workers&) = delete;

    /// Runs `work()` on a worker, then `then(Outcome<T>&)` on the main thread. `work` owns what it captures and dies on
    /// the worker; `then` dies on the main thread.
    template <class Work, class Then>
    void run(Work work, Then then)
    {
        using Value = std::invoke_result_t<Work&>;
        submit([this, work = std::move(work), then = std::move(then)]() mutable {
            auto outcome = std::make_shared<std::optional<Outcome<Value>>>();
            try {
                outcome->emplace(work());
            } catch (...) {
                outcome->emplace(std::current_exception()); // thrown again where `then` takes the value
            }
            m_mainThread.post([outcome = std::move(outcome), then = std::move(then)]() mutable { then(**outcome); });
        });
    }

    /// A task for the main thread, from within work: progress.
    void post(TaskQueue::Task task) { m_mainThread.post(std::move(task)); }

private:
    void submit(std::function<void()> job);
    void loop();

    TaskQueue& m_mainThread;
    std::mutex m_mutex;
    std::condition_variable m_wake;
    std::deque<std::function<void()>> m_jobs;
    bool m_stopping = false;
    std::vector<std::thread> m_threads;
};

} // namespace cortex::neuron
