// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/cpu/cpuweight.h"

#include "kernels/cpu/threadpool.h"
#include "kernels/quantize.h"

#include <algorithm>
#include <cassert>
#include <vector>

namespace cortex::kernels {

namespace {

/// Packs tiles whose rows come one by one, as float32, by way of a tile's worth of rows in file format.
class RowRounder {
public:
    RowRounder(const WeightSource& source, int tileRows)
        : m_source(source)
        , m_tileRows(tileRows)
    {
        if (!source.readRow)
            return;
        m_values.resize(size_t(source.columns));
        m_rows.resize(size_t(tileRows) * rowBytes(source.type, source.columns));
    }

    void pack(int64_t tile, std::byte* destination)
    {
        const int64_t first = tile * m_tileRows;
        const int64_t count = std::min<int64_t>(m_tileRows, m_source.rows - first);
        for (int64_t i = 0; i < count; ++i) {
            m_source.readRow(first + i, m_values.data());
            quantize(m_source.type, m_values.data(),
                     m_rows.data() + size_t(i) * rowBytes(m_source.type, m_source.columns), m_source.columns);
        }
        Packing(m_source.type, count, m_source.columns, m_tileRows).pack(0, m_rows.data(), destination);
    }

private:
    const WeightSource& m_source;
    int m_tileRows;
    std::vector<float> m_values;
    std::vector<std::byte> m_rows;
};

} // namespace

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
        assert(!source.readRow);
        m_mapping = data;
        m_owner = source.owner;
        break;
    case WeightUse::Vector:
        for (int64_t row = 0; source.readRow && row < m_rows; ++row)
            source.readRow(row, reinterpret_cast<float*>(m_memory.get()) + row * m_columns);
        if (!source.readRow)
            dequantize(m_type, data, reinterpret_cast<float*>(m_memory.get()), m_rows * m_columns);
        break;
    case WeightUse::Product:
    case WeightUse::Both: {
        m_packing.emplace(m_type, m_rows, m_columns, tileRows);
        const int chunks = int(std::min<int64_t>(m_packing->tiles(), 16 * pool.size()));
        pool.run(chunks, [&](int chunk, int) {
            RowRounder rounder(source, tileRows);
            for (int64_t t = tiles() * chunk / chunks; t < tiles() * (chunk + 1) / chunks; ++t) {
                std::byte* destination = m_memory.get() + size_t(t) * m_packing->tileBytes();
                if (source.readRow)
                    rounder.pack(t, destination);
                else
                    m_packing->pack(t, data, destination);
            }
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
