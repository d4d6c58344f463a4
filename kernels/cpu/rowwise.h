// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/cpu/activations.h"
#include "kernels/device.h"

// Operations on single rows of activations, for any vector type V. Included by the path*.cpp files only; see
// products.h.

namespace cortex::kernels {
namespace {

/// e^x within two units in the last place; 0 below −87, exactly 1 at 0. Cody and Waite's reduction by ln 2 in two
/// parts, then a polynomial of degree six on |r| ≤ ln 2 / 2.
template <class V>
typename V::F exponential(typename V::F x)
{
    using F = typename V::F;
    const F clamped = V::min(V::max(x, V::set(-87.3f)), V::set(88.3f));
    const F n = V::round(V::mul(clamped, V::set(1.44269504f)));
    F r = V::fma(n, V::set(-0.693359375f), clamped);
    r = V::fma(n, V::set(2.12194440e-4f), r);
    F p = V::set(1.0f / 720);
    p = V::fma(p, r, V::set(1.0f / 120));
    p = V::fma(p, r, V::set(1.0f / 24));
    p = V::fma(p, r, V::set(1.0f / 6));
    p = V::fma(p, r, V::set(0.5f));
    p = V::fma(p, r, V::set(1.0f));
    p = V::fma(p, r, V::set(1.0f));
    return V::zeroBelow(V::mul(p, V::power2(n)), x, -87.3f);
}

/// Applies `kernel` to whole vectors of `count` elements and, through a padded copy, to the rest.
template <class V, class Kernel>
void forEachVector(float* out, const float* x, const float* y, int64_t count, Kernel kernel)
{
    int64_t i = 0;
    for (; i + V::lanes <= count; i += V::lanes)
        V::store(out + i, kernel(V::load(x + i), V::load(y + i)));
    if (i == count)
        return;
    float a[V::lanes] = {}, b[V::lanes] = {};
    for (int64_t k = i; k < count; ++k) {
        a[k - i] = x[k];
        b[k - i] = y[k];
    }
    V::store(a, kernel(V::load(a), V::load(b)));
    for (int64_t k = i; k < count; ++k)
        out[k] = a[k - i];
}

template <class V>
void addRows(float* x, const float* y, int64_t count)
{
    forEachVector<V>(x, x, y, count, [](typename V::F a, typename V::F b) { return V::add(a, b); });
}

template <class V>
void gateRows(Activation activation, float* out, const float* gate, const float* up, int64_t count)
{
    using F = typename V::F;
    // Both are x · sigmoid(z): SiLU with z = x, tanh-GELU with z = 2 √(2/π) (x + 0.044715 x³).
    const auto gated = [](F x, F z, F u) {
        const F one = V::set(1);
        return V::mul(V::div(x, V::add(one, exponential<V>(V::sub(V::set(0), z)))), u);
    };
    if (activation == Activation::Silu) {
        forEachVector<V>(out, gate, up, count, [&](F x, F u) { return gated(x, x, u); });
    } else {
        forEachVector<V>(out, gate, up, count, [&](F x, F u) {
            const F cubic = V::fma(V::mul(V::mul(x, x), x), V::set(0.044715f), x);
            return gated(x, V::mul(cubic, V::set(1.5957691216f)), u);
        });
    }
}

template <class V>
void gateSigmoidRows(float* x, const float* gate, int64_t count)
{
    forEachVector<V>(x, x, gate, count, [](typename V::F a, typename V::F g) {
        return V::div(a, V::add(V::set(1), exponential<V>(V::sub(V::set(0), g))));
    });
}

template <class V>
void softmaxRow(float* out, const float* x, int64_t count)
{
    float largest = -__builtin_inff();
    for (int64_t i = 0; i < count; ++i)
        largest = x[i] > largest ? x[i] : largest;
    const typename V::F top = V::set(largest);
    forEachVector<V>(out, x, x, count,
                     [top](typename V::F a, typename V::F) { return exponential<V>(V::sub(a, top)); });
    float sum = 0;
    for (int64_t i = 0; i < count; ++i)
        sum += out[i];
    const typename V::F inverse = V::set(1.0f / sum);
    forEachVector<V>(out, out, out, count, [inverse](typename V::F a, typename V::F) { return V::mul(a, inverse); });
}

template <class V>
void normalizeRow(float* out, const float* x, const float* weight, int64_t columns, float epsilon)
{
    using F = typename V::F;
    F even = V::set(0), odd = V::set(0);
    int64_t i = 0;
    for (; i + 2 * V::lanes <= columns; i += 2 * V::lanes) {
        const F a = V::load(x + i), b = V::load(x + i + V::lanes);
        even = V::fma(a, a, even);
        odd = V::fma(b, b, odd);
    }
    float sum = V::sum(V::add(even, odd));
    for (; i < columns; ++i)
        sum += x[i] * x[i];
    const F factor = V::set(1.0f / __builtin_sqrtf(sum / float(columns) + epsilon));
    forEachVector<V>(out, x, weight, columns, [factor](F a, F w) { return V::mul(V::mul(a, factor), w); });
}

template <class V>
void rotateHead(float* x, const float* cosines, const float* sines, int64_t pairs, RopePairing pairing)
{
    if (pairing == RopePairing::HalfSplit) {
        float* __restrict first = x;
        float* __restrict second = x + pairs;
        for (int64_t i = 0; i < pairs; ++i) {
            const float a = first[i], b = second[i];
            first[i] = a * cosines[i] - b * sines[i];
            second[i] = a * sines[i] + b * cosines[i];
        }
    } else {
        for (int64_t i = 0; i < pairs; ++i) {
            const float a = x[2 * i], b = x[2 * i + 1];
            x[2 * i] = a * cosines[i] - b * sines[i];
            x[2 * i + 1] = a * sines[i] + b * cosines[i];
        }
    }
}

template <class V>
void storeSums(float* out, int64_t stride, const float* sums, int rows, int columns, const float* bias, bool accumulate)
{
    for (int row = 0; row < rows; ++row, out += stride, sums += V::lanes) {
        const float* tile = sums; // this row of it
        int column = 0;
        for (; column + V::lanes <= columns; column += V::lanes, tile += rows * V::lanes) {
            typename V::F value = V::load(tile);
            if (bias)
                value = V::add(value, V::load(bias + column));
            V::store(out + column, accumulate ? V::add(V::load(out + column), value) : value);
        }
        for (; column < columns; ++column, ++tile) {
            const float value = bias ? *tile + bias[column] : *tile;
            out[column] = accumulate ? out[column] + value : value;
        }
    }
}

template <class V>
float largestMagnitude(const float* x, int64_t columns)
{
    typename V::F largest = V::set(0);
    for (int64_t i = 0; i < columns; i += V::lanes)
        largest = V::max(largest, V::abs(V::load(x + i)));
    return V::largest(largest);
}

/// A magnitude that codes can be divided by: 0 for less, whose inverse is none.
inline float usableMagnitude(float magnitude)
{
    return magnitude > 1e-30f ? magnitude : 0;
}

/// Writes 32 codes x · inverse; returns their sums (CodeSums).
template <class V>
CodeSums quantizeCodes(int8_t* codes, const float* x, float inverse)
{
    typename V::F values[32 / V::lanes];
    for (int i = 0; i < 32 / V::lanes; ++i)
        values[i] = V::mul(V::load(x + i * V::lanes), V::set(inverse));
    V::storeBlock(codes, values);
    return V::sumBlock(codes);
}

template <class V>
void quantizeBlocks(ActivationBlock* blocks, int stride, const float* x, int64_t columns)
{
    for (int64_t column = 0; column < columns; column += 32, x += 32, blocks += stride) {
        const float magnitude = usableMagnitude(largestMagnitude<V>(x, 32));
        const auto sums = quantizeCodes<V>(blocks->codes, x, magnitude > 0 ? 127 / magnitude : 0);
        for (int half = 0; half < 2; ++half)
            blocks->negatedSums[half] = -sums.ofHalf(half);
        blocks->scale = magnitude / 127;
        blocks->scaledSum = blocks->scale * float(sums.ofAll());
    }
}

/// A block's codes reach 127, or almost: its factor is rounded up.
template <class V>
void quantizeFactored(FactoredBlock* blocks, int stride, const float* x, int64_t columns)
{
    constexpr float most = FactoredBlock::largestFactor;
    const float magnitude = usableMagnitude(largestMagnitude<V>(x, columns));
    const float scale = magnitude / (127 * most);
    for (int64_t column = 0; column < columns; column += 32, x += 32, blocks += stride) {
        const float part = magnitude > 0 ? largestMagnitude<V>(x, 32) / magnitude : 0;
        const int32_t factor = part > 0 ? int32_t(__builtin_ceilf(part * most)) : 0; // part: NaN beside infinity
        const auto sums = quantizeCodes<V>(blocks->codes, x, factor > 0 ? 127 / magnitude * (most / float(factor)) : 0);
        blocks->factor[0] = blocks->factor[1] = int16_t(factor);
        blocks->sum = float(factor) * float(sums.ofAll());
        blocks->scale = scale;
    }
}

template <class V>
void quantizeSuperBlocks(ActivationPart* parts, int stride, const float* x, int64_t columns)
{
    for (int64_t column = 0; column < columns; column += 256) {
        const float magnitude = usableMagnitude(largestMagnitude<V>(x, 256));
        for (int part = 0; part < 8; ++part, x += 32, parts += stride) {
            const auto sums = quantizeCodes<V>(parts->codes, x, magnitude > 0 ? 127 / magnitude : 0);
            parts->scale = magnitude / 127;
            for (int half = 0; half < 2; ++half)
                for (int i = 0; i < 2; ++i)
                    parts->centres[half][i] = int16_t(-32 * sums.pairs[half][i]);
            ActivationPart& even = *(parts - part % 2 * stride);
            even.negatedSums[part % 2] = int16_t(-sums.ofAll());
        }
    }
}

/// What decides a factor of eights (see there): the largest sum of a lane's four columns of one sign, for the columns
/// i % 16 / 4 of all lanes.
template <class V>
typename V::F laneMagnitude(typename V::F first, typename V::F second)
{
    const auto zero = V::set(0);
    const auto positive = V::add(V::max(first, zero), V::max(second, zero));
    const auto negative = V::add(V::min(first, zero), V::min(second, zero));
    return V::largestOfFour(
        V::max(V::add(positive, V::neighbour(positive)), V::abs(V::add(negative, V::neighbour(negative)))));
}

template <class V>
void quantizeEights(ActivationEights* units, int stride, const float* x, int64_t columns)
{
    using F = typename V::F;
    // Four codes grow by a half each at most when they are rounded; sums below 129 are 128. The last bits are kept
    // clear of what multiplying rounds.
    constexpr float limit = 127 * (1 - 0x1p-21f), most = ActivationEights::largestFactor;
    F largest = V::set(0);
    for (int64_t column = 0; column < columns; column += 32)
        for (int64_t i = column; i < column + 16; i += V::lanes)
            largest = V::max(largest, laneMagnitude<V>(V::load(x + i), V::load(x + 16 + i)));
    const float magnitude = usableMagnitude(V::largest(largest));
    const F part = V::set(magnitude > 0 ? (most - 1) / magnitude : 0);
    const F inverse = V::set(magnitude > 0 ? most / magnitude * limit : 0);
    for (int64_t column = 0; column < columns; column += 32, x += 32, units += stride) {
        F sum = V::set(0);
        int16_t factors[16];
        for (int i = 0; i < 16; i += V::lanes) {
            const F values[] = {V::load(x + i), V::load(x + 16 + i)};
            // Rounded up. This bound, and those of codes, are for what is no number.
            const F factor =
                V::min(V::add(V::round(V::mul(laneMagnitude<V>(values[0], values[1]), part)), V::set(1)), V::set(most));
            V::storeWords(factors + i, factor);
            const F scale = V::div(inverse, factor);
            for (int half = 0; half < 2; ++half) {
                const F code = V::min(V::max(V::mul(values[half], scale), V::set(-127)), V::set(127));
                sum = V::fma(V::toFloat(V::storeCodes(units->codes + 16 * half + i, code)), factor, sum);
            }
        }
        for (int i = 0; i < 16; i += 4)
            units->factors[i / 4][0] = units->factors[i / 4][1] = factors[i];
        units->start = -128 * int32_t(V::sum(sum)); // a whole number of 24 bits
        units->scale = magnitude / (most * limit);
    }
}

template <class V>
void quantizeRow(ActivationFormat format, void* units, int stride, const float* x, int64_t columns)
{
    switch (format) {
    case ActivationFormat::Blocks:
        return quantizeBlocks<V>(static_cast<ActivationBlock*>(units), stride, x, columns);
    case ActivationFormat::Factored:
        return quantizeFactored<V>(static_cast<FactoredBlock*>(units), stride, x, columns);
    case ActivationFormat::SuperBlocks:
        return quantizeSuperBlocks<V>(static_cast<ActivationPart*>(units), stride, x, columns);
    case ActivationFormat::Eights:
        return quantizeEights<V>(static_cast<ActivationEights*>(units), stride, x, columns);
    case ActivationFormat::Dense:
        return;
    }
}

} // namespace
} // namespace cortex::kernels
