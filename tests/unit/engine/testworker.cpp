// SPDX-License-Identifier: GPL-3.0-only
#include "fakes.h"

#include <doctest/doctest.h>

using namespace cortex::engine;
using namespace cortex::engine::tests;

namespace {

constexpr SchedulerLimits Limits{.slots = 4, .stepTokens = 16, .contextTokens = 64, .blockTokens = 4, .blocks = 40};

/// Steps wait until the test opens the gate, so that a test decides what is queued while a step runs.
class GatedRunner : public HashRunner {
public:
    struct Gate {
        std::mutex mutex;
        std::condition_variable changed;
        bool open = true;
        bool broken = false;
        void set(bool toOpen)
        {
            const std::lock_guard lock(mutex);
            open = toOpen;
            changed.notify_all();
        }
    };
    GatedRunner(const SchedulerLimits& limits, std::shared_ptr<Gate> gate)
        : HashRunner(limits)
        , m_gate(std::move(gate))
    {
    }
    std::span<float> run(const cortex::kernels::BatchPlan& plan) override
    {
        std::unique_lock lock(m_gate->mutex);
        m_gate->changed.wait(lock, [this] { return m_gate->open; });
        if (m_gate->broken)
            throw std::runtime_error("the fake device is on fire");
        return HashRunner::run(plan);
    }

private:
    std::shared_ptr<Gate> m_gate;
};

WorkerSetup setUp(std::shared_ptr<GatedRunner::Gate> gate, int maxQueued)
{
    return {std::make_unique<GatedRunner>(Limits, std::move(gate)), Limits, maxQueued, 1024, nullptr};
}

ErrorKind kindOf(const std::function<void()>& action)
{
    try {
        action();
    } catch (const Error& error) {
        return error.kind();
    }
    FAIL("no error was thrown");
    return ErrorKind::Internal;
}

} // namespace

TEST_CASE("submissions from many threads all get their own continuation")
{
    const auto gate = std::make_shared<GatedRunner::Gate>();
    Worker worker([&] { return setUp(gate, 1000); });
    std::vector<std::thread> threads;
    std::vector<std::shared_ptr<RecordingSink>> sinks(64);
    for (int t = 0; t < 8; ++t) {
        threads.emplace_back([&, t] {
            for (int i = t * 8; i < t * 8 + 8; ++i) {
                sinks[size_t(i)] = std::make_shared<RecordingSink>();
                worker.submit(greedyRequest({i, i + 1}, 20), sinks[size_t(i)]);
                (void)worker.stats();
            }
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    for (int i = 0; i < 64; ++i)
        CHECK(sinks[size_t(i)]->waitUntilFinished().tokens == HashRunner::continuation({i, i + 1}, 20));
    // A sink hears the end before the figures of its step are published; a task runs after that.
    worker.call([] {});
    const EngineStats stats = worker.stats();
    CHECK(stats.inFlight == 0);
    CHECK(stats.queueDepth == 0);
    CHECK(stats.generatedTokens == 64 * 20);
    CHECK(stats.kvBytesFree == stats.kvBytes);
    CHECK(stats.decodeTokensPerSecond > 0);
}

TEST_CASE("the queue is bounded, and has room again when something ended")
{
    const auto gate = std::make_shared<GatedRunner::Gate>();
    Worker worker([&] { return setUp(gate, 2); });
    gate->set(false);
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    for (int i = 0; i < Limits.slots + 2; ++i) {
        sinks.push_back(std::make_shared<RecordingSink>());
        worker.submit(greedyRequest({i}, 2), sinks.back());
    }
    CHECK(kindOf([&] { worker.submit(greedyRequest({1}, 2), std::make_shared<RecordingSink>()); })
          == ErrorKind::QueueFull);
    CHECK(worker.stats().rejectedQueueFull == 1);
    gate->set(true);
    for (const auto& sink : sinks)
        CHECK(sink->waitUntilFinished().result->reason == FinishReason::Length);
    worker.call([] {});
    const auto sink = std::make_shared<RecordingSink>();
    worker.submit(greedyRequest({1}, 2), sink);
    CHECK(sink->waitUntilFinished().result->reason == FinishReason::Length);
}

TEST_CASE("requests that can never succeed are refused at once")
{
    const auto gate = std::make_shared<GatedRunner::Gate>();
    Worker worker([&] { return setUp(gate, 2); });
    const auto submit = [&](SequenceRequest request) {
        return kindOf([&] { worker.submit(std::move(request), std::make_shared<RecordingSink>()); });
    };
    CHECK(submit(greedyRequest({}, 1)) == ErrorKind::BadRequest);
    CHECK(submit(greedyRequest({-1}, 1)) == ErrorKind::BadRequest);
    CHECK(submit(greedyRequest({HashRunner::Vocabulary}, 1)) == ErrorKind::BadRequest);
    CHECK(submit(greedyRequest({1}, -1)) == ErrorKind::BadRequest);
    CHECK(submit(greedyRequest(std::vector<int32_t>(64, 1), 1)) == ErrorKind::ContextExceeded);
    SequenceRequest stops = greedyRequest({1}, 1);
    stops.stop = {"x"};
    CHECK(submit(std::move(stops)) == ErrorKind::BadRequest);
}

TEST_CASE("cancelling ends running and waiting sequences; unknown ids are ignored")
{
    const auto gate = std::make_shared<GatedRunner::Gate>();
    Worker worker([&] { return setUp(gate, 10); });
    std::vector<std::pair<SequenceId, std::shared_ptr<RecordingSink>>> live;
    for (int i = 0; i < Limits.slots + 3; ++i) {
        const auto sink = std::make_shared<RecordingSink>();
        gate->set(false);
        live.emplace_back(worker.submit(greedyRequest({i}, 60), sink), sink);
    }
    gate->set(true);
    worker.cancel(999);
    for (const auto& [id, sink] : live)
        worker.cancel(id);
    for (const auto& [id, sink] : live) {
        const Heard heard = sink->waitUntilFinished();
        CHECK((heard.result->reason == FinishReason::Cancelled || heard.tokens.size() == 60));
        CHECK(heard.finishedCalls == 1);
    }
}

TEST_CASE("destroying a worker finishes what is live")
{
    const auto sink = std::make_shared<RecordingSink>();
    {
        const auto gate = std::make_shared<GatedRunner::Gate>();
        Worker worker([&] { return setUp(gate, 10); });
        gate->set(false);
        worker.submit(greedyRequest({1}, 60), sink);
        gate->set(true);
    }
    CHECK(sink->heard().finishedCalls == 1);
}

TEST_CASE("a device that fails takes its sequences with it and says so ever after")
{
    const auto gate = std::make_shared<GatedRunner::Gate>();
    Worker worker([&] { return setUp(gate, 10); });
    gate->set(false);
    const auto sink = std::make_shared<RecordingSink>();
    worker.submit(greedyRequest({1}, 60), sink);
    gate->broken = true;
    gate->set(true);
    const Heard heard = sink->waitUntilFinished();
    CHECK(heard.result->reason == FinishReason::Failed);
    CHECK(heard.result->error.find("on fire") != std::string::npos);
    CHECK(kindOf([&] { worker.submit(greedyRequest({1}, 2), std::make_shared<RecordingSink>()); })
          == ErrorKind::Internal);
}

TEST_CASE("an error while setting up reaches the caller")
{
    CHECK(kindOf([] { Worker worker([]() -> WorkerSetup { throw Error(ErrorKind::BadFile, "broken"); }); })
          == ErrorKind::BadFile);
}
