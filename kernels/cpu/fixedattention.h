// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/cpu/attention.h"
#include "kernels/cpu/kvtile.h"

// Attention over a 16-bit cache in integer arithmetic, for any vector type V: int16 dot products, twice the rate of
// float32 multiply-adds where the processor has an instruction for them, and int8 ones, up to four times the rate, for
// the scores of far keys. Included by the path*.cpp files only; see products.h.

namespace cortex::kernels {
namespace {

// No function of the standard library here: what is compiled for one instruction set must not be linked into another.

inline void copyPadded(float* to, const float* from, int64_t count, int64_t padded)
{
    __builtin_memcpy(to, from, size_t(count) * sizeof(float));
    for (int64_t i = count; i < padded; ++i)
        to[i] = 0;
}

/// x ← a Hadamard matrix times x, unnormalised, in every run of spreadRun(headDim) elements. A stage adds and subtracts
/// the halves of a run and interleaves them: all stages are alike.
template <class V>
void spread(float* x, float* scratch, int64_t headDim)
{
    const int64_t run = spreadRun(headDim);
    for (int64_t begin = 0; begin < headDim; begin += run) {
        float* __restrict from = x + begin;
        float* __restrict to = scratch;
        for (int64_t stage = 1; stage < run; stage *= 2) {
            for (int64_t i = 0; i < run / 2; ++i) {
                const float a = from[i], b = from[i + run / 2];
                to[2 * i] = a + b;
                to[2 * i + 1] = a - b;
            }
            float* const swapped = from;
            from = to;
            to = swapped;
        }
        if (from != x + begin)
            copyPadded(x + begin, from, run, run);
    }
}

/// words = x · factor, rounded.
template <class V>
void storeScaled(int16_t* words, const float* x, float factor, int64_t columns)
{
    for (int64_t i = 0; i < columns; i += V::lanes)
        V::storeWords(words + i, V::mul(V::load(x + i), V::set(factor)));
}

constexpr float inverseOrZero(float limit, float x)
{
    return x > 0 ? limit / x : x; // not a number stays one
}

/// What fits the dot products of bytes that a vector type has. Sums in int32 take all eight bits. Pairs in int16 take
/// seven of a key's number (which then has fifteen) and of a query's, so that two pairs can be added up: 4 · 127 · 64
/// fits.
template <class V>
struct KeyNumbers {
    static constexpr int zero = V::unsignedDot ? 128 : 64; ///< what upper bytes have too much
    static constexpr float limit = 256 * zero - 1;
    static constexpr float queryLimit = V::unsignedDot ? 127 : 64; ///< of a query's bytes
};

/// Writes one position of a tile. scratch: 2 · columns floats.
template <class V>
void keepPosition(std::byte* memory, int position, const float* key, const float* value, int64_t headDim,
                  float* scratch)
{
    const KvTile tile{memory};
    const int64_t columns = paddedHead(headDim);
    float* x = scratch;
    auto* words = reinterpret_cast<int16_t*>(scratch + columns);

    copyPadded(x, key, headDim, columns);
    spread<V>(x, scratch + columns, headDim);
    float largest = largestMagnitude<V>(x, columns);
    tile.keyScales()[position] = largest / KeyNumbers<V>::limit;
    storeScaled<V>(words, x, inverseOrZero(KeyNumbers<V>::limit, largest), columns);
    uint8_t* high = tile.keyHigh() + 4 * position;
    uint8_t* low = tile.keyLow(columns) + 4 * position;
    for (int64_t d = 0; d < columns; d += 4, high += 4 * KvTile::positions, low += 4 * KvTile::positions)
        for (int i = 0; i < 4; ++i) {
            const auto word = uint16_t(words[d + i] + 256 * KeyNumbers<V>::zero);
            high[i] = uint8_t(word >> 8);
            low[i] = uint8_t(word);
        }

    copyPadded(x, value, headDim, columns);
    largest = largestMagnitude<V>(x, columns);
    tile.valueScales()[position] = largest / KvTile::valueLimit;
    storeScaled<V>(words, x, inverseOrZero(KvTile::valueLimit, largest), columns);
    int16_t* values = tile.values(columns) + position / 2 * KvTile::pairStride + position % 2;
    for (int64_t d = 0; d < columns; ++d)
        values[KvTile::valueOffset(d)] = words[d];
}

/// What a query's integers stand for.
struct FixedQuery {
    float near; ///< of a unit of the int16 product with a key's number
    float far; ///< of a unit of the int8 product with a key's upper byte
    float farOffset; ///< an upper byte stands for the middle of what it may be: half its unit more
    int32_t farStart; ///< takes away what upper bytes have too much
};

/// A task's scratch memory: the queries, rounded, and the partial results.
template <class V>
class FixedState {
public:
    static constexpr int span = AttentionTask::span;
    static constexpr int group = 16; ///< vectors whose numbers lie side by side; no bundle reaches into the next group
    static constexpr int bundle = V::lanes == 16 ? 16 : 8; ///< vectors that share the loads of keys and values
    /// Dimensions whose int16 products are summed before they become a float. A query's numbers there have a norm of
    /// 8000 at most and a key's one of 32767 · 8, so that by Cauchy and Schwarz the sum stays below 2^31.
    static constexpr int segment = 64;
    static constexpr float segmentNorm = 8000;
    static constexpr int64_t valuePiece = 32; ///< columns of a span's values that all bundles pass by

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

