// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/cpu/pathtable.h"
#include "kernels/cpu/vectorportable.h"

namespace cortex::kernels {

const CpuPath& portablePath()
{
    static constexpr CpuPath path = pathOf<VectorPortable>("portable");
    return path;
}

} // namespace cortex::kernels
