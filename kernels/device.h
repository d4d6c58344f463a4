// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/batch.h"
#include "kernels/experts.h"
#include "kernels/gateddelta.h"
#include "kernels/kvpool.h"
#include "kernels/statepool.h"
#include "kernels/tensor.h"

#include <span>
#include <stdexcept>
#include <string>

namespace cortex::kernels {

/// Thrown by allocations that the device cannot serve.
class OutOfMemory : public std::runtime_error {
public:
    OutOfMemory(size_t neededBytes, size_t freeBytes);
    size_t neededBytes;
    size_t freeBytes;
};

struct DeviceInfo {
    std::string name; ///< "AMD EPYC 9354", "NVIDIA GeForce RTX 4090"
    std::string kind; ///< "cpu" or "cuda"
    std::string instructions; ///< what the kernels were chosen for: "avx512-vnni", "avx2", "portable", "sm_90"
    int threads = 1; ///< worker threads of a CPU device
    size_t totalBytes = 0;
    bool hostMemory = false; ///< tensors lie in memory that the host reads and writes, so that Device::hostData works
};

/// Left-hand side of a product: activations x [rows, columns] float32, optionally normalised on the way in:
/// x ← x · rsqrt(mean(x²) + epsilon) · norm. `norm` [columns] is a Vector weight; null: x as it stands. Fusing the norm
/// lets a device quantize activations once per layer input.
struct LinearInput {
    Tensor x;
    const Weight* norm = nullptr;
    float epsilon = 0;
};

/// One product of Device::linear: out [x.rows, weight.rows] (=, or += when `accumulate`) input · weightᵀ (+ bias).
struct LinearOutput {
    const Weight* weight = nullptr;
    Tensor out;
    const Weight* bias = nullptr; ///< Vector [weight.rows], or null
    bool accumulate = false; ///< residual connections add in place
};

enum class Activation { Silu, GeluTanh };

/// How rotary positions pair dimensions: half-split (i, i + n/2) as in safetensors checkpoints, or interleaved
/// (2i, 2i + 1) as in GGUF files of the Llama family.
enum class RopePairing { HalfSplit, Interleaved };

/// Rotary embedding of the first `2 · frequencies.columns` dimensions of every head:
/// angle = position · frequencies[i]; cosine and sine are scaled by `magnitude` (YaRN's attention factor, else 1).
/// Frequencies hold the scaling type already (see engine/rope.h), so a device knows only this one form.
struct Rope {
    const Weight* frequencies = nullptr; ///< Vector [rotaryDimensions / 2]
    RopePairing pairing = RopePairing::HalfSplit;
    float magnitude = 1;
};

/// What happens to queries and keys between their projection and attention, in this order: RMS norm per head where a
/// norm is given (Qwen3, Gemma 3), rotation, and for keys and values the write into the cache.
struct HeadPreparation {
    const Weight* queryNorm = nullptr; ///< Vector [headDim], or null
    const Weight* keyNorm = nullptr; ///< Vector [headDim], or null
    float epsilon = 0;
    Rope rope;
};

struct AttentionOptions {
    float scale = 0; ///< multiplies q·k, usually 1/√headDim
    int window = 0; ///< keys older than this many positions are hidden; 0: none are
};

/// A place where weights live and operations run: one GPU, or the CPU with its threads. All calls come from the one
/// thread that owns the device. Operations are enqueued in order and return nothing; only `download`, `hostData`
/// and `synchronize` wait. Inside a forward pass nothing is allocated, read back or branched upon by value, so that a
/// GPU can capture a step. All activations are float32; `rows` is Batch::rows() unless a comment says otherwise.
///
/// Errors: allocations throw OutOfMemory; a device fault throws std::runtime_error from the call that notices it, and
/// the device is unusable from then on. Shapes are the caller's contract and are asserted.
class Device {
public:
    virtual ~Device() = default;

    virtual const DeviceInfo& info() const = 0;
    virtual size_t freeBytes() const = 0;

    // Memory. ------------------------------------------------------------------------------------------------------

    /// Uninitialised memory, aligned for every operation.
    virtual std::unique_ptr<Buffer> allocate(size_t bytes) = 0;

    /// Device bytes that loadWeight will take for a weight of this shape (Weight::residentBytes), without reading it.
    virtual size_t weightBytes(Type type, int64_t rows, int64_t columns, WeightUse use) const = 0;

    /// Packs (or keeps in place) a weight. `rows × columns` was checked against the file. Waits.
    virtual WeightPtr loadWeight(const WeightSource& source, WeightUse use) = 0;

    /// Key/value blocks; kvPoolBytes is exact.
    virtual size_t kvPoolBytes(const KvLayout& layout) const = 0;
    virtual std::unique_ptr<KvPool> createKvPool(const KvLayout& layout) = 0;

    /// Recurrent memory of sequences; statePoolBytes is exact.
    virtual size_t statePoolBytes(const StateLayout& layout) const = 0;
    virtual std::unique_ptr<StatePool> createStatePool(const StateLayout& layout) = 0;

    /// The device side of a step's description, for steps up to these limits.
    virtual std::unique_ptr<Batch> createBatch(const BatchLimits& limits) = 0;

    /// Makes room for the operations' own scratch memory (quantized activations, attention partials) up to these sizes.
    /// Called once at load; workspaceBytes is exact.
    virtual size_t workspaceBytes(const WorkspaceLimits& limits) const = 0;
    virtual void reserveWorkspace(const WorkspaceLimits& limits) = 0;

