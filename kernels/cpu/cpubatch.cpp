// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/cpu/cpubatch.h"

#include "kernels/cpu/cpuweight.h"
#include "kernels/cpu/threadpool.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace cortex::kernels {

CpuBatch::CpuBatch(const BatchLimits& limits)
    : m_limits(limits)
{
    m_tokens.reserve(size_t(limits.rows));
    m_positions.reserve(size_t(limits.rows));
    m_slots.reserve(size_t(limits.rows));
    m_sequences.reserve(size_t(limits.sequences));
    m_blockTables.reserve(size_t(limits.sequences) * size_t(limits.blocksPerSequence));
    m_outputRows.reserve(size_t(limits.rows));
}

void CpuBatch::set(const BatchPlan& plan)
{
    assert(plan.tokens.size() <= size_t(m_limits.rows) && plan.sequences.size() <= size_t(m_limits.sequences));
    assert(plan.blockTables.size() <= size_t(m_limits.sequences) * size_t(m_limits.blocksPerSequence));
    assert(plan.outputRows.size() <= plan.tokens.size());
    m_tokens.assign(plan.tokens.begin(), plan.tokens.end());
    m_sequences.assign(plan.sequences.begin(), plan.sequences.end());
    m_blockTables.assign(plan.blockTables.begin(), plan.blockTables.end());
    m_outputRows.assign(plan.outputRows.begin(), plan.outputRows.end());
    m_positions.clear();
    m_slots.clear();
    for (const BatchSequence& sequence : m_sequences) {
        assert(sequence.firstRow == int(m_positions.size()) && sequence.rows > 0);
        assert(sequence.slot >= 0 && sequence.slot < m_limits.sequences);
        for (int row = 0; row < sequence.rows; ++row) {
            m_positions.push_back(sequence.firstPosition + row);
            m_slots.push_back(sequence.slot);
        }
    }
    assert(m_positions.size() == m_tokens.size());
    for (const auto& rotations : m_rotations)
        rotations->current = false;
}

const float* CpuBatch::rotations(const CpuWeight& frequencies, float magnitude, ThreadPool& pool) const
{
    const auto matches = [&](const auto& r) { return r->frequencies == &frequencies && r->magnitude == magnitude; };
    auto found = std::find_if(m_rotations.begin(), m_rotations.end(), matches);
    if (found == m_rotations.end()) {
        const size_t size = size_t(m_limits.rows) * 2 * size_t(frequencies.columns());
        Rotations fresh{&frequencies, magnitude, false, std::vector<float>(size)};
        found = m_rotations.insert(found, std::make_unique<Rotations>(std::move(fresh)));
    }
    if (!(*found)->current)
        rotate(**found, pool);
    return (*found)->values.data();
}

void CpuBatch::rotate(Rotations& rotations, ThreadPool& pool) const
{
    const int64_t pairs = rotations.frequencies->columns();
    const float* frequencies = rotations.frequencies->floats();
    const auto rotateRow = [&](int row, int) {
        float* cosines = rotations.values.data() + row * 2 * pairs;
        for (int64_t i = 0; i < pairs; ++i) {
            const float angle = float(position(row)) * frequencies[i];
            cosines[i] = rotations.magnitude * std::cos(angle);
            cosines[pairs + i] = rotations.magnitude * std::sin(angle);
        }
    };
    pool.forEach(rows(), 8, rotateRow);
    rotations.current = true;
}

} // namespace cortex::kernels
