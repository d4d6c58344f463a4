// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/tensor.h"

#include <cassert>

namespace cortex::kernels {

int64_t Tensor::elements() const
{
    return rank == 0 ? 0 : shape[0] * shape[1] * shape[2] * shape[3];
}

Tensor Tensor::view(Buffer& buffer, Type type, std::initializer_list<int64_t> shape, size_t offset)
{
    assert(shape.size() >= 1 && shape.size() <= 4);
    Tensor tensor;
    tensor.buffer = &buffer;
    tensor.offset = offset;
    tensor.type = type;
    tensor.rank = int(shape.size());
    size_t dimension = 0;
    for (int64_t extent : shape)
        tensor.shape[dimension++] = extent;
    int64_t stride = 1;
    for (int d = tensor.rank - 1; d >= 0; --d) {
        tensor.strides[size_t(d)] = stride;
        stride *= tensor.shape[size_t(d)];
    }
    return tensor;
}

Tensor Tensor::first(int64_t count) const
{
    assert(count <= shape[0]);
    Tensor tensor = *this;
    tensor.shape[0] = count;
    return tensor;
}

} // namespace cortex::kernels
