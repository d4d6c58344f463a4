// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/cpu/vectoravx2.h"

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace cortex::kernels {
namespace {

/// Sixteen lanes: AVX-512 F, BW, VL, DQ. See VectorPortable for what the members mean.
struct VectorAvx512 {
    static constexpr int lanes = 16;
    static constexpr int largestGroup = 16;
    static constexpr int largestDense = 8;
    static constexpr bool unsignedDot = false;

    using F = __m512;
    using I = __m512i;
    using B = __m512i;
    using S = __m512i;

    static F set(float x) { return _mm512_set1_ps(x); }
    static F load(const float* p) { return _mm512_loadu_ps(p); }
    static void store(float* p, F v) { _mm512_storeu_ps(p, v); }
    static F add(F a, F b) { return _mm512_add_ps(a, b); }
    static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
    static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
    static F div(F a, F b) { return _mm512_div_ps(a, b); }
    static F max(F a, F b) { return _mm512_max_ps(a, b); }
    static F min(F a, F b) { return _mm512_min_ps(a, b); }
    static F abs(F a) { return _mm512_abs_ps(a); }
    static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
    static F zeroBelow(F v, F x, float limit)
    {
        return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, set(limit), _CMP_GE_OQ), v);
    }
    static F round(F x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
    static F power2(F n)
    {
        const I exponent = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
        return _mm512_castsi512_ps(_mm512_slli_epi32(exponent, 23));
    }
    static float sum(F v) { return _mm512_reduce_add_ps(v); }
    static float largest(F v) { return _mm512_reduce_max_ps(v); }
    static F neighbour(F v) { return _mm512_permute_ps(v, 0xb1); }
    static F largestOfFour(F v)
    {
        const F pairs = max(v, neighbour(v));
        return max(pairs, _mm512_permute_ps(pairs, 0x4e));
    }

    static F fromHalf(const uint16_t* p)
    {
        return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    }
    static F fromBfloat(const uint16_t* p)
    {
        const I wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
        return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
    }
    static F fromExponent8(const uint8_t* p)
    {
        const I one = _mm512_set1_epi32(1);
        const I exponent = _mm512_sub_epi32(_mm512_max_epi32(widenBytes(p), one), one);
        return _mm512_castsi512_ps(_mm512_slli_epi32(exponent, 23));
    }

    static I setInt(int32_t x) { return _mm512_set1_epi32(x); }
    static I addInt(I a, I b) { return _mm512_add_epi32(a, b); }
    static F toFloat(I v) { return _mm512_cvtepi32_ps(v); }
    static F fromSigned8(const uint8_t* p)
    {
        return toFloat(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
    }
    static I storeCodes(int8_t* p, F v)
    {
        const I n = _mm512_cvtps_epi32(v);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(n));
        return n;
    }
    static void storeBlock(int8_t* p, const F (&values)[2])
    {
        storeCodes(p, values[0]);
        storeCodes(p + lanes, values[1]);
    }
    static CodeSums sumBlock(const int8_t* p) { return VectorAvx2::sumBlock(p); } // 32 codes fill half a register
    static void storeWords(int16_t* p, F v)
    {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(v)));
    }
    static void storeInterleaved(uint8_t* p, const float* x, float factor)
    {
        const __m128i bytes = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(mul(load(x), set(factor))));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm_unpacklo_epi8(bytes, _mm_srli_si128(bytes, 8)));
    }
    static int32_t sumInt(I v) { return _mm512_reduce_add_epi32(v); }

    static B loadBytes(const uint8_t* p) { return _mm512_loadu_si512(p); }
    static S loadWords(const int16_t* p) { return _mm512_loadu_si512(p); }
    static void saveWords(int16_t* p, S v) { _mm512_storeu_si512(p, v); }
    static B bytes(uint8_t x) { return _mm512_set1_epi8(char(x)); }
    static B addBytes(B a, B b) { return _mm512_add_epi8(a, b); }
    static B both(B a, B b) { return _mm512_and_si512(a, b); }
    static B either(B a, B b) { return _mm512_or_si512(a, b); }
    static B evenThenOdd(B a, B b) { return _mm512_mask_blend_epi8(0xaaaaaaaaaaaaaaaa, a, b); }
    template <int n>
    static B shiftRight(B v)
    {
        return _mm512_srli_epi16(v, n);
    }
    template <int n>
    static B shiftLeft(B v)
    {
        return _mm512_slli_epi16(v, n);
    }

    static B lookup(const uint8_t* table, B indices)
    {
        const __m128i entries = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
        return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(entries), indices);
    }

    static S pairsUnsigned(B w, const int8_t* a) { return _mm512_maddubs_epi16(w, repeat(a)); }
    static S pairsByUnsigned(B w, const uint8_t* a) { return _mm512_maddubs_epi16(repeat(a), w); }
    static I dotPairs(I sum, S w, const int16_t* a) { return settled(addInt(sum, _mm512_madd_epi16(w, repeat(a)))); }
    static S addPairs(S a, S b) { return _mm512_add_epi16(a, b); }
    static I multiplyPairs(S a, S b) { return _mm512_madd_epi16(a, b); }
    static S joinSigned8(const uint8_t* even, const uint8_t* odd)
    {
        const I a = _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(even)));
        const I b = _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(odd)));
        return _mm512_mask_blend_epi16(0xaaaaaaaa, a, _mm512_slli_epi32(b, 16));
    }
    static S repeatPair(const int16_t* pair) { return repeat(pair); }
    static I widen(S s) { return _mm512_madd_epi16(s, _mm512_set1_epi16(1)); }
    static B settled(B v)
    {
        __asm__("" : "+v"(v));
        return v;
    }

protected:
    static I widenBytes(const uint8_t* p)
    {
        return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    }
    static I repeat(const void* a)
    {
        int32_t four;
        std::memcpy(&four, a, 4);
        return _mm512_set1_epi32(four);
    }
};

} // namespace
} // namespace cortex::kernels
