// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/device.h"

#include <algorithm>
#include <initializer_list>

namespace cortex::engine {

/// Places tensors one behind the other in a buffer. Without a buffer it only counts, so that the account of a graph's
/// activations and their allocation come from the same lines.
class ActivationLayout {
public:
    explicit ActivationLayout(kernels::Buffer* buffer)
        : m_buffer(buffer)
    {
    }

    /// A contiguous tensor of four-byte elements; empty while only counting.
    kernels::Tensor place(std::initializer_list<int64_t> shape, kernels::Type type = kernels::Type::F32)
    {
        kernels::Tensor tensor;
        size_t size = 4;
        for (int64_t extent : shape)
            size *= size_t(extent);
        if (m_buffer)
            tensor = kernels::Tensor::view(*m_buffer, type, shape, m_next);
        m_next += (size + Alignment - 1) / Alignment * Alignment;
        m_bytes = std::max(m_bytes, m_next);
        return tensor;
    }

    /// Tensors that are never in use at the same time may lie in the same memory: place one set, go back, place the
    /// other.
    size_t position() const { return m_next; }
    void goBack(size_t position) { m_next = position; }

    /// The most that was ever placed.
    size_t bytes() const { return m_bytes; }

private:
    static constexpr size_t Alignment = 256;
    kernels::Buffer* m_buffer;
    size_t m_next = 0;
    size_t m_bytes = 0;
};

/// The same memory with its last two dimensions as one: [rows, heads, headDim] as [rows, heads · headDim].
inline kernels::Tensor flattened(const kernels::Tensor& tensor)
{
    return kernels::Tensor::view(*tensor.buffer, tensor.type, {tensor.shape[0], tensor.shape[1] * tensor.shape[2]},
                                 tensor.offset);
}

} // namespace cortex::engine
