// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/cpu/pathtable.h"
#include "kernels/cpu/vectoravx512.h"

namespace cortex::kernels {

namespace {

/// AVX-512 with the VNNI dot product of unsigned by signed bytes.
struct VectorAvx512Vnni : VectorAvx512 {
    static constexpr int largestGroup = 16;
    static constexpr bool unsignedDot = true;

    static I dotUnsigned(I sum, B w, const int8_t* a) { return _mm512_dpbusd_epi32(sum, w, repeat(a)); }
    static I dotPairs(I sum, S w, const int16_t* a) { return _mm512_dpwssd_epi32(sum, w, repeat(a)); }
};

} // namespace

const CpuPath& avx512VnniPath()
{
    static constexpr CpuPath path = pathOf<VectorAvx512Vnni>("avx512-vnni");
    return path;
}

} // namespace cortex::kernels
