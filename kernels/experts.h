// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/tensor.h"

#include <span>

namespace cortex::kernels {

/// The experts of one mixture layer, one weight each; all experts have one type and shape.
struct ExpertWeights {
    std::span<const WeightPtr> gate; ///< each [inner, hidden]
    std::span<const WeightPtr> up; ///< each [inner, hidden]
    std::span<const WeightPtr> down; ///< each [hidden, inner]
};

/// Which experts each row goes to, best first.
struct ExpertChoice {
    Tensor experts; ///< [rows, k], I32
    Tensor shares; ///< [rows, k], F32
};

} // namespace cortex::kernels
