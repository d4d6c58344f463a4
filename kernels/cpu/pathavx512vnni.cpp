// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/cpu/pathtable.h"
#include "kernels/cpu/vectoravx512.h"

namespace cortex::kernels {

namespace {

/// AVX-512 with the VNNI dot products: unsigned by signed bytes, and words. The instructions repeat four bytes of
/// memory over the register themselves, which compilers do not make use of (GCC 12 loads and repeats by another one):
/// written out, a product takes a third fewer instructions, which counts where two threads share a core.
struct VectorAvx512Vnni : VectorAvx512 {
    static constexpr int largestDense = 16;
    static constexpr bool unsignedDot = true;

    // What products by dots want besides (dotproducts.h, farattention.h): unsigned bytes, and halves of bytes, as
    // floats; v · 2ⁿ; and sum + Σ w · a of four neighbouring bytes, those of w being unsigned (and a's signed) or
    // signed (unsigned).
    static F fromUnsigned8(const uint8_t* p) { return toFloat(widenBytes(p)); }
    static F fromLowNibble8(const uint8_t* p)
    {
        return toFloat(_mm512_and_si512(widenBytes(p), _mm512_set1_epi32(15)));
    }
    static F fromHighNibble8(const uint8_t* p) { return toFloat(_mm512_srli_epi32(widenBytes(p), 4)); }
    template <int n>
    static I shiftLeftInt(I v)
    {
        return _mm512_slli_epi32(v, n);
    }

    static I dotUnsigned(I sum, B w, const int8_t* a)
    {
        __asm__("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(w), "m"(four(a)));
        return sum;
    }
    static I dotSigned(I sum, B w, const uint8_t* a) { return _mm512_dpbusd_epi32(sum, repeat(a), w); }
    static I dotPairs(I sum, S w, const int16_t* a)
    {
        __asm__("vpdpwssd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(w), "m"(four(a)));
        return sum;
    }

private:
    typedef int32_t Four __attribute__((may_alias, aligned(1)));

    static const Four& four(const void* a) { return *static_cast<const Four*>(a); }
};

} // namespace

const CpuPath& avx512VnniPath()
{
    static constexpr CpuPath path = pathOf<VectorAvx512Vnni>("avx512-vnni");
    return path;
}

} // namespace cortex::kernels
