// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/cpu/activations.h"
#include "kernels/device.h"

namespace cortex::kernels {

/// Head dimensions are padded to this many elements wherever the kernels walk them in whole vectors.
constexpr int headPadding = 16;

constexpr int64_t paddedHead(int64_t headDim)
{
    return (headDim + headPadding - 1) / headPadding * headPadding;
}

/// A softmax that has seen some of a vector's positions: the values' sums [paddedHead(headDim)], weighed by
/// exp(score − largest), then `largest` and the sum of the weights.
constexpr int64_t attentionPartial(int64_t headDim)
{
    return paddedHead(headDim) + headPadding;
}

/// Attention of up to `maxVectors` query vectors that share one KV head of one sequence.
///
/// Positions are taken in spans, counted from position 0, whose partial results are merged in order: always, so that
/// other workers may compute some of them without touching a bit.
struct AttentionTask {
    static constexpr int maxVectors = 64;
    static constexpr int chunk = 64; ///< positions per step of the online softmax of a float32 cache
    static constexpr int span = 256;
    static constexpr int nearSpans = 2; ///< of a 16-bit cache that are read whole: the query's own and those before it
    static constexpr int valuePiece = 32; ///< columns of a span's values that all vectors pass by, of a 16-bit cache

    const std::byte* cache = nullptr; ///< this layer and KV head, block 0 (see CpuKvPool for the arrangement)
    size_t blockStride = 0; ///< bytes from one block to the next
    const int32_t* blockTable = nullptr;
    int blockTokens = 0;
    // Of a float32 cache only.
    int64_t valueOffset = 0; ///< elements from a block's keys to its values
    int keyStride = 0; ///< elements from one dimension of the keys to the next
    int valueStride = 0; ///< elements from one position of the values to the next

    int headDim = 0;
    float scale = 0;
    int window = 0;

    int vectors = 0;
    const float* queries[maxVectors];
    float* outs[maxVectors];
    int positions[maxVectors]; ///< ascending

    float* scratch = nullptr; ///< attentionScratch(headDim) floats

    /// The span that is seen first.
    int firstSpan() const { return window > 0 && positions[0] >= window ? (positions[0] - window + 1) / span : 0; }
    int endSpan() const { return positions[vectors - 1] / span + 1; }
};

/// Floats of the scores of a span.
constexpr int64_t attentionScores(int64_t headDim)
{
    const int64_t scores = AttentionTask::maxVectors * AttentionTask::span;
    return scores > 2 * paddedHead(headDim) ? scores : 2 * paddedHead(headDim);
}

/// Whole numbers (int16) of a 16-bit cache: those of a tile's keys, or a piece of a span's values.
constexpr int64_t attentionJoined(int64_t headDim)
{
    constexpr int64_t values = AttentionTask::span * AttentionTask::valuePiece;
    const int64_t keys = 16 * paddedHead(headDim);
    return values > keys ? values : keys;
}

constexpr int64_t attentionScratch(int64_t headDim)
{
    // Per vector a query, the sums of a span and of all spans, and the weights of a span, two to a float, with their
    // unit and offset.
    return AttentionTask::maxVectors
        * (paddedHead(headDim) + 2 * attentionPartial(headDim) + AttentionTask::span / 2 + 2)
        + attentionScores(headDim) + attentionJoined(headDim) / 2;
}

/// Rows of one head lie far apart, so that the processor does not foresee them: they are asked for this many ahead.
constexpr int rowsAhead = 6;

/// out [rows, channels] = silu(Σ_i taps[i] ⊙ inputs[row + i]): a causal depthwise convolution over `width` inputs.
struct Convolution {
    const float* const* inputs = nullptr; ///< rows + width − 1 of them, [channels] each
    const float* taps = nullptr; ///< [width, channels], tapStride floats apart, of the oldest input first
    int64_t tapStride = 0;
    float* out = nullptr;
    int64_t outStride = 0;
    int rows = 0;
    int width = 0;
    int64_t channels = 0;
};

/// The scalars of one token of a delta rule.
struct DeltaStep {
    float beta;
    float scale; ///< of the state as this token finds it, decayed
    float inverse; ///< 1 / scale
    float rescale; ///< multiplies the stored state before this token, and is part of `scale` no longer; mostly 1
    float keyQuery; ///< k·q
};

/// The gated delta rule of one value head over some tokens, in order:
/// S ← e^g S;  d = β (v − Sᵀk);  S ← S + k dᵀ;  o = Sᵀq.
///
/// What is stored is S / scale, so that decay costs one multiplication of a scalar; only when that becomes small
/// (DeltaStep::rescale) is it multiplied into the state. Scale and state are kept together between calls, so that how
/// tokens are cut into calls does not touch a bit. Columns of S are independent of each other.
struct DeltaTask {
    static constexpr int blockColumns = 32; ///< columns of a block; see CpuStatePool for the arrangement
    static constexpr int maxTokens = 64; ///< of one call, by its callers' scratch memory

