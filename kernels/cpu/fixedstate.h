// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/cpu/attention.h"
#include "kernels/cpu/kvnumbers.h"

#include <type_traits>

// What attention over a 16-bit cache keeps of a task, for any vector type V. Included by the path*.cpp files only; see
// products.h.

namespace cortex::kernels {
namespace {

/// What a query's integers stand for.
struct FixedQuery {
    float near; ///< of a unit of the int16 product with a key's number
    float far; ///< of a unit of the int8 product with a key's upper byte
    float farOffset; ///< an upper byte stands for the middle of what it may be: half its unit more
    int32_t farStart; ///< takes away what upper bytes have too much
};

/// A vector's weights of a far span: a byte each and a factor per tile, such that a tile's weighted sum of bytes fits
/// what it is summed in.
template <class V>
struct FarWeights {
    static constexpr int tiles = AttentionTask::span / KvTile::positions;
    struct Pair {
        int16_t words[2]; ///< the same twice
    };
    /// Sums in int32 become floats tile by tile; pairs in int16 are multiplied by the factor as they are widened.
    using Factor = std::conditional_t<V::unsignedDot, float, Pair>;

    uint8_t codes[AttentionTask::span]; ///< tile by tile, in the order of a tile's values
    Factor factors[tiles];
};

/// A task's scratch memory: the queries, rounded, and the partial results.
template <class V>
class FixedState {
public:
    static constexpr int span = AttentionTask::span;
    static constexpr int group = 16; ///< vectors whose numbers lie side by side; no bundle reaches into the next group
    /// Vectors that pass by together, by as many registers of positions or columns: what has sums in registers.
    static constexpr int bundle = V::lanes == 16 ? 16 : 4;
    static constexpr int wide = V::lanes == 16 ? 1 : 2;
    /// Dimensions whose int16 products are summed before they become a float. A query's numbers there have a norm of
    /// 8000 at most and a key's one of 32767 · 8, so that by Cauchy and Schwarz the sum stays below 2^31.
    static constexpr int segment = 64;
    static constexpr float segmentNorm = 8000;
    /// Dimensions whose int8 products with a key's upper bytes are summed in int16: 16 to a lane, 32 in all. The
    /// positive ones of a query's numbers add up to farSum at most, rounding (8 at most) left aside, and so do the
    /// negative ones: 127 · 258 fits.
    static constexpr int farRun = 32;
    static constexpr float farSum = 250;
    /// Positions whose int16 weights times values are summed before they become a float.
    static constexpr int nearRun = 64;
    static constexpr int64_t valuePiece = AttentionTask::valuePiece;

    FixedState(const AttentionTask& task, float* spanPartials, int64_t stride)
        : columns(paddedHead(task.headDim))
        , partials(spanPartials)
        , partialStride(stride)
    {
        float* memory = task.scratch;
        const auto take = [&memory](int64_t floats) {
            float* taken = memory;
            memory += floats;
            return taken;
        };
        scores = take(attentionScores(task.headDim));
        weights = reinterpret_cast<int16_t*>(take(AttentionTask::maxVectors * span / 2));
        units = take(AttentionTask::maxVectors);
        offsets = take(AttentionTask::maxVectors);
        joined = reinterpret_cast<int16_t*>(take(attentionJoined(task.headDim) / 2));
        m_codes = reinterpret_cast<int8_t*>(take(AttentionTask::maxVectors * columns / 4));
        m_words = reinterpret_cast<int16_t*>(take(AttentionTask::maxVectors * columns / 2));
        ownPartials = take(2 * AttentionTask::maxVectors * attentionPartial(task.headDim));
        if (!partials)
            partials = ownPartials;
        for (int v = 0; v < task.vectors; ++v)
            prepare(task, v);
    }

