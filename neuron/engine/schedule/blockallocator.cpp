// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/schedule/blockallocator.h"

#include <cassert>
#include <cstddef>

namespace cortex::engine {

BlockAllocator::BlockAllocator(int blocks)
    : m_total(blocks)
{
    m_free.reserve(std::size_t(blocks));
    for (int block = blocks - 1; block >= 0; --block)
        m_free.push_back(block);
}

void BlockAllocator::take(int count, std::vector<int32_t>& blocks)
{
    assert(count <= free());
    blocks.insert(blocks.end(), m_free.rbegin(), m_free.rbegin() + count);
    m_free.resize(m_free.size() - std::size_t(count));
}

void BlockAllocator::giveBack(std::vector<int32_t>& blocks)
{
    m_free.insert(m_free.end(), blocks.rbegin(), blocks.rend());
    blocks.clear();
    assert(free() <= m_total);
}

} // namespace cortex::engine