    float* state = nullptr;
    int keyDim = 0;
    int valueDim = 0;
    int tokens = 0;
    const float* queries = nullptr; ///< [tokens] of [keyDim], keyStride apart
    const float* keys = nullptr;
    int64_t keyStride = 0;
    const float* values = nullptr; ///< [tokens] of [paddedHead(valueDim)], valueStride apart
    float* outs = nullptr; ///< likewise
    int64_t valueStride = 0;
    const DeltaStep* steps = nullptr; ///< [tokens]
};

/// The innermost loops of one instruction set. Everything above (splitting, scratch, shapes) is written once and calls
/// through this table. Results of a row never depend on the rows beside it: each sum has one order of its own.
struct CpuPath {
    std::string_view name;
    int tileRows; ///< weight rows interleaved in a tile, one per vector lane
    int largestGroup; ///< rows of activations per product, a power of two
    ActivationFormat (*format)(Type type); ///< of the rows that products with weights of a type read

    /// sums [T, tileRows] = tile · activationsᵀ for a group of T = 2^log2 rows; see packing.h for the tile.
    using Product = void (*)(const std::byte* tile, int64_t columns, const void* activations, float* sums);
    Product (*product)(Type type, int log2Rows);

    /// Writes the units of a row in a format other than Dense, `stride` units apart.
    void (*quantize)(ActivationFormat format, void* units, int stride, const float* x, int64_t columns);
    /// out = x · rsqrt(mean(x²) + epsilon) · weight. out may be x.
    void (*normalize)(float* out, const float* x, const float* weight, int64_t columns, float epsilon);
    /// x += y.
    void (*add)(float* x, const float* y, int64_t count);
    /// out = activation(gate) · up. out may be either.
    void (*gate)(Activation activation, float* out, const float* gate, const float* up, int64_t count);
    /// x ← x rotated: the first 2 · pairs elements, by angles whose cosines and sines are given.
    void (*rotate)(float* x, const float* cosines, const float* sines, int64_t pairs, RopePairing pairing);
    /// Rounds one position's key and value of a head into a tile of a 16-bit cache (KvTile); scratch holds
    /// 2 · paddedHead(headDim) floats.
    void (*keep)(std::byte* tile, int position, const float* key, const float* value, int64_t headDim, float* scratch);
    /// out [rows, columns] (=, or += when `accumulate`) sums [tiles][rows, tileRows] + bias, of as many tiles as the
    /// columns take; bias may be null. Row by row, since rows may lie so that few of them fit the first-level cache.
    void (*store)(float* out, int64_t stride, const float* sums, int rows, int columns, const float* bias,
                  bool accumulate);

    /// Runs a task against a cache of this type, to its outs.
    void (*attend)(Type cacheType, const AttentionTask& task);
    /// Runs one span of a task; partials [vectors], `stride` floats apart, are of that span alone.
    void (*attendSpan)(Type cacheType, const AttentionTask& task, int span, float* partials, int64_t stride);
    /// out = the attention that `spans` partial results, `stride` floats apart, make in order;
    /// `scratch` holds attentionPartial(headDim) floats.
    void (*mergeSpans)(float* out, const float* partials, int spans, int64_t stride, int64_t headDim, float* scratch);

    /// x ⊙= σ(gate).
    void (*gateSigmoid)(float* x, const float* gate, int64_t count);
    /// out = softmax(x). out may be x.
    void (*softmax)(float* out, const float* x, int64_t count);
    float (*dot)(const float* x, const float* y, int64_t count);
    void (*convolve)(const Convolution& task);
    void (*delta)(const DeltaTask& task);
};

/// The path of that name where this machine can run it, else null.
const CpuPath* findCpuPath(std::string_view name);

const CpuPath& portablePath();
#if defined(__x86_64__)
const CpuPath& avx2Path();
const CpuPath& avx512Path();
const CpuPath& avx512VnniPath();
#endif

} // namespace cortex::kernels
