// SPDX-License-Identifier: GPL-3.0-only
#include "fakes.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

using namespace cortex::engine;
using namespace cortex::engine::tests;

namespace {

/// Checks of one step that hold whatever happens.
void checkPlan(const cortex::kernels::BatchPlan& plan, const SchedulerLimits& limits)
{
    const int perSequence = (limits.contextTokens + limits.blockTokens - 1) / limits.blockTokens;
    REQUIRE(!plan.tokens.empty());
    REQUIRE(int(plan.tokens.size()) <= limits.stepTokens);
    std::set<int> slots;
    std::set<int32_t> blocks;
    int row = 0;
    for (const auto& sequence : plan.sequences) {
        REQUIRE(sequence.firstRow == row);
        REQUIRE(sequence.rows > 0);
        row += sequence.rows;
        REQUIRE(sequence.slot >= 0);
        REQUIRE(sequence.slot < limits.slots);
        REQUIRE(slots.insert(sequence.slot).second);
        const int used = (sequence.firstPosition + sequence.rows + limits.blockTokens - 1) / limits.blockTokens;
        for (int i = 0; i < used; ++i)
            REQUIRE(blocks.insert(plan.blockTables[size_t(sequence.slot * perSequence + i)]).second);
    }
    REQUIRE(row == int(plan.tokens.size()));
    REQUIRE(std::is_sorted(plan.outputRows.begin(), plan.outputRows.end()));
    REQUIRE(int(plan.outputRows.size()) <= limits.slots);
}

struct Submitted {
    SequenceRequest request;
    std::shared_ptr<RecordingSink> sink;
    bool cancelled = false;
};

/// A scheduler, its fake device, and everything that was given to them.
struct World {
    explicit World(const SchedulerLimits& theLimits)
        : limits(theLimits)
    {
    }

    SchedulerLimits limits;
    Scheduler scheduler{limits};
    HashRunner runner{limits};
    std::map<SequenceId, Submitted> submitted;
    SequenceId lastId = 0;

    SequenceId add(SequenceRequest request)
    {
        auto sink = std::make_shared<RecordingSink>();
        submitted[++lastId] = {request, sink, false};
        scheduler.add(std::make_unique<Sequence>(lastId, std::move(request), sink, nullptr, limits.contextTokens));
        return lastId;
    }
    void cancel(SequenceId id)
    {
        submitted.at(id).cancelled = true;
        scheduler.cancel(id);
    }
    bool step()
    {
        const auto* plan = scheduler.plan();
        if (!plan)
            return false;
        checkPlan(*plan, limits);
        scheduler.complete(runner.run(*plan));
        return true;
    }
    void checkOutputs()
    {
        for (const auto& [id, one] : submitted) {
            const Heard heard = one.sink->heard();
            REQUIRE(heard.finishedCalls == 1);
            REQUIRE(!heard.tokenAfterFinish);
            REQUIRE(heard.tokens == HashRunner::continuation(one.request.prompt, int(heard.tokens.size())));
            const int room = limits.contextTokens - int(one.request.prompt.size());
            const int wanted = one.request.maxTokens > 0 ? std::min(one.request.maxTokens, room) : room;
            REQUIRE(heard.result->generatedTokens == int(heard.tokens.size()));
            if (heard.result->reason == FinishReason::Cancelled)
                REQUIRE(one.cancelled);
            else
                REQUIRE(int(heard.tokens.size()) == wanted);
        }
        REQUIRE(scheduler.freeBlocks() == limits.blocks);
    }
};

SequenceRequest randomRequest(std::mt19937& random, int contextTokens)
{
    const int length = 1 + int(random() % uint32_t(contextTokens - 1));
    std::vector<int32_t> prompt;
    for (int i = 0; i < length; ++i)
        prompt.push_back(int32_t(random() % HashRunner::Vocabulary));
    return greedyRequest(std::move(prompt), int(random() % uint32_t(contextTokens)));
}

} // namespace

TEST_CASE("whatever comes and goes, every sequence ends with its own continuation")
{
    for (uint32_t seed = 1; seed <= 60; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        SchedulerLimits limits;
        limits.slots = 1 + int(random() % 6);
        limits.stepTokens = limits.slots + int(random() % 12);
        limits.blockTokens = 1 + int(random() % 5);
        limits.contextTokens = 4 + int(random() % 40);
        const int perSequence = (limits.contextTokens + limits.blockTokens - 1) / limits.blockTokens;
        limits.blocks = perSequence + int(random() % uint32_t(2 * perSequence)); // scarce: preemption happens
        World world(limits);

        int arrivals = 40, steps = 0;
        while (arrivals > 0 || !world.scheduler.idle()) {
            if (arrivals > 0 && random() % 3 == 0) {
                world.add(randomRequest(random, limits.contextTokens));
                --arrivals;
            }
            if (world.lastId > 0 && random() % 17 == 0)
                world.cancel(1 + random() % world.lastId);
            const bool worked = world.step();
            REQUIRE((worked || world.scheduler.idle())); // never stuck with work to do
            REQUIRE(++steps < 200000);
        }
        world.checkOutputs();
    }
}

