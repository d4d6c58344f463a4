// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/cpu/pathtable.h"
#include "kernels/cpu/vectoravx2.h"

namespace cortex::kernels {

const CpuPath& avx2Path()
{
    static constexpr CpuPath path = pathOf<VectorAvx2>("avx2");
    return path;
}

} // namespace cortex::kernels
