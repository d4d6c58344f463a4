// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/schedule/worker.h"

#include <algorithm>

namespace cortex::engine {

Worker::Worker(const std::function<WorkerSetup()>& setUp)
{
    std::promise<void> ready;
    std::future<void> isReady = ready.get_future();
    m_thread = std::thread([this, &setUp, ready = std::move(ready)]() mutable { run(setUp, ready); });
    try {
        isReady.get();
    } catch (...) {
        m_thread.join();
        throw;
    }
}

Worker::~Worker()
{
    {
        const std::lock_guard lock(m_mutex);
        m_inbox.quit = true;
    }
    m_wake.notify_one();
    m_thread.join();
}

SequenceId Worker::submit(SequenceRequest request, std::shared_ptr<SequenceSink> sink)
{
    check(request);
    SequenceId id = 0;
    {
        const std::lock_guard lock(m_mutex);
        if (!m_fault.empty())
            throw Error(ErrorKind::Internal, m_fault);
        if (m_live >= m_setup.limits.slots + m_setup.maxQueued) {
            ++m_stats.rejectedQueueFull;
            throw Error(ErrorKind::QueueFull,
                        "the queue is full: " + std::to_string(m_setup.limits.slots) + " sequences run and "
                            + std::to_string(m_setup.maxQueued) + " wait; try again later");
        }
        id = ++m_lastId;
        ++m_live;
        // Made under the lock, so that ids enter the inbox in ascending order.
        m_inbox.sequences.push_back(std::make_unique<Sequence>(id, std::move(request), std::move(sink),
                                                               m_setup.tokenizer, m_setup.limits.contextTokens));
    }
    m_wake.notify_one();
    return id;
}

void Worker::check(const SequenceRequest& request) const
{
    if (request.prompt.empty())
        throw Error(ErrorKind::BadRequest, "the prompt is empty: at least one token is needed");
    for (int32_t token : request.prompt) {
        if (token < 0 || token >= m_vocabulary)
            throw Error(ErrorKind::BadRequest,
                        "token " + std::to_string(token) + " is not in the vocabulary of "
                            + std::to_string(m_vocabulary));
    }
    if (request.maxTokens < 0)
        throw Error(ErrorKind::BadRequest, "the number of tokens to generate is negative");
    if (!request.stop.empty() && !m_setup.tokenizer)
        throw Error(ErrorKind::BadRequest, "stop strings need a tokenizer, and this model has none");
    const int context = m_setup.limits.contextTokens;
    if (request.prompt.size() >= size_t(context)) {
        throw Error(ErrorKind::ContextExceeded,
                    "This model's maximum context length is " + std::to_string(context) + " tokens, and the prompt has "
                        + std::to_string(request.prompt.size())
                        + ", which leaves no room for an answer. Shorten the prompt.");
    }
}

void Worker::cancel(SequenceId id)
{
    {
        const std::lock_guard lock(m_mutex);
        m_inbox.cancels.push_back(id);
    }
    m_wake.notify_one();
}

void Worker::call(const std::function<void()>& task)
{
    std::packaged_task<void()> packaged(task);
    std::future<void> done = packaged.get_future();
    {
        const std::lock_guard lock(m_mutex);
        if (!m_fault.empty())
            throw Error(ErrorKind::Internal, m_fault);
        m_inbox.tasks.push_back(std::move(packaged));
    }
    m_wake.notify_one();
    done.get();
}

EngineStats Worker::stats() const
{
    const std::lock_guard lock(m_mutex);
    EngineStats stats = m_stats;
    const auto now = RateMeter::Clock::now();
    stats.queueDepth = std::max(0, m_live - m_stats.inFlight);
    stats.prefillTokensPerSecond = m_prefillRate.tokensPerSecond(now);
    stats.decodeTokensPerSecond = m_decodeRate.tokensPerSecond(now);
    return stats;
}

void Worker::run(const std::function<WorkerSetup()>& setUp, std::promise<void>& ready)
{
    try {
        m_setup = setUp();
    } catch (...) { // handed over whole to the constructor's caller
        ready.set_exception(std::current_exception());
        return;
    }
    m_vocabulary = m_setup.runner->vocabularySize();
    Scheduler scheduler(m_setup.limits);
    m_stats.maxInFlight = m_setup.limits.slots;
    m_stats.maxQueueDepth = m_setup.maxQueued;
    m_stats.kvBytes = size_t(m_setup.limits.blocks) * m_setup.blockBytes;
    publish(scheduler);
    ready.set_value();

    loop(scheduler);
    m_setup.runner.reset();
}

void Worker::loop(Scheduler& scheduler)
{
    while (takeIn(scheduler))
        step(scheduler);
    scheduler.finishAll(FinishReason::Cancelled, {});
}

/// Waits until there is something to do, takes in what callers left, and runs their tasks. False: quit.
bool Worker::takeIn(Scheduler& scheduler)
{
    Inbox inbox;
    bool failed = false;
    {
        std::unique_lock lock(m_mutex);
        m_wake.wait(lock, [&] { return !scheduler.idle() || !m_inbox.empty(); });
        inbox = std::exchange(m_inbox, {});
        m_inbox.quit = inbox.quit;
        failed = !m_fault.empty();
    }
    for (auto& sequence : inbox.sequences)
        scheduler.add(std::move(sequence));
    for (SequenceId id : inbox.cancels)
        scheduler.cancel(id);
    for (auto& task : inbox.tasks)
        task();
    if (failed) { // whatever came between the failure and its notice
        const std::string cause = m_fault;
        scheduler.finishAll(FinishReason::Failed, cause);
    }
    publish(scheduler);
    return !inbox.quit;
}

void Worker::step(Scheduler& scheduler)
{
    const kernels::BatchPlan* plan = scheduler.plan();
    if (!plan)
        return;
    const auto begin = RateMeter::Clock::now();
    std::span<float> logits;
    try {
        logits = m_setup.runner->run(*plan);
    } catch (const std::exception& exception) {
        fail(scheduler, exception.what());
        return;
    }
    const auto end = RateMeter::Clock::now();
    scheduler.complete(logits);

    const Scheduler::StepCounts& counts = scheduler.lastStep();
    {
        const std::lock_guard lock(m_mutex);
        m_stats.promptTokens += uint64_t(counts.prefillRows);
        m_stats.generatedTokens += uint64_t(counts.chosenTokens);
        if (counts.prefillRows > 0)
            m_prefillRate.add(counts.prefillRows, end, end - begin);
        if (counts.decodeRows > 0)
            m_decodeRate.add(counts.decodeRows, end, end - begin);
    }
    publish(scheduler);
}

/// The device is lost: every sequence ends, and nothing is taken in any more.
void Worker::fail(Scheduler& scheduler, const std::string& cause)
{
    const std::string message = "the device failed and this model must be loaded again: " + cause;
    {
        const std::lock_guard lock(m_mutex);
        m_fault = message;
    }
    scheduler.finishAll(FinishReason::Failed, message);
    publish(scheduler);
}

void Worker::publish(const Scheduler& scheduler)
{
    const std::lock_guard lock(m_mutex);
    m_stats.inFlight = scheduler.running();
    m_stats.kvBytesFree = size_t(scheduler.freeBlocks()) * m_setup.blockBytes;
    m_live = scheduler.running() + scheduler.waiting() + int(m_inbox.sequences.size());
}

} // namespace cortex::engine