TEST_CASE("a decoding sequence gets a row of every step, however long the other prompts are")
{
    World world({.slots = 4, .stepTokens = 8, .contextTokens = 256, .blockTokens = 4, .blocks = 256});
    const SequenceId first = world.add(greedyRequest({1, 2}, 50));
    world.step();
    world.add(greedyRequest(std::vector<int32_t>(200, 5), 3));
    for (size_t tokens = 2; tokens < 20; ++tokens) {
        world.step();
        CHECK(world.submitted.at(first).sink->heard().tokens.size() == tokens);
        CHECK(world.scheduler.lastStep().prefillRows == 7); // the rest of the step goes to the prompt
    }
}

TEST_CASE("the first to come is admitted first")
{
    World world({.slots = 1, .stepTokens = 4, .contextTokens = 16, .blockTokens = 4, .blocks = 8});
    const SequenceId first = world.add(greedyRequest({1}, 3));
    const SequenceId second = world.add(greedyRequest({2}, 1));
    while (!world.submitted.at(second).sink->heard().result)
        REQUIRE(world.step());
    CHECK(world.submitted.at(first).sink->heard().result.has_value());
}

TEST_CASE("sequences that hold all the blocks they will ever need keep nobody out")
{
    World world({.slots = 4, .stepTokens = 8, .contextTokens = 8, .blockTokens = 4, .blocks = 4});
    for (int i = 0; i < 4; ++i)
        world.add(greedyRequest({1, 2}, 2)); // one block each
    world.step();
    CHECK(world.scheduler.running() == 4);
    world.step();
    CHECK(world.scheduler.idle());
}

TEST_CASE("the youngest yields its blocks, and nobody can tell")
{
    // Two sequences that each need the whole pool at their ends.
    World world({.slots = 2, .stepTokens = 8, .contextTokens = 32, .blockTokens = 4, .blocks = 8});
    world.add(greedyRequest({1, 2, 3}, 0));
    world.add(greedyRequest({4, 5, 6}, 0));
    int most = 0;
    bool preempted = false;
    while (world.step()) {
        most = std::max(most, world.scheduler.running());
        preempted |= most == 2 && world.scheduler.running() == 1 && world.scheduler.waiting() == 1;
    }
    CHECK(preempted);
    world.checkOutputs();
}

TEST_CASE("text, stop tokens and stop strings end a sequence")
{
    // HashRunner speaks 97 tokens; a script is easier here: the model says the letters of a text, then the end token.
    class Script : public StepRunner {
    public:
        int vocabularySize() const override { return 27; }
        std::span<float> run(const cortex::kernels::BatchPlan& plan) override
        {
            static constexpr std::string_view Text = "bcdefg";
            m_logits.assign(27, 0.0f);
            const auto& sequence = plan.sequences[0];
            const size_t said = size_t(sequence.firstPosition + sequence.rows - 1);
            m_logits[said < Text.size() ? size_t(Text[said] - 'a') : 26] = 1;
            return m_logits;
        }

    private:
        std::vector<float> m_logits;
    };
    const SchedulerLimits limits{.slots = 1, .stepTokens = 4, .contextTokens = 64, .blockTokens = 4, .blocks = 16};
    const auto tokenizer = std::make_shared<LetterTokenizer>();
    const auto run = [&](SequenceRequest request) {
        Scheduler scheduler(limits);
        Script script;
        auto sink = std::make_shared<RecordingSink>();
        scheduler.add(std::make_unique<Sequence>(1, std::move(request), sink, tokenizer, limits.contextTokens));
        while (const auto* plan = scheduler.plan())
            scheduler.complete(script.run(*plan));
        return sink->heard();
    };

    SUBCASE("the end token is told, but has no text")
    {
        const Heard heard = run(greedyRequest({0}, 20));
        CHECK(heard.text == "bcdefg");
        CHECK(heard.tokens.back() == 26);
        CHECK(heard.result->reason == FinishReason::Stop);
        CHECK(heard.result->generatedTokens == 7);
    }
    SUBCASE("ignoring the end token goes on to the limit")
    {
        SequenceRequest request = greedyRequest({0}, 12);
        request.ignoreEos = true;
        const Heard heard = run(std::move(request));
        CHECK(heard.result->reason == FinishReason::Length);
        CHECK(heard.tokens.size() == 12);
    }
    SUBCASE("a stop string over token borders is not emitted")
    {
        SequenceRequest request = greedyRequest({0}, 20);
        request.stop = {"xy", "def"};
        const Heard heard = run(std::move(request));
        CHECK(heard.text == "bc");
        CHECK(heard.result->reason == FinishReason::StopString);
        CHECK(heard.result->stopString == "def");
    }
    SUBCASE("text held back for a stop string that does not come is emitted at the end")
    {
        SequenceRequest request = greedyRequest({0}, 5);
        request.stop = {"fz"};
        const Heard heard = run(std::move(request));
        CHECK(heard.text == "bcdef");
        CHECK(heard.result->reason == FinishReason::Length);
    }
}
