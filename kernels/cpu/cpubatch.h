// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/batch.h"

#include <memory>
#include <vector>

namespace cortex::kernels {

class CpuWeight;
class ThreadPool;

/// A step's description, spread out per row, with the cosines and sines that its positions need.
class CpuBatch final : public Batch {
public:
    explicit CpuBatch(const BatchLimits& limits);

    void set(const BatchPlan& plan) override;
    int rows() const override { return int(m_tokens.size()); }
    int outputs() const override { return int(m_outputRows.size()); }

    int token(int row) const { return m_tokens[size_t(row)]; }
    int position(int row) const { return m_positions[size_t(row)]; }
    const std::vector<BatchSequence>& sequences() const { return m_sequences; }
    int outputRow(int output) const { return m_outputRows[size_t(output)]; }
    const int32_t* blockTable(int slot) const { return m_blockTables.data() + slot * m_limits.blocksPerSequence; }
    int slot(int row) const { return m_slots[size_t(row)]; }

    /// magnitude · cosine and sine of position · frequency: per row, first all cosines, then all sines. Computed at the
    /// first call of a step and kept for its other layers.
    const float* rotations(const CpuWeight& frequencies, float magnitude, ThreadPool& pool) const;

private:
    struct Rotations {
        const CpuWeight* frequencies;
        float magnitude;
        bool current;
        std::vector<float> values;
    };
    void rotate(Rotations& rotations, ThreadPool& pool) const;

    BatchLimits m_limits;
    std::vector<int32_t> m_tokens;
    std::vector<int32_t> m_positions;
    std::vector<int32_t> m_slots;
    std::vector<BatchSequence> m_sequences;
    std::vector<int32_t> m_blockTables;
    std::vector<int32_t> m_outputRows;
    mutable std::vector<std::unique_ptr<Rotations>> m_rotations; ///< one or two: models have few kinds of layers
};

} // namespace cortex::kernels