    int64_t columns;
    float* partials;
    int64_t partialStride;
    float* ownPartials;
    float* scores; ///< [maxVectors][span]
    int16_t* weights; ///< [maxVectors][span]
    float* units; ///< [maxVectors]: of sums of weights times values
    FixedQuery queries[AttentionTask::maxVectors];

private:
    int8_t* m_codes; ///< [vectors / group][columns / 4][group][4]
    int16_t* m_words; ///< [vectors / group][columns / 2][group][2]

    void prepare(const AttentionTask& task, int v)
    {
        float* x = scores; // these two are not in use yet
        int16_t* numbers = weights;
        copyPadded(x, task.queries[v], task.headDim, columns);
        spread<V>(x, x + columns, task.headDim);
        const float unit = task.scale / float(spreadRun(task.headDim));
        FixedQuery& query = queries[v];

        const float largest = largestMagnitude<V>(x, columns);
        const typename V::F factor = V::set(inverseOrZero(KeyNumbers<V>::queryLimit, largest));
        typename V::I sum = V::setInt(0);
        auto* bytes = reinterpret_cast<int8_t*>(numbers);
        for (int64_t d = 0; d < columns; d += V::lanes)
            sum = V::addInt(sum, V::storeCodes(bytes + d, V::mul(V::load(x + d), factor)));
        int8_t* code = m_codes + v / group * group * columns + v % group * 4;
        for (int64_t d = 0; d < columns; d += 4, code += 4 * group)
            __builtin_memcpy(code, bytes + d, 4);
        query.far = largest / KeyNumbers<V>::queryLimit * 256 * unit;
        query.farOffset = query.far * 0.5f * float(V::sumInt(sum));
        query.farStart = -KeyNumbers<V>::zero * V::sumInt(sum);

        float norm = 0;
        for (int64_t begin = 0; begin < columns; begin += segment) {
            const int64_t count = columns - begin < segment ? columns - begin : segment;
            const float squares = dotProduct<V>(x + begin, x + begin, count);
            norm = squares > norm ? squares : norm;
        }
        norm = __builtin_sqrtf(norm);
        query.near = norm / segmentNorm * unit;
        storeScaled<V>(numbers, x, inverseOrZero(segmentNorm, norm), columns);
        int16_t* to = m_words + v / group * group * columns + v % group * 2;
        for (int64_t d = 0; d < columns; d += 4, to += 4 * group)
            for (int i = 0; i < 2; ++i) {
                to[2 * group * i] = numbers[d + i];
                to[2 * group * i + 1] = numbers[d + i + 2];
            }
    }
};

/// Scores against the sixteen positions of a tile, from whole keys.
template <class V, int vectors>
void scoreNear(KvTile tile, KvTile next, const FixedState<V>& state, int first, float* scores)
{
    using F = typename V::F;
    using B = typename V::B;
    constexpr int segment = FixedState<V>::segment;
    constexpr int group = FixedState<V>::group;
    const int64_t columns = state.columns;
    for (int at = 0; at < KvTile::positions; at += V::lanes) {
        const uint8_t* high = tile.keyHigh() + 4 * at;
        const uint8_t* low = tile.keyLow(columns) + 4 * at;
        const int16_t* q = state.queryWords(first);
        for (int64_t begin = 0; begin < columns; begin += segment) {
            const int64_t end = begin + segment < columns ? begin + segment : columns;
            typename V::I total[vectors];
            CORTEX_UNROLL
            for (int v = 0; v < vectors; ++v)
                total[v] = V::setInt(0);
            for (int64_t d = begin; d < end; d += 4, q += 4 * group) {
                __builtin_prefetch(next.keyHigh() + d * KvTile::positions);
                __builtin_prefetch(next.keyLow(columns) + d * KvTile::positions);
                const B upper =
                    V::addBytes(V::loadBytes(high + d * KvTile::positions), V::bytes(uint8_t(-KeyNumbers<V>::zero)));
                const B lower = V::loadBytes(low + d * KvTile::positions);
                const B even = V::evenThenOdd(lower, V::template shiftLeft<8>(upper));
                const B odd = V::evenThenOdd(V::template shiftRight<8>(lower), upper);
                CORTEX_UNROLL
                for (int v = 0; v < vectors; ++v)
                    total[v] = V::dotPairs(total[v], (typename V::S)even, q + 2 * v);
                CORTEX_UNROLL
                for (int v = 0; v < vectors; ++v)
                    total[v] = V::dotPairs(total[v], (typename V::S)odd, q + 2 * group + 2 * v);
            }
            CORTEX_UNROLL
            for (int v = 0; v < vectors; ++v) {
                float* out = scores + v * FixedState<V>::span + at;
                const F sum = V::toFloat(total[v]);
                V::store(out, begin == 0 ? sum : V::add(V::load(out), sum));
            }
        }
        const F keyScale = V::load(tile.keyScales() + at);
        for (int v = 0; v < vectors; ++v) {
            float* out = scores + v * FixedState<V>::span + at;
            V::store(out, V::mul(V::mul(V::load(out), V::set(state.queries[first + v].near)), keyScale));
        }
    }
}

/// totals += products of the upper bytes of eight dimensions (two registers of four) with the queries' bytes.
template <class V, int vectors>
[[gnu::always_inline]] inline void addFar(typename V::I* totals, const uint8_t* keys, const int8_t* q)
{
    const typename V::B first = V::loadBytes(keys), second = V::loadBytes(keys + 4 * KvTile::positions);
    constexpr int next = 4 * FixedState<V>::group;
    if constexpr (V::unsignedDot) {
        CORTEX_UNROLL
        for (int v = 0; v < vectors; ++v)
            totals[v] = V::dotUnsigned(totals[v], first, q + 4 * v);
        CORTEX_UNROLL
        for (int v = 0; v < vectors; ++v)
            totals[v] = V::dotUnsigned(totals[v], second, q + next + 4 * v);
    } else {
        CORTEX_UNROLL
        for (int v = 0; v < vectors; ++v) {
            const auto pairs =
                V::addPairs(V::pairsUnsigned(first, q + 4 * v), V::pairsUnsigned(second, q + next + 4 * v));
            totals[v] = V::settled(V::addInt(totals[v], V::widen(pairs)));
        }
    }
}

/// Scores against the positions of a tile from the upper bytes of keys and 8-bit queries.
template <class V, int vectors>
void scoreFar(KvTile tile, KvTile next, const FixedState<V>& state, int first, float* scores)
{
    const int64_t columns = state.columns;
    const FixedQuery* queries = state.queries + first;
    for (int at = 0; at < KvTile::positions; at += V::lanes) {
        const int8_t* q = state.codes(first);
        const uint8_t* keys = tile.keyHigh() + 4 * at;
        typename V::I total[vectors];
        CORTEX_UNROLL
        for (int v = 0; v < vectors; ++v)
            total[v] = V::setInt(queries[v].farStart);
        for (int64_t d = 0; d < columns; d += 8, keys += 8 * KvTile::positions, q += 8 * FixedState<V>::group) {
            __builtin_prefetch(next.keyHigh() + d * KvTile::positions);
            __builtin_prefetch(next.keyHigh() + (d + 4) * KvTile::positions);
            addFar<V, vectors>(total, keys, q);
        }
        const typename V::F keyScale = V::load(tile.keyScales() + at);
        CORTEX_UNROLL
        for (int v = 0; v < vectors; ++v) {
            const auto score = V::fma(V::toFloat(total[v]), V::set(queries[v].far), V::set(queries[v].farOffset));
            V::store(scores + v * FixedState<V>::span + at, V::mul(score, keyScale));
        }
    }
}

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
};

/// e^(score − top), near enough for weights that are rounded to 16 bits.
template <class V>
typename V::F weightOf(typename V::F score, typename V::F negatedTop)
{
    using F = typename V::F;
    const F x = V::max(V::fma(score, V::set(1.44269504f), negatedTop), V::set(-1000));
    const F n = V::round(x);
    const F r = V::sub(x, n);
    F p = V::set(1.33335581e-3f);
    p = V::fma(p, r, V::set(9.61812911e-3f));
    p = V::fma(p, r, V::set(5.55041087e-2f));
    p = V::fma(p, r, V::set(2.40226507e-1f));
    p = V::fma(p, r, V::set(6.93147181e-1f));
    p = V::fma(p, r, V::set(1.0f));
    return V::timesPower2(p, n);
}

/// Turns a vector's scores of a span into integer weights of its values, and fills in `partial` but for its sums.
/// Returns what a unit of those sums stands for.
template <class V>
float weighSpan(const AttentionTask& task, const SpanTiles& tiles, int end, Partial partial, int vector, int start,
                float* scores, int16_t* words)
{
    using F = typename V::F;
    const int begin = tiles.begin * KvTile::positions;
    const int position = task.positions[vector] - start;
    const int oldest = task.window > 0 ? position - task.window + 1 : 0;
    for (int i = position + 1; i < end; ++i)
        scores[i] = -__builtin_inff();
    for (int i = begin; i < oldest && i < end; ++i)
        scores[i] = -__builtin_inff();

    F top = V::load(scores + begin);
    for (int i = begin + V::lanes; i < end; i += V::lanes)
        top = V::max(top, V::load(scores + i));
    partial.largest = V::largest(top);
    partial.weight = 0;
    if (partial.largest == -__builtin_inff()) {
        for (int i = begin; i < end; ++i)
            words[i] = 0;
        return 0;
    }
    const F negatedTop = V::set(partial.largest * -1.44269504f);
    F weights = V::set(0), scaled = V::set(0), largest = V::set(0);
    for (int i = begin; i < end; i += V::lanes) {
        const F weight = weightOf<V>(V::load(scores + i), negatedTop);
        const F product = V::mul(weight, V::load(tiles.valueScales + i));
        V::store(scores + i, product);
        weights = V::add(weights, weight);
        scaled = V::add(scaled, product);
        largest = V::max(largest, product);
    }
    partial.weight = V::sum(weights);
    // Such that each weight fits 16 bits, and their sum times the largest value 32.
    const float sum = V::sum(scaled), most = V::largest(largest);
    const float bySum = 260000 / sum, byMost = 32767 / most;
    const float factor = sum > 1e-30f ? (bySum < byMost ? bySum : byMost) : 0;
    for (int i = begin; i < end; i += V::lanes)
        V::storeWords(words + i, V::mul(V::load(scores + i), V::set(factor)));
    return factor > 0 ? 1 / factor : sum * 0;
}

/// Vectors that share the loads of keys and values.
struct Bundle {
    int first;
    int count;
    int end; ///< of the tiles that they see
    bool far;
};

/// sums [d … d + width · lanes − 1] of `vectors` vectors = Σ weights · values of a span, up to tile `end`.
template <class V, int vectors, int width>
void sumColumns(const FixedState<V>& state, const SpanTiles& tiles, int first, int end, int64_t d)
{
    constexpr int span = FixedState<V>::span;
    typename V::I total[vectors][width];
    CORTEX_UNROLL
    for (int v = 0; v < vectors; ++v) {
        CORTEX_UNROLL
        for (int w = 0; w < width; ++w)
            total[v][w] = V::setInt(0);
    }
    for (int t = tiles.begin; t < end; ++t) {
        const int16_t* weights = state.weights + first * span + t * KvTile::positions;
        const int16_t* values = tiles.tiles[t].values(state.columns);
        for (int pair = 0; pair < KvTile::positions / 2; ++pair, weights += 2, values += KvTile::pairStride) {
            typename V::S value[width];
            CORTEX_UNROLL
            for (int w = 0; w < width; ++w)
                value[w] = V::loadWords(values + KvTile::valueOffset(d + w * V::lanes));
            CORTEX_UNROLL
            for (int v = 0; v < vectors; ++v) {
                CORTEX_UNROLL
                for (int w = 0; w < width; ++w)
                    total[v][w] = V::dotPairs(total[v][w], value[w], weights + v * span);
            }
        }
    }
    CORTEX_UNROLL
    for (int v = 0; v < vectors; ++v) {
        CORTEX_UNROLL
        for (int w = 0; w < width; ++w)
            V::store(state.partial(first + v) + d + w * V::lanes,
                     V::mul(V::toFloat(total[v][w]), V::set(state.units[first + v])));
    }
}

/// The loops for a bundle of so many vectors.
template <class V>
struct BundleLoops {
    void (*scoreNear)(KvTile tile, KvTile next, const FixedState<V>& state, int first, float* scores);
    void (*scoreFar)(KvTile tile, KvTile next, const FixedState<V>& state, int first, float* scores);
    void (*sum)(const FixedState<V>& state, const SpanTiles& tiles, const Bundle& bundle, int64_t begin, int64_t end);
};

/// The sums of a bundle, columns begin … end − 1. As many run side by side as there are registers for: those of some
/// columns (a long run of the cache) of some vectors.
template <class V, int vectors>
void sumBundle(const FixedState<V>& state, const SpanTiles& tiles, const Bundle& bundle, int64_t begin, int64_t end)
{
    constexpr int most = FixedState<V>::bundle;
    constexpr int together = most == 8 && vectors == 8 ? 4 : vectors;
    constexpr int width = together > most / 2 ? 1 : together > most / 4 ? 2 : 4;
    static_assert(vectors % together == 0);
    int64_t d = begin;
    for (; d + width * V::lanes <= end; d += width * V::lanes)
        for (int v = 0; v < vectors; v += together)
            sumColumns<V, together, width>(state, tiles, bundle.first + v, bundle.end, d);
    for (; d < end; d += V::lanes)
        for (int v = 0; v < vectors; v += together)
            sumColumns<V, together, 1>(state, tiles, bundle.first + v, bundle.end, d);
}

template <class V, int vectors>
constexpr BundleLoops<V> bundleLoops{scoreNear<V, vectors>, scoreFar<V, vectors>, sumBundle<V, vectors>};

template <class V>
const BundleLoops<V>& loopsOf(int vectors)
{
    static constexpr const BundleLoops<V>* loops[] = {&bundleLoops<V, 1>, &bundleLoops<V, 2>, &bundleLoops<V, 3>,
                                                      &bundleLoops<V, 4>, &bundleLoops<V, 5>, &bundleLoops<V, 6>,
                                                      &bundleLoops<V, 7>, &bundleLoops<V, 8>};
    return vectors <= 8 ? *loops[vectors - 1] : bundleLoops<V, FixedState<V>::bundle>;
}

/// Cuts a task's vectors into bundles that see something of a span. Returns their number.
template <class V>
int cutBundles(const AttentionTask& task, const FixedState<V>& state, const SpanTiles& tiles, int span, Bundle* bundles)
{
    constexpr int length = AttentionTask::span;
    constexpr int most = FixedState<V>::bundle;
    int count = 0;
    for (int first = 0; first < task.vectors;) {
        const int own = task.positions[first] / length; // vectors of one span agree about which keys are far
        const int groupEnd = (first / FixedState<V>::group + 1) * FixedState<V>::group;
        const int end = groupEnd < task.vectors ? groupEnd : task.vectors;
        int vectors = 1;
        while (vectors < most && first + vectors < end && task.positions[first + vectors] / length == own)
            ++vectors;
        if (own < span) {
            for (int v = first; v < first + vectors; ++v)
                Partial(state.partial(v), task.headDim).clear(task.headDim);
        } else {
            vectors = vectors == most || vectors < 8 ? vectors : 8; // for which there are loops
            const int seen = task.positions[first + vectors - 1] + 1 - span * length;
            const int seenTiles = (seen + KvTile::positions - 1) / KvTile::positions;
            bundles[count++] = {first, vectors, seenTiles < tiles.end ? seenTiles : tiles.end,
                                own - span >= AttentionTask::nearSpans};
        }
        first += vectors;
    }
    return count;
}

/// The partial results of one span. All bundles pass by a piece of it, a tile's keys or some columns of its values,
/// before the next: it is in the first-level cache then.
template <class V>
void runFixedSpan(const AttentionTask& task, const FixedState<V>& state, int span)
{
    constexpr int length = AttentionTask::span;
    const SpanTiles tiles(task, span);
    Bundle bundles[AttentionTask::maxVectors];
    const int count = cutBundles(task, state, tiles, span, bundles);

    for (int t = tiles.begin; t < tiles.end; ++t) {
        const KvTile tile = tiles.tiles[t], next = tiles.tiles[t + 1 < tiles.end ? t + 1 : t];
        for (const Bundle* bundle = bundles; bundle < bundles + count; ++bundle) {
            if (t >= bundle->end)
                continue;
            const BundleLoops<V>& loops = loopsOf<V>(bundle->count);
            float* scores = state.scores + bundle->first * length + t * KvTile::positions;
            (bundle->far ? loops.scoreFar : loops.scoreNear)(tile, next, state, bundle->first, scores);
        }
    }
    for (const Bundle* bundle = bundles; bundle < bundles + count; ++bundle)
        for (int v = bundle->first; v < bundle->first + bundle->count; ++v)
            state.units[v] =
                weighSpan<V>(task, tiles, bundle->end * KvTile::positions, {state.partial(v), task.headDim}, v,
                             span * length, state.scores + v * length, state.weights + v * length);
    const int64_t piece = count > 1 ? FixedState<V>::valuePiece : state.columns;
    for (int64_t d = 0; d < state.columns; d += piece) {
        const int64_t end = d + piece < state.columns ? d + piece : state.columns;
        for (const Bundle* bundle = bundles; bundle < bundles + count; ++bundle)
            loopsOf<V>(bundle->count).sum(state, tiles, *bundle, d, end);
    }
}

template <class V>
void attendFixed(const AttentionTask& task)
{
    const int64_t stride = attentionPartial(task.headDim);
    const FixedState<V> state(task, nullptr, stride);
    float* merged = state.partials + AttentionTask::maxVectors * stride;
    for (int v = 0; v < task.vectors; ++v)
        Partial(merged + v * stride, task.headDim).clear(task.headDim);
    for (int span = task.firstSpan(); span < task.endSpan(); ++span) {
        runFixedSpan<V>(task, state, span);
        for (int v = 0; v < task.vectors; ++v)
            mergeSpan<V>(merged + v * stride, state.partial(v), task.headDim);
    }
    for (int v = 0; v < task.vectors; ++v)
        finishAttention<V>(task.outs[v], merged + v * stride, task.headDim);
}

template <class V>
void attendAny(Type cacheType, const AttentionTask& task)
{
    if (cacheType == Type::F32)
        attendExact<V>(task);
    else
        attendFixed<V>(task);
}

template <class V>
void attendSpanAny(Type cacheType, const AttentionTask& task, int span, float* partials, int64_t stride)
{
    if (cacheType == Type::F32)
        attendExactSpan<V>(task, span, partials, stride);
    else
        runFixedSpan<V>(task, FixedState<V>(task, partials, stride), span);
}

} // namespace
} // namespace cortex::kernels
