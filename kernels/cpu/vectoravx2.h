// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/cpu/activations.h"

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace cortex::kernels {
namespace {

/// Eight lanes: AVX2, FMA, F16C. See VectorPortable for what the members mean.
struct VectorAvx2 {
    static constexpr int lanes = 8;
    static constexpr int largestGroup = 16;
    static constexpr int largestDense = 4;
    static constexpr bool unsignedDot = false;

    using F = __m256;
    using I = __m256i;
    using B = __m256i;
    using S = __m256i;

    static F set(float x) { return _mm256_set1_ps(x); }
    static F load(const float* p) { return _mm256_loadu_ps(p); }
    static void store(float* p, F v) { _mm256_storeu_ps(p, v); }
    static F add(F a, F b) { return _mm256_add_ps(a, b); }
    static F sub(F a, F b) { return _mm256_sub_ps(a, b); }
    static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
    static F div(F a, F b) { return _mm256_div_ps(a, b); }
    static F max(F a, F b) { return _mm256_max_ps(a, b); }
    static F min(F a, F b) { return _mm256_min_ps(a, b); }
    static F abs(F a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
    static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
    static F zeroBelow(F v, F x, float limit) { return _mm256_and_ps(v, _mm256_cmp_ps(x, set(limit), _CMP_GE_OQ)); }
    static F round(F x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
    static F power2(F n)
    {
        const I exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
        return _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23));
    }
    static float sum(F v)
    {
        __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
        s = _mm_add_ps(s, _mm_movehl_ps(s, s));
        return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
    }
    static float largest(F v)
    {
        __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
        m = _mm_max_ps(m, _mm_movehl_ps(m, m));
        return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
    }
    static F neighbour(F v) { return _mm256_permute_ps(v, 0xb1); }
    static F largestOfFour(F v)
    {
        const F pairs = max(v, neighbour(v));
        return max(pairs, _mm256_permute_ps(pairs, 0x4e));
    }

    static F fromHalf(const uint16_t* p)
    {
        return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    }
    static F fromBfloat(const uint16_t* p)
    {
        const I wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
        return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
    }
    static F fromExponent8(const uint8_t* p)
    {
        const I one = _mm256_set1_epi32(1);
        const I exponent = _mm256_sub_epi32(_mm256_max_epi32(widenBytes(p), one), one);
        return _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23));
    }

    static I setInt(int32_t x) { return _mm256_set1_epi32(x); }
    static I addInt(I a, I b) { return _mm256_add_epi32(a, b); }
    static F toFloat(I v) { return _mm256_cvtepi32_ps(v); }
    static F fromSigned8(const uint8_t* p)
    {
        return toFloat(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
    }
    static I storeCodes(int8_t* p, F v)
    {
        const I n = _mm256_cvtps_epi32(v);
        const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(n), _mm256_extracti128_si256(n, 1));
        _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(words, words));
        return n;
    }
    static void storeBlock(int8_t* p, const F (&values)[4])
    {
        const I first = _mm256_packs_epi32(_mm256_cvtps_epi32(values[0]), _mm256_cvtps_epi32(values[1]));
        const I second = _mm256_packs_epi32(_mm256_cvtps_epi32(values[2]), _mm256_cvtps_epi32(values[3]));
        const I fours = _mm256_packs_epi16(first, second); // 0, 2, 4, 6, 1, 3, 5, 7
        const I codes = _mm256_permutevar8x32_epi32(fours, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
        _mm256_storeu_si256(reinterpret_cast<I*>(p), codes);
    }
    static CodeSums sumBlock(const int8_t* p)
    {
        const I codes = _mm256_loadu_si256(reinterpret_cast<const I*>(p));
        I pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), codes);
        pairs = _mm256_add_epi16(pairs, _mm256_srli_si256(pairs, 8));
        pairs = _mm256_add_epi16(pairs, _mm256_srli_si256(pairs, 4));
        const int32_t halves[] = {_mm256_extract_epi32(pairs, 0), _mm256_extract_epi32(pairs, 4)};
        CodeSums sums;
        std::memcpy(&sums, halves, sizeof sums);
        return sums;
    }
    static void storeWords(int16_t* p, F v)
    {
        const I n = _mm256_cvtps_epi32(v);
        const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(n), _mm256_extracti128_si256(n, 1));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(p), words);
    }
    static void storeInterleaved(uint8_t* p, const float* x, float factor)
    {
        const I first = _mm256_cvtps_epi32(mul(load(x), set(factor)));
        const I second = _mm256_cvtps_epi32(mul(load(x + 8), set(factor)));
        const I both = _mm256_or_si256(first, _mm256_slli_epi32(second, 16));
        const I bytes = _mm256_permute4x64_epi64(_mm256_packus_epi16(both, both), 0x08);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_castsi256_si128(bytes));
    }
    static int32_t sumInt(I v)
    {
        __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
        s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
        return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
    }

    static B loadBytes(const uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const B*>(p)); }
    static S loadWords(const int16_t* p) { return _mm256_loadu_si256(reinterpret_cast<const S*>(p)); }
    static void saveWords(int16_t* p, S v) { _mm256_storeu_si256(reinterpret_cast<S*>(p), v); }
    static B bytes(uint8_t x) { return _mm256_set1_epi8(char(x)); }
    static B addBytes(B a, B b) { return _mm256_add_epi8(a, b); }
    static B both(B a, B b) { return _mm256_and_si256(a, b); }
    static B either(B a, B b) { return _mm256_or_si256(a, b); }
    static B evenThenOdd(B a, B b) { return _mm256_blendv_epi8(a, b, _mm256_set1_epi16(int16_t(0xff00))); }
    template <int n>
    static B shiftRight(B v)
    {
        return _mm256_srli_epi16(v, n);
    }
    template <int n>
    static B shiftLeft(B v)
    {
        return _mm256_slli_epi16(v, n);
    }

    static B lookup(const uint8_t* table, B indices)
    {
        const __m128i entries = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
        return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(entries), indices);
    }

    static S pairsUnsigned(B w, const int8_t* a) { return _mm256_maddubs_epi16(w, repeat(a)); }
    static S pairsByUnsigned(B w, const uint8_t* a) { return _mm256_maddubs_epi16(repeat(a), w); }
    static I dotPairs(I sum, S w, const int16_t* a) { return settled(addInt(sum, _mm256_madd_epi16(w, repeat(a)))); }
    static S addPairs(S a, S b) { return _mm256_add_epi16(a, b); }
    static I multiplyPairs(S a, S b) { return _mm256_madd_epi16(a, b); }
    static S joinSigned8(const uint8_t* even, const uint8_t* odd)
    {
        const __m128i a = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(even));
        const __m128i b = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(odd));
        return _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(a, b));
    }
    static S repeatPair(const int16_t* pair) { return repeat(pair); }
    static I widen(S s) { return _mm256_madd_epi16(s, _mm256_set1_epi16(1)); }

    static B settled(B v)
    {
        __asm__("" : "+x"(v));
        return v;
    }

private:
    static I widenBytes(const uint8_t* p)
    {
        return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    }
    static I repeat(const void* a)
    {
        int32_t four;
        std::memcpy(&four, a, 4);
        return _mm256_set1_epi32(four);
    }
};

} // namespace
} // namespace cortex::kernels