    /// Of the bundle that begins at a vector: four columns of each vector side by side, `group` vectors to a row.
    const int8_t* codes(int vector) const { return m_codes + vector / group * group * columns + vector % group * 4; }
    /// Likewise, pairs of columns: of each four the first and third, then the others.
    const int16_t* queryWords(int vector) const
    {
        return m_words + vector / group * group * columns + vector % group * 2;
    }
    float* partial(int vector) const { return partials + vector * partialStride; }
    FarWeights<V>& farWeights(int vector) const
    {
        static_assert(sizeof(FarWeights<V>) <= span * sizeof(int16_t));
        return *reinterpret_cast<FarWeights<V>*>(weights + vector * span);
    }

    int64_t columns;
    float* partials;
    int64_t partialStride;
    float* ownPartials;
    float* scores; ///< [maxVectors][span]
    int16_t* weights; ///< [maxVectors][span]; of a far span FarWeights
    float* units; ///< [maxVectors]: of sums of weights times values
    float* offsets; ///< [maxVectors]: what is missing in those of a far span; see FixedQuery::farOffset
    int16_t* joined; ///< whole numbers: a tile's keys, or some columns of a span's values; see nearattention.h
    FixedQuery queries[AttentionTask::maxVectors];

private:
    int8_t* m_codes; ///< [vectors / group][columns / 4][group][4]
    int16_t* m_words; ///< [vectors / group][columns / 2][group][2]

    void prepare(const AttentionTask& task, int v)
    {
        float* x = scores; // not in use yet
        copyPadded(x, task.queries[v], task.headDim, columns);
        spread<V>(x, x + columns, task.headDim);
        const float unit = task.scale / float(spreadRun(task.headDim));
        prepareNear(x, unit, v);
        if (task.positions[v] / span >= AttentionTask::nearSpans)
            prepareFar(x, unit, v);
    }

    void prepareNear(const float* x, float unit, int v)
    {
        int16_t* numbers = weights; // likewise
        float norm = 0;
        for (int64_t begin = 0; begin < columns; begin += segment) {
            const int64_t count = columns - begin < segment ? columns - begin : segment;
            const float squares = dotProduct<V>(x + begin, x + begin, count);
            norm = squares > norm ? squares : norm;
        }
        norm = __builtin_sqrtf(norm);
        queries[v].near = norm / segmentNorm * unit;
        storeScaled<V>(numbers, x, inverseOrZero(segmentNorm, norm), columns);
        int16_t* to = m_words + v / group * group * columns + v % group * 2;
        for (int64_t d = 0; d < columns; d += 4, to += 4 * group)
            for (int i = 0; i < 2; ++i) {
                to[2 * group * i] = numbers[d + i];
                to[2 * group * i + 1] = numbers[d + i + 2];
            }
    }

    void prepareFar(const float* x, float unit, int v)
    {
        auto* bytes = reinterpret_cast<int8_t*>(weights); // likewise
        const float largest = farBound(x);
        const typename V::F factor = V::set(inverseOrZero(127, largest));
        typename V::I sum = V::setInt(0);
        for (int64_t d = 0; d < columns; d += V::lanes)
            sum = V::addInt(sum, V::storeCodes(bytes + d, V::mul(V::load(x + d), factor)));
        int8_t* code = m_codes + v / group * group * columns + v % group * 4;
        for (int64_t d = 0; d < columns; d += 4, code += 4 * group)
            __builtin_memcpy(code, bytes + d, 4);
        queries[v].far = largest / 127 * 256 * unit;
        queries[v].farOffset = queries[v].far * 0.5f * float(V::sumInt(sum));
        queries[v].farStart = -KvNumbers<V>::keyZero * V::sumInt(sum);
    }

    /// What is to become 127 at most in a query's bytes: the largest magnitude, and what sums in int16 ask for.
    float farBound(const float* x) const
    {
        float largest = largestMagnitude<V>(x, columns);
        if constexpr (!V::unsignedDot)
            for (int64_t begin = 0; begin < columns; begin += farRun) {
                const int64_t count = columns - begin < farRun ? columns - begin : farRun;
                const float sum = laneSum(x + begin, count) * (127 / farSum);
                largest = sum > largest ? sum : largest;
            }
        return largest;
    }

