// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/cpu/activations.h"
#include "kernels/types.h"

#include <cstdint>
#include <cstring>

namespace cortex::kernels {
namespace {

/// Four lanes in the vector extension that GCC and Clang share; compiles to SSE2, NEON or plain code. Documents the
/// interface of all vector types:
///   F float lanes, I int32 lanes, B 4 · lanes bytes, S 2 · lanes int16.
struct VectorPortable {
    static constexpr int lanes = 4;
    static constexpr int largestGroup = 4; ///< rows of activations per product, a power of two
    static constexpr int largestDense = 4; ///< of them whose products with dense weights run side by side
    static constexpr bool unsignedDot = false; ///< there is what dotproducts.h wants (see VectorAvx512Vnni)

    typedef float F __attribute__((vector_size(16)));
    typedef int32_t I __attribute__((vector_size(16)));
    typedef uint32_t U __attribute__((vector_size(16)));
    typedef uint16_t B __attribute__((vector_size(16)));
    typedef int16_t S __attribute__((vector_size(16)));

    static F set(float x) { return F{x, x, x, x}; }
    static F load(const float* p)
    {
        F v;
        std::memcpy(&v, p, sizeof v);
        return v;
    }
    static void store(float* p, F v) { std::memcpy(p, &v, sizeof v); }
    static F add(F a, F b) { return a + b; }
    static F sub(F a, F b) { return a - b; }
    static F mul(F a, F b) { return a * b; }
    static F div(F a, F b) { return a / b; }
    static F max(F a, F b) { return a > b ? a : b; }
    static F min(F a, F b) { return a < b ? a : b; }
    static F abs(F a) { return F(U(a) & 0x7fffffffu); }
    /// a · b + c, rounded once where the machine does that fast.
    static F fma(F a, F b, F c)
    {
#if defined(__FP_FAST_FMAF)
        return F{__builtin_fmaf(a[0], b[0], c[0]), __builtin_fmaf(a[1], b[1], c[1]), __builtin_fmaf(a[2], b[2], c[2]),
                 __builtin_fmaf(a[3], b[3], c[3])};
#else
        return a * b + c;
#endif
    }
    /// v where x ≥ limit, else 0.
    static F zeroBelow(F v, F x, float limit)
    {
        return F(I(v) & I(x >= set(limit)));
    }
    /// To the nearest integer, halves to even; |x| < 2^22.
    static F round(F x)
    {
        const F magic = set(12582912.0f);
        return (x + magic) - magic;
    }
    /// 2^n for integral n in −126 … 127.
    static F power2(F n)
    {
        return F((__builtin_convertvector(n, I) + 127) << 23);
    }
    static float sum(F v)
    {
        return (v[0] + v[2]) + (v[1] + v[3]);
    }
    static float largest(F v)
    {
        const float a = v[0] > v[1] ? v[0] : v[1];
        const float b = v[2] > v[3] ? v[2] : v[3];
        return a > b ? a : b;
    }
    /// Lanes 1, 0, 3, 2 …
    static F neighbour(F v)
    {
        return F{v[1], v[0], v[3], v[2]};
    }
    /// In each lane the largest of its four.
    static F largestOfFour(F v)
    {
        return set(largest(v));
    }

    static F fromHalf(const uint16_t* p)
    {
        const U bits{p[0], p[1], p[2], p[3]};
        const U magnitude = (bits & 0x7fffu) << 13;
        const U special = U(magnitude >= U(set(0)) + 0x0f800000u) & 0x7f800000u;
        const U scaled = U(F(magnitude) * set(0x1p112f));
        return F(scaled | special | (bits & 0x8000u) << 16);
    }
    static F fromBfloat(const uint16_t* p)
    {
        return F(U{p[0], p[1], p[2], p[3]} << 16);
    }
    /// halfPower2 of four bytes; 0 for exponents below 2, whose powers are subnormal.
    static F fromExponent8(const uint8_t* p)
    {
        const I exponent{p[0], p[1], p[2], p[3]};
        return F((exponent > 1 ? exponent - 1 : I{}) << 23);
    }

    static I setInt(int32_t x)
    {
        return I{x, x, x, x};
    }
    static I addInt(I a, I b)
    {
        return a + b;
    }
    static F toFloat(I v)
    {
        return __builtin_convertvector(v, F);
    }
    /// Of `lanes` signed bytes.
    static F fromSigned8(const uint8_t* p)
    {
        return F{float(int8_t(p[0])), float(int8_t(p[1])), float(int8_t(p[2])), float(int8_t(p[3]))};
    }
    /// Rounds to int8 (the values are within range); returns the lanes as integers.
    static I storeCodes(int8_t* p, F v)
    {
        const I n = __builtin_convertvector(round(v), I);
        for (int i = 0; i < lanes; ++i)
            p[i] = int8_t(n[i]);
        return n;
    }
    /// Rounds 32 values, likewise.
    static void storeBlock(int8_t* p, const F (&values)[32 / lanes])
    {
        for (int i = 0; i < 32 / lanes; ++i)
            storeCodes(p + i * lanes, values[i]);
    }
    /// Of 32 codes.
    static CodeSums sumBlock(const int8_t* p)
    {
        CodeSums sums{};
        for (int i = 0; i < 32; ++i)
            sums.pairs[i / 16][i / 2 % 2] = int16_t(sums.pairs[i / 16][i / 2 % 2] + p[i]);
        return sums;
    }
    /// Rounds to int16 (the values are within range).
    static void storeWords(int16_t* p, F v)
    {
        const I n = __builtin_convertvector(round(v), I);
        for (int i = 0; i < lanes; ++i)
            p[i] = int16_t(n[i]);
    }
    /// Rounds x[0], x[8], x[1], x[9] … x[15], times the factor, to bytes (the values are within range).
    static void storeInterleaved(uint8_t* p, const float* x, float factor)
    {
        for (int i = 0; i < 16; i += lanes) {
            const I n = __builtin_convertvector(round(load(x + i) * factor), I);
            for (int k = 0; k < lanes; ++k)
                p[(i + k) % 8 * 2 + i / 8] = uint8_t(n[k]);
        }
    }
    static int32_t sumInt(I v)
    {
        return v[0] + v[1] + v[2] + v[3];
    }

