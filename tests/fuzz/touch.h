// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/tensor.h"

namespace cortex::fuzz {

/// Reads every byte of a weight, so that the address sanitizer sees where a reader let it reach.
inline void touch(const kernels::WeightSource& weight)
{
    const size_t bytes = size_t(weight.rows) * kernels::rowBytes(weight.type, weight.columns);
    const auto* data = static_cast<const volatile unsigned char*>(weight.data);
    for (size_t i = 0; i < bytes; ++i)
        (void)data[i];
}

} // namespace cortex::fuzz
