// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/schedule/ratemeter.h"
#include "neuron/engine/schedule/scheduler.h"

#include <condition_variable>
#include <functional>
#include <future>
#include <mutex>
#include <thread>

namespace cortex::engine {

/// Computes steps: what a worker sees of model and device. Made, used and destroyed on the worker's thread.
class StepRunner {
public:
    virtual ~StepRunner() = default;
    virtual int vocabularySize() const = 0;
    /// Logits [plan.outputRows, vocabularySize], valid until the next call; the caller may overwrite them. Throws
    /// std::exception when the device failed, for good.
    virtual std::span<float> run(const kernels::BatchPlan& plan) = 0;
};

/// What a worker works with.
struct WorkerSetup {
    std::unique_ptr<StepRunner> runner;
    SchedulerLimits limits;
    int maxQueued = 0;
    size_t blockBytes = 0; ///< cache bytes of one block, for the figures
    std::shared_ptr<const Tokenizer> tokenizer; ///< null: sequences have no text
};

/// The thread that owns a device, and its loop: take what came in, plan a step, run it, hand out the tokens. Sleeps
/// while there is nothing to do. All public calls are thread-safe. When the runner throws, every sequence fails with
/// its message, and so does every later one.
class Worker {
public:
    /// Starts the thread, runs `setUp` on it, and waits. Throws what `setUp` throws.
    explicit Worker(const std::function<WorkerSetup()>& setUp);
    /// Cancels what is live, destroys the runner on the thread, and waits for the thread.
    ~Worker();

    /// As Engine's.
    SequenceId submit(SequenceRequest request, std::shared_ptr<SequenceSink> sink);
    void cancel(SequenceId id);
    EngineStats stats() const;

    /// Runs `task` on the thread between two steps and waits for it. Throws what it throws.
    void call(const std::function<void()>& task);

private:
    /// What callers left for the thread.
    struct Inbox {
        std::vector<std::unique_ptr<Sequence>> sequences;
        std::vector<SequenceId> cancels;
        std::vector<std::packaged_task<void()>> tasks;
        bool quit = false;
        bool empty() const { return sequences.empty() && cancels.empty() && tasks.empty() && !quit; }
    };

    void run(const std::function<WorkerSetup()>& setUp, std::promise<void>& ready);
    void loop(Scheduler& scheduler);
    bool takeIn(Scheduler& scheduler);
    void step(Scheduler& scheduler);
    void fail(Scheduler& scheduler, const std::string& cause);
    void publish(const Scheduler& scheduler);
    void check(const SequenceRequest& request) const;

    WorkerSetup m_setup; ///< constant once the constructor has returned; the runner is the thread's alone
    int m_vocabulary = 0;

    mutable std::mutex m_mutex; // guards what follows
    std::condition_variable m_wake;
    Inbox m_inbox;
    SequenceId m_lastId = 0;
    int m_live = 0; ///< submitted and not finished
    std::string m_fault; ///< why the device cannot be used any more; empty while it can
    EngineStats m_stats; ///< as of the last step; rates are kept by the meters
    mutable RateMeter m_prefillRate;
    mutable RateMeter m_decodeRate;

    std::thread m_thread;
};

} // namespace cortex::engine