    static B loadBytes(const uint8_t* p)
    {
        B v;
        std::memcpy(&v, p, sizeof v);
        return v;
    }
    static S loadWords(const int16_t* p)
    {
        S v;
        std::memcpy(&v, p, sizeof v);
        return v;
    }
    static void saveWords(int16_t* p, S v)
    {
        std::memcpy(p, &v, sizeof v);
    }
    /// Byte by byte; what overflows is lost.
    static B addBytes(B a, B b)
    {
        return ((a & 0x7f7f) + (b & 0x7f7f)) ^ ((a ^ b) & uint16_t(0x8080));
    }
    static B bytes(uint8_t x)
    {
        return B{} + uint16_t(x * 0x101);
    }
    static B both(B a, B b)
    {
        return a & b;
    }
    static B either(B a, B b)
    {
        return a | b;
    }
    /// The even bytes of a, the odd ones of b.
    static B evenThenOdd(B a, B b)
    {
        return (a & 0xff) | (b & 0xff00);
    }
    /// Shift pairs of bytes; callers mask what crosses over.
    template <int n>
    static B shiftRight(B v)
    {
        return v >> n;
    }
    template <int n>
    static B shiftLeft(B v)
    {
        return v << n;
    }

    /// Replaces every byte, which is below sixteen, by that entry of a table of sixteen.
    static B lookup(const uint8_t* table, B indices)
    {
        uint8_t bytes[4 * lanes];
        std::memcpy(bytes, &indices, sizeof bytes);
        for (uint8_t& byte : bytes)
            byte = table[byte];
        return loadBytes(bytes);
    }

    /// Sums of neighbouring products: int16 lane i = w[2i] · a[2i] + w[2i + 1] · a[2i + 1], a being four codes
    /// repeated.
    static S pairsUnsigned(B w, const int8_t* a)
    {
        const B x = B(repeat(a));
        return S(w & 0xff) * evenSigned(x) + S(w >> 8) * oddSigned(x);
    }
    /// Likewise, of signed bytes with unsigned ones.
    static S pairsByUnsigned(B w, const uint8_t* a)
    {
        const B x = B(repeat(a));
        return evenSigned(w) * S(x & 0xff) + oddSigned(w) * S(x >> 8);
    }
    /// Lane i of sum + w[2i] · a[0] + w[2i + 1] · a[1].
    static I dotPairs(I sum, S w, const int16_t* a)
    {
        return sum + (I(w) << 16 >> 16) * int32_t(a[0]) + (I(w) >> 16) * int32_t(a[1]);
    }
    /// What overflows is lost.
    static S addPairs(S a, S b)
    {
        return S(B(a) + B(b));
    }
    /// Adds neighbouring products of int16 lanes.
    static I multiplyPairs(S a, S b)
    {
        return (I(a) << 16 >> 16) * (I(b) << 16 >> 16) + (I(a) >> 16) * (I(b) >> 16);
    }
    /// `lanes` signed bytes in the even int16 lanes, and as many in the odd ones.
    static S joinSigned8(const uint8_t* even, const uint8_t* odd)
    {
        S joined;
        for (int i = 0; i < lanes; ++i) {
            joined[2 * i] = int8_t(even[i]);
            joined[2 * i + 1] = int8_t(odd[i]);
        }
        return joined;
    }
    /// Two numbers in all pairs of lanes.
    static S repeatPair(const int16_t* pair)
    {
        S repeated;
        for (int i = 0; i < 2 * lanes; ++i)
            repeated[i] = pair[i % 2];
        return repeated;
    }
    /// Adds neighbouring int16 lanes.
    static I widen(S s)
    {
        return (I(s) << 16 >> 16) + (I(s) >> 16);
    }
    /// v, S or I, which the compiler is to compute before it goes on. GCC 12 would rather add up a block's products in
    /// a tree, and keep all of them in memory until then.
    template <class Integers>
    static Integers settled(Integers v)
    {
        return v;
    }

private:
    /// The signed bytes at even, and at odd places.
    static S evenSigned(B v)
    {
        return S(v << 8) >> 8;
    }
    static S oddSigned(B v)
    {
        return S(v) >> 8;
    }
    static S repeat(const void* a)
    {
        int32_t four;
        std::memcpy(&four, a, 4);
        return S(setInt(four));
    }
};

} // namespace
} // namespace cortex::kernels
