// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/tensor.h"

namespace cortex::engine {

/// Where a part of a decoder leaves its result [rows, hidden]: in `out`, or added to what stands there (the residual).
struct Destination {
    kernels::Tensor out;
    bool accumulate = true;
};

} // namespace cortex::engine
