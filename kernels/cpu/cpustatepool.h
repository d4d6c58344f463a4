// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/cpu/memory.h"
#include "kernels/cpu/path.h"
#include "kernels/statepool.h"

#include <algorithm>

namespace cortex::kernels {

/// [layers][slots] pieces of float32, each
///   the states [valueHeads] of [blocks][keyDim][DeltaTask::blockColumns]: the columns of a state, padded to
///     paddedHead(valueDim), in blocks (the last may be narrower) that lie whole in the first-level cache;
///   their scales [valueHeads]: a state is the product of both (see DeltaTask);
///   the last inputs of the convolution [kernelWidth − 1][channels], the one of position p at p mod (kernelWidth − 1).
class CpuStatePool final : public StatePool {
public:
    explicit CpuStatePool(const StateLayout& layout)
        : m_layout(layout)
        , m_memory(bytesFor(layout))
    {
    }

    static size_t bytesFor(const StateLayout& layout)
    {
        return size_t(layout.layers) * size_t(layout.slots) * pieceFloats(layout) * sizeof(float);
    }

    const StateLayout& layout() const override { return m_layout; }
    size_t bytes() const override { return m_memory.bytes(); }
    size_t pieceBytes() const { return pieceFloats(m_layout) * sizeof(float); }

    float* piece(int layer, int slot) const
    {
        const size_t index = size_t(layer) * size_t(m_layout.slots) + size_t(slot);
        return reinterpret_cast<float*>(m_memory.data()) + index * pieceFloats(m_layout);
    }
    static size_t stateFloats(const StateLayout& layout)
    {
        return size_t(layout.keyDim) * size_t(paddedHead(layout.valueDim));
    }
    float* state(float* piece, int valueHead) const { return piece + size_t(valueHead) * stateFloats(m_layout); }
    float& scale(float* piece, int valueHead) const { return state(piece, m_layout.valueHeads)[valueHead]; }
    float* input(float* piece, int position) const
    {
        float* first = state(piece, m_layout.valueHeads) + padded(m_layout.valueHeads);
        return first + size_t(position % (m_layout.kernelWidth - 1)) * padded(m_layout.channels());
    }

private:
    /// Whole cache lines.
    static size_t padded(int floats) { return (size_t(floats) + 15) / 16 * 16; }
    static size_t pieceFloats(const StateLayout& layout)
    {
        return size_t(layout.valueHeads) * stateFloats(layout) + padded(layout.valueHeads)
            + size_t(std::max(0, layout.kernelWidth - 1)) * padded(layout.channels());
    }

    StateLayout m_layout;
    HostMemory m_memory;
};

} // namespace cortex::kernels
