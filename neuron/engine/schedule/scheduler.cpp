// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/schedule/scheduler.h"

#include <algorithm>
#include <cassert>

namespace cortex::engine {

Scheduler::Scheduler(const SchedulerLimits& limits)
    : m_limits(limits)
    , m_blocksPerSequence(blocksFor(limits.contextTokens))
    , m_blocks(limits.blocks)
    , m_blockTables(size_t(limits.slots) * size_t(m_blocksPerSequence), 0)
{
    assert(limits.slots > 0 && limits.stepTokens >= limits.slots && limits.blocks >= m_blocksPerSequence);
    for (int slot = limits.slots - 1; slot >= 0; --slot)
        m_freeSlots.push_back(slot);
}

void Scheduler::add(std::unique_ptr<Sequence> sequence)
{
    assert(m_waiting.empty() || m_waiting.back()->id() < sequence->id());
    m_waiting.push_back(std::move(sequence));
}

void Scheduler::cancel(SequenceId id)
{
    for (Sequences* sequences : {&m_running, &m_waiting}) {
        const auto found = std::find_if(sequences->begin(), sequences->end(),
                                        [id](const auto& sequence) { return sequence->id() == id; });
        if (found == sequences->end())
            continue;
        const std::unique_ptr<Sequence> sequence = std::move(*found);
        sequences->erase(found);
        release(*sequence);
        sequence->finish(FinishReason::Cancelled);
        return;
    }
}

void Scheduler::finishAll(FinishReason reason, const std::string& error)
{
    for (Sequences* sequences : {&m_running, &m_waiting}) {
        for (const auto& sequence : *sequences) {
            release(*sequence);
            sequence->finish(reason, error);
        }
        sequences->clear();
    }
}

const kernels::BatchPlan* Scheduler::plan()
{
    m_shares.clear();
    m_tokens.clear();
    m_batchSequences.clear();
    m_outputRows.clear();
    m_counts = {};

    int prefillRows = m_limits.stepTokens;
    planRunning(prefillRows);
    planAdmissions(prefillRows);
    if (m_shares.empty())
        return nullptr;
    m_plan = {m_tokens, m_batchSequences, m_blockTables, m_outputRows};
    return &m_plan;
}

/// Rules 3 and 4. `prefillRows` becomes what is left for admissions.
void Scheduler::planRunning(int& prefillRows)
{
    for (const auto& sequence : m_running)
        prefillRows -= sequence->decoding() ? 1 : 0;

    // Preemption takes from the back, so this index stays right while m_running shrinks.
    for (size_t i = 0; i < m_running.size(); ++i) {
        Sequence& sequence = *m_running[i];
        const int rows = sequence.decoding() ? 1 : std::min(sequence.pending(), prefillRows);
        if (rows == 0)
            continue;
        const bool decoding = sequence.decoding();
        if (!secureBlocks(sequence, sequence.computed() + rows))
            break; // it was the youngest, and waits again
        plan(sequence, rows);
        prefillRows -= decoding ? 0 : rows;
    }
}

/// Rule 2.
void Scheduler::planAdmissions(int prefillRows)
{
    while (!m_waiting.empty() && !m_freeSlots.empty() && prefillRows > 0) {
        const int needed = blocksFor(int(m_waiting.front()->tokens().size()));
        if (m_blocks.free() < needed + growing())
            return;
        m_running.push_back(std::move(m_waiting.front()));
        m_waiting.pop_front();
        Sequence& sequence = *m_running.back();
        sequence.admit(m_freeSlots.back());
        m_freeSlots.pop_back();
        secureBlocks(sequence, int(sequence.tokens().size()));

        const int rows = std::min(sequence.pending(), prefillRows);
        plan(sequence, rows);
        prefillRows -= rows;
    }
}

/// Gives `rows` of the step to a sequence that has the blocks for them.
void Scheduler::plan(Sequence& sequence, int rows)
{
    const int firstRow = int(m_tokens.size());
    (sequence.decoding() ? m_counts.decodeRows : m_counts.prefillRows) += rows;
    m_shares.push_back({&sequence, rows});
    m_batchSequences.push_back({sequence.slot, firstRow, rows, sequence.computed()});
    const auto first = sequence.tokens().begin() + sequence.computed();
    m_tokens.insert(m_tokens.end(), first, first + rows);
    if (rows == sequence.pending())
        m_outputRows.push_back(firstRow + rows - 1);
}

void Scheduler::complete(std::span<float> logits)
{
    const size_t vocabulary = m_outputRows.empty() ? 0 : logits.size() / m_outputRows.size();
    size_t output = 0;
    for (const Share& share : m_shares) {
        share.sequence->advance(share.rows);
        if (share.sequence->pending() > 0)
            continue;
        share.sequence->choose(logits.subspan(output++ * vocabulary, vocabulary), m_scratch);
        ++m_counts.chosenTokens;
    }
    assert(output == m_outputRows.size());
    m_shares.clear();

    std::erase_if(m_running, [this](const std::unique_ptr<Sequence>& sequence) {
        if (sequence->state() != Sequence::State::Finished)
            return false;
        release(*sequence);
        ++m_counts.finished;
        return true;
    });
}

/// Makes sure that a running sequence holds the blocks of its first `tokens` positions, at the cost of the youngest.
/// False where it was the youngest itself and is preempted now.
bool Scheduler::secureBlocks(Sequence& sequence, int tokens)
{
    const int missing = blocksFor(tokens) - int(sequence.blocks.size());
    if (missing <= 0)
        return true;
    while (m_blocks.free() < missing) {
        const bool itself = m_running.back().get() == &sequence;
        preemptYoungest();
        if (itself)
            return false;
    }
    m_blocks.take(missing, sequence.blocks);
    std::copy(sequence.blocks.begin(), sequence.blocks.end(),
              m_blockTables.begin() + ptrdiff_t(sequence.slot) * m_blocksPerSequence);
    return true;
}

void Scheduler::preemptYoungest()
{
    Sequence& youngest = *m_running.back();
    release(youngest);
    youngest.preempt();
    m_waiting.push_front(std::move(m_running.back()));
    m_running.pop_back();
}

/// Frees what a sequence holds of the device.
void Scheduler::release(Sequence& sequence)
{
    m_blocks.giveBack(sequence.blocks);
    if (sequence.slot >= 0)
        m_freeSlots.push_back(sequence.slot);
    sequence.slot = -1;
}

/// Running sequences that do not hold the blocks of all the tokens they may come to.
int Scheduler::growing() const
{
    return int(std::count_if(m_running.begin(), m_running.end(), [this](const std::unique_ptr<Sequence>& sequence) {
        return int(sequence->blocks.size()) < blocksFor(sequence->lengthLimit());
    }));
}

int Scheduler::blocksFor(int tokens) const
{
    return (tokens + m_limits.blockTokens - 1) / m_limits.blockTokens;
}

} // namespace cortex::engine
