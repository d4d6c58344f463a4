// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/cpu/memory.h"
#include "kernels/cpu/packing.h"
#include "kernels/tensor.h"

#include <memory>
#include <optional>

namespace cortex::kernels {

class ThreadPool;

/// A weight in the form that its use asks for: Product and Both are packed into tiles (Both looks its rows up there
/// too), Embedding stays in the file's mapping, Vector becomes float32.
class CpuWeight final : public Weight {
public:
    CpuWeight(const WeightSource& source, WeightUse use, int tileRows, HostArena& arena, ThreadPool& pool);

    /// What residentBytes() of such a weight will be.
    static size_t bytesFor(Type type, int64_t rows, int64_t columns, WeightUse use, int tileRows);

    Type type() const override { return m_type; }
    int64_t rows() const override { return m_rows; }
    int64_t columns() const override { return m_columns; }
    size_t residentBytes() const override { return m_bytes; }
    size_t mappedBytes() const override { return m_mapping ? size_t(m_rows) * rowBytes(m_type, m_columns) : 0; }

    /// Of a Product or Both weight.
    bool isPacked() const { return m_packing.has_value(); }
    int64_t tiles() const { return m_packing->tiles(); }
    const std::byte* tile(int64_t index) const { return m_memory.get() + size_t(index) * m_packing->tileBytes(); }

    /// Of a Vector weight.
    const float* floats() const { return reinterpret_cast<const float*>(m_memory.get()); }

    /// One row in float32, of an Embedding or Both weight.
    void expandRow(int64_t row, float* destination) const;

private:
    Type m_type;
    int64_t m_rows;
    int64_t m_columns;
    std::optional<Packing> m_packing;
    size_t m_bytes;
    std::shared_ptr<std::byte> m_memory;
    const std::byte* m_mapping = nullptr;
    std::shared_ptr<const void> m_owner; ///< keeps m_mapping
};

} // namespace cortex::kernels
