// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/batch.h"
#include "neuron/engine/schedule/blockallocator.h"
#include "neuron/engine/schedule/sequence.h"

#include <deque>
#include <functional>
#include <memory>
#include <optional>

namespace cortex::engine {

struct SchedulerLimits {
    int slots = 0; ///< sequences that run at once
    int stepTokens = 0; ///< token rows of one step, at least `slots`
    int contextTokens = 0; ///< longest sequence
    int blockTokens = 0; ///< positions of one cache block
    int blocks = 0; ///< blocks of the pool; at least those of one full context
};

/// Decides what each step computes. Knows no model and no device. Its rules:
///
/// 1. Order is order of arrival, always: who came first is admitted first, gets rows and blocks first, and is the last
///    to be preempted. So the running sequences are always older than all waiting ones.
/// 2. The first waiting sequence is admitted when a slot is free, the step has rows left, and the free blocks hold its
///    tokens and leave one block to grow for every running sequence that may still need one. Nobody overtakes it. It
///    gets its blocks at once.
/// 3. A step has stepTokens rows. Every decoding sequence gets one; what is left goes to prefills, oldest first.
/// 4. A sequence that grows takes blocks as it needs them. When none is free, the youngest running sequence is
///    preempted: its blocks are freed and it waits again at its place in the order, to be computed anew.
/// 5. The oldest sequence can have every other's blocks and the pool holds a full context, so it always runs, always
///    ends, and then another is the oldest: every sequence ends.
///
/// Not thread-safe: belongs to the engine's thread.
class Scheduler {
public:
    explicit Scheduler(const SchedulerLimits& limits);

    /// Sequences come in order of arrival: ascending ids.
    void add(std::unique_ptr<Sequence> sequence);
    /// Finishes a sequence as cancelled; unknown ids are ignored. Never between plan and complete.
    void cancel(SequenceId id);
    /// Finishes all of them.
    void finishAll(FinishReason reason, const std::string& error);

    /// The next step, valid until `complete`; null where nothing is to be done.
    const kernels::BatchPlan* plan();
    /// Ends the planned step: `logits` [outputs of the plan, vocabulary]. Tokens are chosen, sinks are called, ended
    /// sequences leave.
    void complete(std::span<float> logits);

    int running() const { return int(m_running.size()); }
    int waiting() const { return int(m_waiting.size()); }
    bool idle() const { return m_running.empty() && m_waiting.empty(); }
    int freeBlocks() const { return m_blocks.free(); }

    /// What the last completed step did.
    struct StepCounts {
        int prefillRows = 0;
        int decodeRows = 0;
        int chosenTokens = 0;
        int finished = 0;
    };
    const StepCounts& lastStep() const { return m_counts; }

private:
    using Sequences = std::deque<std::unique_ptr<Sequence>>;

    void planRunning(int& prefillRows);
    void planAdmissions(int prefillRows);
    void plan(Sequence& sequence, int rows);
    bool secureBlocks(Sequence& sequence, int tokens);
    void preemptYoungest();
    void release(Sequence& sequence);
    int blocksFor(int tokens) const;
    int growing() const;

    SchedulerLimits m_limits;
    int m_blocksPerSequence;
    BlockAllocator m_blocks;
    std::vector<int> m_freeSlots;
    Sequences m_waiting; ///< ordered by id, all younger than the running ones
    Sequences m_running; ///< ordered by id

    // The planned step, in memory that stays.
    struct Share {
        Sequence* sequence;
        int rows;
    };
    std::vector<Share> m_shares;
    std::vector<int32_t> m_tokens;
    std::vector<kernels::BatchSequence> m_batchSequences;
    std::vector<int32_t> m_blockTables;
    std::vector<int32_t> m_outputRows;
    kernels::BatchPlan m_plan;
    SamplingScratch m_scratch; ///< of all sequences: they choose one after the other
    StepCounts m_counts;
};

} // namespace cortex::engine
