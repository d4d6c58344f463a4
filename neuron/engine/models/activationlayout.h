// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/device.h"

#include <initializer_list>

namespace cortex::engine {

/// Places float32 tensors one behind the other in a buffer. Without a buffer it only counts, so that the account of a
/// graph's activations and their allocation come from the same lines.
class ActivationLayout {
public:
    explicit ActivationLayout(kernels::Buffer* buffer)
        : m_buffer(buffer)
    {
    }

    kernels::Tensor place(std::initializer_list<int64_t> shape)
    {
        kernels::Tensor tensor;
        size_t size = sizeof(float);
        for (int64_t extent : shape)
            size *= size_t(extent);
        if (m_buffer)
            tensor = kernels::Tensor::view(*m_buffer, kernels::Type::F32, shape, m_bytes);
        m_bytes += (size + Alignment - 1) / Alignment * Alignment;
        return tensor;
    }

    size_t bytes() const { return m_bytes; }

private:
    static constexpr size_t Alignment = 256;
    kernels::Buffer* m_buffer;
    size_t m_bytes = 0;
};

/// The same memory with its last two dimensions as one: [rows, heads, headDim] as [rows, heads · headDim].
inline kernels::Tensor flattened(const kernels::Tensor& tensor)
{
    return kernels::Tensor::view(*tensor.buffer, tensor.type, {tensor.shape[0], tensor.shape[1] * tensor.shape[2]},
                                 tensor.offset);
}

} // namespace cortex::engine