    /// The largest sum of the positive, or magnitude of that of the negative ones, that come to one lane of int16.
    static float laneSum(const float* x, int64_t count)
    {
        using F = typename V::F;
        const F zero = V::set(0);
        F positive = zero, negative = zero;
        for (int64_t d = 0; d < count; d += V::lanes) {
            positive = V::add(positive, V::max(V::load(x + d), zero));
            negative = V::add(negative, V::max(V::sub(zero, V::load(x + d)), zero));
        }
        float byPlace[2][V::lanes], sums[2][2] = {};
        V::store(byPlace[0], positive);
        V::store(byPlace[1], negative);
        for (int i = 0; i < V::lanes; ++i) {
            sums[0][i / 2 % 2] += byPlace[0][i];
            sums[1][i / 2 % 2] += byPlace[1][i];
        }
        const float first = sums[0][0] > sums[0][1] ? sums[0][0] : sums[0][1];
        const float second = sums[1][0] > sums[1][1] ? sums[1][0] : sums[1][1];
        return first > second ? first : second;
    }
};

/// The tiles of a span that a task sees, and the scales of their values.
struct SpanTiles {
    static constexpr int most = AttentionTask::span / KvTile::positions;
    int begin; ///< tiles before it are out of every window
    int end;
    KvTile tiles[most];
    float valueScales[AttentionTask::span];

    SpanTiles(const AttentionTask& task, int span)
    {
        const int start = span * AttentionTask::span;
        const int seen = task.positions[task.vectors - 1] + 1 - start;
        const int oldest = task.window > 0 ? task.positions[0] - task.window + 1 - start : 0;
        begin = oldest > 0 ? oldest / KvTile::positions : 0;
        end = seen < AttentionTask::span ? (seen + KvTile::positions - 1) / KvTile::positions : most;
        for (int t = begin; t < end; ++t) {
            const int position = start + t * KvTile::positions;
            tiles[t].memory = const_cast<std::byte*>(task.cache)
                + size_t(task.blockTable[position / task.blockTokens]) * task.blockStride
                + size_t(position % task.blockTokens / KvTile::positions) * KvTile::bytes(task.headDim);
            const float* scales = tiles[t].valueScales();
            for (int i = 0; i < KvTile::positions; ++i)
                valueScales[t * KvTile::positions + i] = t * KvTile::positions + i < seen ? scales[i] : 0;
        }
    }
    KvTile next(int t) const { return tiles[t + 1 < end ? t + 1 : t]; }
};

/// Asks for a plane of four columns of keys.
inline void prefetchKeys(const uint8_t* plane, int64_t d)
{
    __builtin_prefetch(plane + d * KvTile::positions);
}

/// How keys and values of a span are read: whole, by one bundle from their planes, by more of them joined once for all;
/// or the upper bytes.
enum class Reading { Planes, Joined, Upper };

/// Vectors that pass by a span together.
struct Bundle {
    int first;
    int count;
    int end; ///< of the tiles that they see
    Reading reading;

    bool isFar() const { return reading == Reading::Upper; }
};

/// The loops over a span for so many vectors. Scores are those of a tile, written `span` floats apart; sums are of
/// columns begin … end − 1, to the vectors' partial results.
template <class V>
struct BundleLoops {
    void (*score)(const FixedState<V>& state, const SpanTiles& tiles, int t, int first, float* scores);
    void (*sum)(const FixedState<V>& state, const SpanTiles& tiles, const Bundle& bundle, int64_t begin, int64_t end);
};

/// Registers of columns that are summed side by side: enough sums in flight when there are few vectors.
template <class V>
constexpr int columnsAbreast(int vectors)
{
    constexpr int bundle = FixedState<V>::bundle, wide = FixedState<V>::wide;
    return vectors > bundle / 2 ? wide : vectors > bundle / 4 ? 2 * wide : 4 * wide;
}

} // namespace
} // namespace cortex::kernels
