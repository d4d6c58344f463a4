// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/cpu/cpuweight.h"

#include "kernels/cpu/threadpool.h"

#include <algorithm>
#include <cassert>

namespace cortex::kernels {

CpuWeight::CpuWeight(const WeightSource& source, WeightUse use, int tileRows, HostArena& arena, ThreadPool& pool)
    : m_type(source.type)
    , m_rows(source.rows)
    , m_columns(source.columns)
    , m_bytes(bytesFor(source.type, source.rows, source.columns, use, tileRows))
    , m_memory(m_bytes > 0 ? arena.allocate(m_bytes) : nullptr)
{
    const auto* data = static_cast<const std::byte*>(source.data);
    switch (use) {
    case WeightUse::Embedding:
        m_mapping = data;
        m_owner = source.owner;
        break;
    case WeightUse::Vector:
        dequantize(m_type, data, reinterpret_cast<float*>(m_memory.get()), m_rows * m_columns);
        break;
    case WeightUse::Product:
    case WeightUse::Both: {
        m_packing.emplace(m_type, m_rows, m_columns, tileRows);
        const int chunks = int(std::min<int64_t>(m_packing->tiles(), 16 * pool.size()));
        pool.run(chunks, [&](int chunk, int) {
            for (int64_t t = tiles() * chunk / chunks; t < tiles() * (chunk + 1) / chunks; ++t)
                m_packing->pack(t, data, m_memory.get() + size_t(t) * m_packing->tileBytes());
        });
        break;
    }
    }
}

size_t CpuWeight::bytesFor(Type type, int64_t rows, int64_t columns, WeightUse use, int tileRows)
{
    switch (use) {
    case WeightUse::Embedding:
        return 0;
    case WeightUse::Vector:
        return size_t(rows * columns) * sizeof(float);
    case WeightUse::Product:
    case WeightUse::Both:
        break;
    }
    return Packing(type, rows, columns, tileRows).bytes();
}

void CpuWeight::expandRow(int64_t row, float* destination) const
{
    assert(row >= 0 && row < m_rows);
    if (m_packing)
        m_packing->expandRow(m_memory.get(), row, destination);
    else
        dequantize(m_type, m_mapping + size_t(row) * rowBytes(m_type, m_columns), destination, m_columns);
}

} // namespace cortex::kernels
