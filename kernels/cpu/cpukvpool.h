// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/cpu/kvtile.h"
#include "kernels/cpu/memory.h"
#include "kernels/cpu/path.h"
#include "kernels/kvpool.h"

namespace cortex::kernels {

/// [layers][blocks][heads] pieces, each one block's keys and values of one head.
///
/// Of a float32 cache: keys [headDim][blockTokens, padded], then values [blockTokens][headDim, padded]. Keys with
/// positions along the vector lanes, values with dimensions along them, so that neither scores nor sums need additions
/// across lanes. Of a 16-bit cache, F16 or BF16: blockTokens / 16 tiles (KvTile), arranged to the same end.
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
    size_t blockStride() const { return size_t(m_layout.heads) * pieceBytes(m_layout); }

    std::byte* piece(int layer, int block, int head) const
    {
        const size_t index = (size_t(layer) * size_t(m_layout.blocks) + size_t(block)) * size_t(m_layout.heads);
        return m_memory.data() + (index + size_t(head)) * pieceBytes(m_layout);
    }

    bool isExact() const { return m_layout.type == Type::F32; }
    // Of a float32 cache, in elements.
    int keyStride() const { return int(paddedHead(m_layout.blockTokens)); }
    int valueStride() const { return int(paddedHead(m_layout.headDim)); }
    int64_t valueOffset() const { return int64_t(m_layout.headDim) * keyStride(); }

private:
    static size_t pieceBytes(const KvLayout& layout)
    {
        if (layout.type != Type::F32)
            return size_t(layout.blockTokens / KvTile::positions) * KvTile::bytes(layout.headDim);
        return size_t(layout.headDim * paddedHead(layout.blockTokens) + layout.blockTokens * paddedHead(layout.headDim))
            * sizeof(float);
    }

    KvLayout m_layout;
    HostMemory m_memory;
};

} // namespace cortex::kernels
