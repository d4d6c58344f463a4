// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/quantize.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>

namespace cortex::kernels {

namespace {

/// Four at a time, in the vector extension of GCC and Clang: float sums in a fixed order that still run in parallel.
typedef float Lanes __attribute__((vector_size(16)));
constexpr int laneCount = 4;

Lanes load(const float* p)
{
    Lanes v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

Lanes splat(float x)
{
    return Lanes{x, x, x, x};
}

float sum(Lanes v)
{
    return (v[0] + v[2]) + (v[1] + v[3]);
}

/// The nearest whole number in low … high; halves to even.
Lanes nearest(Lanes v, float low, float high)
{
    v = v > splat(low) ? v : splat(low);
    v = v < splat(high) ? v : splat(high);
    const Lanes magic = splat(12582912.0f); // 1.5 · 2^23: no bits are left for a fraction
    return (v + magic) - magic;
}

int nearest(float v, int low, int high)
{
    return int(nearest(splat(v), float(low), float(high))[0]);
}

/// Groups whose largest value is below this become zeros: a float16 scale could not tell them from zero.
constexpr float smallest = 1e-15f;

/// The value of largest magnitude, with its sign; the first of equals.
float peakOf(const float* x, int count)
{
    float peak = 0;
    for (int i = 0; i < count; ++i)
        if (std::abs(x[i]) > std::abs(peak))
            peak = x[i];
    return peak;
}

/// 1 / scale; 0 for scales too small to be stored.
float inverseOf(float scale)
{
    return std::abs(scale) < smallest ? 0 : 1 / scale;
}

// Fits of one group: weights `w`, counts a multiple of four.
// ------------------------------------------------------------

/// A least-squares scale for given codes q: of the candidates that were tried, that with the largest share of
/// Σ w x² explained, (Σ w x q)² / Σ w q².
class BestScale {
public:
    void offer(Lanes products, Lanes squares)
    {
        const float product = sum(products), square = sum(squares);
        if (square > 0 && product * product > m_explained * square) {
            m_explained = product * product / square;
            m_scale = product / square;
        }
    }
    float scale() const { return m_scale; }

private:
    float m_explained = 0;
    float m_scale = 0;
};

/// Scale of codes −levels … levels − 1. The value of largest magnitude lands on −levels, a little before or beyond.
float fitSymmetric(const float* x, const float* w, int count, int levels)
{
    const float peak = peakOf(x, count);
    if (std::abs(peak) < smallest)
        return 0;
    BestScale best;
    for (int step = -9; step <= 9; ++step) {
        const Lanes inverse = splat(-(float(levels) + 0.1f * float(step)) / peak);
        Lanes products{}, squares{};
        for (int i = 0; i < count; i += laneCount) {
            const Lanes values = load(x + i);
            const Lanes q = nearest(inverse * values, float(-levels), float(levels - 1));
            const Lanes weighted = load(w + i) * q;
            products += weighted * values;
            squares += weighted * q;
        }
        best.offer(products, squares);
    }
    return best.scale();
}

/// value ≈ scale · code − minimum
struct AffineFit {
    float scale = 0;
    float minimum = 0; ///< not negative
};

/// Codes 0 … levels. The first candidates spread the values over `firstLevels` steps, the last over two more than that
/// (or less; steps of 0.1).
AffineFit fitAffine(const float* x, const float* w, int count, int levels, float firstLevels, int candidates)
{
    const auto [least, most] = std::minmax_element(x, x + count);
    const float low = std::min(*least, 0.0f), high = *most;
    if (high - low < smallest)
        return {0, -low};
    Lanes weightSum{}, valueSum{}, valueSquares{};
    for (int i = 0; i < count; i += laneCount) {
        const Lanes weight = load(w + i), values = load(x + i);
        weightSum += weight;
        valueSum += weight * values;
        valueSquares += weight * values * values;
    }
    const double weights = double(sum(weightSum)), sumX = double(sum(valueSum)), sumXX = double(sum(valueSquares));

    AffineFit best{(high - low) / float(levels), -low};
    double leastError = -1;
    const auto offer = [&](float inverse) {
        Lanes codes{}, squares{}, products{};
        for (int i = 0; i < count; i += laneCount) {
            const Lanes values = load(x + i);
            const Lanes q = nearest(splat(inverse) * (values - splat(low)), 0, float(levels));
            const Lanes weighted = load(w + i) * q;
            codes += weighted;
            squares += weighted * q;
            products += weighted * values;
        }
        const double sumQ = double(sum(codes)), sumQQ = double(sum(squares)), sumXQ = double(sum(products));
        const double determinant = weights * sumQQ - sumQ * sumQ;
        if (determinant <= 0)
            return;
        double scale = (weights * sumXQ - sumX * sumQ) / determinant;
        double offset = (sumQQ * sumX - sumQ * sumXQ) / determinant;
        if (offset > 0) {
            offset = 0;
            scale = sumXQ / sumQQ;
        }
        const double error = sumXX + scale * scale * sumQQ + offset * offset * weights
            + 2 * (scale * offset * sumQ - scale * sumXQ - offset * sumX);
        if (scale > 0 && (leastError < 0 || error < leastError)) {
            leastError = error;
            best = {float(scale), float(-offset)};
        }
    };
    offer(float(levels) / (high - low));
    for (int step = 0; step < candidates; ++step)
        offer((firstLevels + 0.1f * float(step)) / (high - low));
    return best;
}

/// Index of the entry of iq4Values that is nearest, in every lane.
using LaneIndices = decltype(Lanes{} < Lanes{});
LaneIndices nearestIq4(Lanes v)
{
    LaneIndices index{};
    for (int i = 0; i + 1 < 16; ++i)
        index -= v > splat(0.5f * float(iq4Values[i] + iq4Values[i + 1]));
    return index;
}

/// Scale of iq4Values: the value of largest magnitude lands near one of its ends.
float fitIq4(const float* x, const float* w, int count)
{
    const float peak = peakOf(x, count);
    if (std::abs(peak) < smallest)
        return 0;
    BestScale best;
    for (int step = -7; step <= 7; ++step) {
        const Lanes inverse = splat((float(iq4Values[0]) + float(step)) / peak);
        Lanes products{}, squares{};
        for (int i = 0; i < count; i += laneCount) {
            const Lanes values = load(x + i);
            const LaneIndices index = nearestIq4(inverse * values);
            const Lanes q{float(iq4Values[index[0]]), float(iq4Values[index[1]]), float(iq4Values[index[2]]),
                          float(iq4Values[index[3]])};
            const Lanes weighted = load(w + i) * q;
            products += weighted * values;
            squares += weighted * q;
        }
        best.offer(products, squares);
    }
    return best.scale();
}

// Weights: what an error of a value counts. ---------------------------------------------------------------------------

void squareWeights(const float* x, float* w, int count)
{
    for (int i = 0; i < count; ++i)
        w[i] = x[i] * x[i];
}

void magnitudeWeights(const float* x, float* w, int count, float offset)
{
    for (int i = 0; i < count; ++i)
        w[i] = offset + std::abs(x[i]);
}

float rootMeanSquare(const float* x, int count)
{
    float squares = 0;
    for (int i = 0; i < count; ++i)
        squares += x[i] * x[i];
    return std::sqrt(squares / float(count));
}

// Codes of scales that are settled. -----------------------------------------------------------------------------------

/// value ≈ scale · (code − zero)
void setSymmetricCodes(const float* x, int count, float scale, int zero, uint8_t* codes)
{
    const float inverse = inverseOf(scale);
    for (int i = 0; i < count; ++i)
        codes[i] = uint8_t(zero + nearest(inverse * x[i], -zero, zero - 1));
}

/// value ≈ scale · code − minimum
void setAffineCodes(const float* x, int count, float scale, float minimum, int levels, uint8_t* codes)
{
    const float inverse = inverseOf(scale);
    for (int i = 0; i < count; ++i)
        codes[i] = uint8_t(nearest(inverse * (x[i] + minimum), 0, levels));
}

void setIq4Codes(const float* x, int count, float scale, uint8_t* codes)
{
    const float inverse = inverseOf(scale);
    for (int i = 0; i < count; i += laneCount) {
        const LaneIndices index = nearestIq4(splat(inverse) * load(x + i));
        for (int lane = 0; lane < laneCount; ++lane)
            codes[i + lane] = uint8_t(index[lane]);
    }
}

// Scales of a super-block. --------------------------------------------------------------------------------------------

/// Writes scales as d · (−limit … limit − 1), the one of largest magnitude becoming −limit; returns d.
float setSignedScales(const float* scales, int count, int limit, RowBlock& block)
{
    block.scale = floatToHalf(peakOf(scales, count) / float(-limit));
    const float d = halfToFloat(block.scale);
    for (int i = 0; i < count; ++i)
        block.scales[i] = uint8_t(nearest(inverseOf(d) * scales[i], -limit, limit - 1));
    return d;
}

/// Writes values that are not negative as d · (0 … limit); returns d.
float setUnsignedScales(const float* values, int count, int limit, uint16_t& half, uint8_t* codes)
{
    half = floatToHalf(*std::max_element(values, values + count) / float(limit));
    const float d = halfToFloat(half);
    for (int i = 0; i < count; ++i)
        codes[i] = uint8_t(nearest(inverseOf(d) * values[i], 0, limit));
    return d;
}

// Blocks. -------------------------------------------------------------------------------------------------------------

/// Q4_0, Q5_0: the value of largest magnitude becomes code 0.
void quantizeSymmetric(const float* x, int zero, RowBlock& block)
{
    const float scale = peakOf(x, 32) / float(-zero);
    const float inverse = inverseOf(scale);
    block.scale = floatToHalf(scale);
    for (int i = 0; i < 32; ++i)
        block.codes[i] = uint8_t(std::min(2 * zero - 1, int(x[i] * inverse + (float(zero) + 0.5f))));
}

/// Q4_1, Q5_1: the least value becomes code 0, the largest `levels`.
void quantizeRange(const float* x, int levels, RowBlock& block)
{
    const auto [low, high] = std::minmax_element(x, x + 32);
    const float scale = (*high - *low) / float(levels);
    const float inverse = inverseOf(scale);
    block.scale = floatToHalf(scale);
    block.minimum = floatToHalf(*low);
    for (int i = 0; i < 32; ++i)
        block.codes[i] = uint8_t(std::min(levels, int((x[i] - *low) * inverse + 0.5f)));
}

void quantizeQ80(const float* x, RowBlock& block)
{
    const float scale = std::abs(peakOf(x, 32)) / 127;
    const float inverse = inverseOf(scale);
    block.scale = floatToHalf(scale);
    for (int i = 0; i < 32; ++i)
        block.codes[i] = uint8_t(int(std::round(x[i] * inverse)));
}

/// Q4_K, Q5_K: eight groups of 32, scales and minimums of six bits.
void quantizeAffineK(const float* x, int levels, float firstLevels, int candidates, RowBlock& block)
{
    float scales[8], minimums[8], weights[32];
    for (int part = 0; part < 8; ++part) {
        const float* values = x + 32 * part;
        magnitudeWeights(values, weights, 32, rootMeanSquare(values, 32));
        const AffineFit fit = fitAffine(values, weights, 32, levels, firstLevels, candidates);
        scales[part] = fit.scale;
        minimums[part] = fit.minimum;
    }
    const float d = setUnsignedScales(scales, 8, 63, block.scale, block.scales);
    const float dmin = setUnsignedScales(minimums, 8, 63, block.minimum, block.minimums);
    for (int part = 0; part < 8; ++part)
        setAffineCodes(x + 32 * part, 32, d * float(block.scales[part]), dmin * float(block.minimums[part]), levels,
                       block.codes + 32 * part);
}

/// Q2_K: sixteen groups of 16, scales and minimums of four bits.
void quantizeQ2K(const float* x, RowBlock& block)
{
    float scales[16], minimums[16], weights[16];
    for (int part = 0; part < 16; ++part) {
        magnitudeWeights(x + 16 * part, weights, 16, 0);
        const AffineFit fit = fitAffine(x + 16 * part, weights, 16, 3, 2.5f, 16);
        scales[part] = fit.scale;
        minimums[part] = fit.minimum;
    }
    const float d = setUnsignedScales(scales, 16, 15, block.scale, block.scales);
    const float dmin = setUnsignedScales(minimums, 16, 15, block.minimum, block.minimums);
    for (int part = 0; part < 16; ++part)
        setAffineCodes(x + 16 * part, 16, d * float(block.scales[part]), dmin * float(block.minimums[part]), 3,
                       block.codes + 16 * part);
}

/// Q3_K, Q6_K: sixteen groups of 16, signed scales.
void quantizeSymmetricK(const float* x, int zero, int scaleLimit, RowBlock& block)
{
    float scales[16], weights[16];
    for (int part = 0; part < 16; ++part) {
        squareWeights(x + 16 * part, weights, 16);
        scales[part] = fitSymmetric(x + 16 * part, weights, 16, zero);
    }
    const float d = setSignedScales(scales, 16, scaleLimit, block);
    for (int part = 0; part < 16; ++part)
        setSymmetricCodes(x + 16 * part, 16, d * float(int8_t(block.scales[part])), zero, block.codes + 16 * part);
}

void quantizeIq4Nl(const float* x, RowBlock& block)
{
    float weights[32];
    squareWeights(x, weights, 32);
    block.scale = floatToHalf(fitIq4(x, weights, 32));
    setIq4Codes(x, 32, halfToFloat(block.scale), block.codes);
}

void quantizeIq4Xs(const float* x, RowBlock& block)
{
    float scales[8], weights[32];
    for (int part = 0; part < 8; ++part) {
        squareWeights(x + 32 * part, weights, 32);
        scales[part] = fitIq4(x + 32 * part, weights, 32);
    }
    const float d = setSignedScales(scales, 8, 32, block);
    for (int part = 0; part < 8; ++part)
        setIq4Codes(x + 32 * part, 32, d * float(int8_t(block.scales[part])), block.codes + 32 * part);
}

/// The scale is the power of two that puts the largest value between 4 and 8 (of a format that ends at 6).
void quantizeMxfp4(const float* x, RowBlock& block)
{
    const float peak = std::abs(peakOf(x, 32));
    const int exponent = peak > 0 ? std::clamp(std::ilogb(peak) - 2 + 127, 0, 254) : 0;
    block.scales[0] = uint8_t(exponent);
    const float scale = halfPower2(block.scales[0]);
    for (int i = 0; i < 32; ++i) {
        float least = std::abs(x[i]);
        uint8_t code = 0;
        for (uint8_t c = 1; c < 16; ++c) {
            const float error = std::abs(scale * float(fp4Values[c]) - x[i]);
            if (error < least) {
                least = error;
                code = c;
            }
        }
        block.codes[i] = code;
    }
}

} // namespace

RowBlock quantizeBlock(Type type, const float* source)
{
    RowBlock block{};
    switch (type) {
    case Type::Q4_0:
        quantizeSymmetric(source, 8, block);
        break;
    case Type::Q4_1:
        quantizeRange(source, 15, block);
        break;
    case Type::Q5_0:
        quantizeSymmetric(source, 16, block);
        break;
    case Type::Q5_1:
        quantizeRange(source, 31, block);
        break;
    case Type::Q8_0:
        quantizeQ80(source, block);
        break;
    case Type::Q4_K:
        quantizeAffineK(source, 15, 14, 21, block);
        break;
    case Type::Q5_K:
        quantizeAffineK(source, 31, 30.5f, 16, block);
        break;
    case Type::Q6_K:
        quantizeSymmetricK(source, 32, 128, block);
        break;
    case Type::Q2_K:
        quantizeQ2K(source, block);
        break;
    case Type::Q3_K:
        quantizeSymmetricK(source, 4, 32, block);
        break;
    case Type::IQ4_NL:
        quantizeIq4Nl(source, block);
        break;
    case Type::IQ4_XS:
        quantizeIq4Xs(source, block);
        break;
    case Type::MXFP4:
        quantizeMxfp4(source, block);
        break;
    default:
        assert(false && "quantizeBlock is for block formats");
    }
    return block;
}

void quantize(Type type, const float* source, void* destination, int64_t count)
{
    auto* out = static_cast<uint8_t*>(destination);
    if (type == Type::F32) {
        std::memcpy(out, source, size_t(count) * 4);
        return;
    }
    if (type == Type::F16 || type == Type::BF16) {
        for (int64_t i = 0; i < count; ++i) {
            const uint16_t bits = type == Type::F16 ? floatToHalf(source[i]) : floatToBfloat(source[i]);
            std::memcpy(out + 2 * i, &bits, 2);
        }
        return;
    }
    const TypeTraits& t = traits(type);
    assert(t.isQuantized() && count % t.blockElements == 0);
    for (int64_t i = 0; i < count; i += t.blockElements, out += t.blockBytes)
        writeBlock(type, quantizeBlock(type, source + i), out);
}

bool allFinite(const float* values, int64_t count)
{
    // x − x is 0 for numbers and NaN for all else; the sum keeps a NaN.
    float sum = 0;
    for (int64_t i = 0; i < count; ++i)
        sum += values[i] - values[i];
    return sum == 0;
}

} // namespace cortex::kernels
