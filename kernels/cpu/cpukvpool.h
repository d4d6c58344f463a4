// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/cpu/memory.h"
#include "kernels/cpu/path.h"
#include "kernels/kvpool.h"

namespace cortex::kernels {

/// [layers][blocks][heads] pieces, each the keys [headDim][blockTokens, padded] and then the values
/// [blockTokens][headDim, padded] of one block: keys with positions along the vector lanes, values with dimensions
/// along them, so that neither scores nor sums need additions across lanes.
class CpuKvPool final : public KvPool {
public:
    explicit CpuKvPool(const KvLayout& layout)
        : m_layout(layout)
        , m_memory(bytesFor(layout))
    {
    }

    static size_t bytesFor(const KvLayout& layout)
    {
        return size_t(layout.layers) * size_t(layout.blocks) * size_t(layout.heads) * pieceBytes(layout);
    }

    const KvLayout& layout() const override { return m_layout; }
    size_t bytes() const override { return m_memory.bytes(); }

    int keyStride() const { return int(paddedHead(m_layout.blockTokens)); }
    int valueStride() const { return int(paddedHead(m_layout.headDim)); }
    size_t valueOffset() const { return size_t(m_layout.headDim) * size_t(keyStride()) * element(m_layout); }
    size_t blockStride() const { return size_t(m_layout.heads) * pieceBytes(m_layout); }

    std::byte* piece(int layer, int block, int head) const
    {
        const size_t index = (size_t(layer) * size_t(m_layout.blocks) + size_t(block)) * size_t(m_layout.heads);
        return m_memory.data() + (index + size_t(head)) * pieceBytes(m_layout);
    }

private:
    static size_t element(const KvLayout& layout) { return layout.type == Type::F32 ? 4 : 2; }
    static size_t pieceBytes(const KvLayout& layout)
    {
        return size_t(layout.headDim * paddedHead(layout.blockTokens) + layout.blockTokens * paddedHead(layout.headDim))
            * element(layout);
    }

    KvLayout m_layout;
    HostMemory m_memory;
};

} // namespace cortex::kernels
