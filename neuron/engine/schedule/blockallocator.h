// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <cstdint>
#include <vector>

namespace cortex::engine {

/// Hands out the blocks of a key/value pool. Not thread-safe.
class BlockAllocator {
public:
    explicit BlockAllocator(int blocks);
    int total() const { return m_total; }
    int free() const { return int(m_free.size()); }
    /// Appends `count` blocks to `blocks`. The caller has made sure that they are free.
    void take(int count, std::vector<int32_t>& blocks);
    /// Takes all of `blocks` back and empties it.
    void giveBack(std::vector<int32_t>& blocks);

private:
    int m_total;
    std::vector<int32_t> m_free; ///< a stack: what was freed last is used first, while it is still warm
};

} // namespace cortex::engine