    /// Copies host memory into a contiguous tensor; `source` may be reused on return.
    virtual void upload(const Tensor& destination, const void* source) = 0;
    /// Copies a contiguous tensor to the host. Waits for everything before it.
    virtual void download(void* destination, const Tensor& source) = 0;
    /// Where DeviceInfo::hostMemory: a contiguous tensor's memory, the host's until the next operation that uses it.
    /// Waits for everything before it. Null elsewhere.
    virtual void* hostData(const Tensor& tensor) = 0;
    virtual void synchronize() = 0;

    // Operations. --------------------------------------------------------------------------------------------------

    /// out [rows, columns] = scale · table[batch.tokens]. `table` is an Embedding or Both weight [vocabulary, columns].
    virtual void embed(const Tensor& out, const Weight& table, const Batch& batch, float scale = 1) = 0;

    /// All products of one layer input; see LinearInput and LinearOutput. x.rows may be any number of rows within the
    /// workspace's limit. Weights of one call share `input`, hence their quantized activations.
    virtual void linear(const LinearInput& input, std::span<const LinearOutput> outputs) = 0;

    /// out [rows, I] = activation(input · gateᵀ) ⊙ (input · upᵀ); gate and up [I, columns].
    virtual void gatedLinear(const LinearInput& input, const Weight& gate, const Weight& up, Activation activation,
                             const Tensor& out) = 0;

    /// out [rows, columns] = x · rsqrt(mean(x²) + epsilon) · weight, per row. out may be x.
    virtual void rmsNorm(const Tensor& out, const Tensor& x, const Weight& weight, float epsilon) = 0;

    /// x [rows, columns] ⊙= σ(gate); gate is [rows, columns], or [rows, 1] for one gate a row.
    virtual void gateSigmoid(const Tensor& x, const Tensor& gate) = 0;

    /// x [rows, columns] += y.
    virtual void add(const Tensor& x, const Tensor& y) = 0;

    /// Prepares q [rows, heads, headDim] and k [rows, kvHeads, headDim] in place and writes k and v (like k) into
    /// `layer` of the cache at batch.positions of each row's slot. See HeadPreparation.
    virtual void prepareHeads(const Tensor& q, const Tensor& k, const Tensor& v, const HeadPreparation& preparation,
                              KvPool& pool, int layer, const Batch& batch) = 0;

    /// out [rows, heads, headDim] = softmax(scale · q·K, causal by position, per sequence) · V, query head h reading
    /// KV head h / (heads / kvHeads). Rows see their own sequence only, positions 0 … their own.
    virtual void attention(const Tensor& out, const Tensor& q, const KvPool& pool, int layer,
                           const AttentionOptions& options, const Batch& batch) = 0;

    /// out [rows, valueHeads · valueDim] = the mixer of a Gated DeltaNet layer up to its output projection, for each
    /// sequence from its slot's memory in `layer` of the pool, which is moved on (arXiv 2412.06464; Qwen3-Next). With
    /// K the key head of value head h (see KeyHeadOrder), per token:
    ///
    ///     q, k, v = silu(causal depthwise convolution of `mixed`)
    ///     q, k ← x · rsqrt(Σx² + 1e-6) per head;  q ← q / √keyDim
    ///     β = σ(b);  g = decayRate · softplus(a + decayBias)
    ///     S ← e^g S;  d = β (v − Sᵀk_K);  S ← S + k_K dᵀ;  o = Sᵀq_K
    ///     out_h = norm ⊙ o · rsqrt(mean(o²) + epsilon) ⊙ silu(z_h)
    ///
    /// A sequence's results do not depend on how its prompt was cut into steps, nor on what else is in the batch.
    virtual void gatedDelta(const Tensor& out, const GatedDeltaInput& input, const GatedDeltaWeights& weights,
                            StatePool& pool, int layer, const Batch& batch) = 0;

    /// Copies one slot's memory, all layers, to another: snapshots and their restoring.
    virtual void copyState(StatePool& pool, int fromSlot, int toSlot) = 0;

    /// choice = the k = choice.experts.columns() greatest of softmax(logits [rows, experts]) per row, best first (of
    /// equals the lower number); shares are divided by their sum where `renormalise`.
    virtual void routeExperts(const ExpertChoice& choice, const Tensor& logits, bool renormalise) = 0;

    /// out [rows, hidden] += Σ_j shares[row, j] · down_e(activation(gate_e(input)) ⊙ up_e(input)), e = experts[row, j],
    /// a row's terms in an order that depends on its choice alone. `inner` [rows · k, inner] is for intermediate
    /// results. Gate and up are both block-quantized or both dense.
    virtual void expertFeedForward(const LinearInput& input, const ExpertWeights& weights, const ExpertChoice& choice,
                                   Activation activation, const Tensor& inner, const Tensor& out) = 0;

    /// out [batch.outputs(), columns] = x[batch.outputRows]: the rows whose logits are wanted.
    virtual void gatherOutputs(const Tensor& out, const Tensor& x, const Batch& batch) = 0;
};

/// The CPU as a device, with `threads` workers (0: one per physical core this process may use). `instructions` forces a
/// path for tests ("portable", "avx2", "avx512", "avx512-vnni"); empty chooses the best that runs here. Throws
/// std::invalid_argument for a path that this machine cannot run, std::runtime_error where it does not give that many
/// threads.
std::unique_ptr<Device> createCpuDevice(int threads = 0, const std::string& instructions = {});

/// Paths that createCpuDevice accepts on this machine, best first.
std::span<const std::string> cpuInstructionPaths();

/// Bytes per second that `threads` threads together read from memory, measured by streaming over `bytes` of it.
double measureReadBandwidth(int threads, size_t bytes = size_t(512) << 20);

/// Multiplications and additions per second of `threads` threads that do nothing but int8 dot products: vpdpbusd where
/// there is AVX-512 VNNI, vpmaddubsw and an addition of its pairs where there is AVX2; 0 on other processors.
double measureDotPeak(int threads);

} // namespace cortex::kernels
