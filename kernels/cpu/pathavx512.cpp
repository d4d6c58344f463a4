// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/cpu/pathtable.h"
#include "kernels/cpu/vectoravx512.h"

namespace cortex::kernels {

const CpuPath& avx512Path()
{
    static constexpr CpuPath path = pathOf<VectorAvx512>("avx512");
    return path;
}

} // namespace cortex::kernels
