// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/device.h"
#include "neuron/engine/error.h"
#include "neuron/engine/sampling.h"
#include "neuron/engine/template/chattemplate.h"
#include "neuron/engine/text/tokenizer.h"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace cortex::engine {

/// What to load and how.
struct LoadOptions {
    std::filesystem::path model; ///< a GGUF file or a safetensors directory (see findModel for ids)
    int threads = 0; ///< 0: one per physical core
    int contextTokens = 0; ///< longest sequence; 0: the model's own limit, or what fits `memoryBudget`
    int maxSequences = 0; ///< live sequences at once; 0: 16
    int maxQueued = 256; ///< further ones that may wait
    int stepTokens = 0; ///< token rows of one step; 0: 512
    size_t memoryBudget = 0; ///< bytes for everything; 0: what the device says is free
    kernels::Type cacheType = kernels::Type::F16; ///< of keys and values: F16, BF16 or F32
    /// "q8_0", "q6_k", "q4_k", …: dense matrices are rounded to this type while they are loaded; "f32": all matrices are
    /// expanded, quantized ones too, and no activation is rounded (see typeAtLoad); empty: as the file has them
    std::string quant;
    std::string instructions; ///< forces a kernel path, for tests
    bool text = true; ///< read tokenizer and chat template; without them ids go in and come out
};

/// Byte account of a model on a device, from headers and config alone; exact as packed.
struct MemoryPlan {
    size_t weightBytes = 0; ///< resident, as packed
    size_t mappedBytes = 0; ///< read in place from the file's mapping
    size_t kvBytesPerToken = 0;
    size_t stateBytesPerSequence = 0; ///< recurrent and convolution state
    size_t workspaceBytes = 0;
    int contextTokens = 0; ///< longest sequence
    int sequences = 0;
    size_t kvBytes = 0; ///< whole cache as allocated
    size_t totalBytes = 0;
    size_t freeBytes = 0; ///< on the device, when asked
    bool fits = false;
    int largestContext = 0; ///< longest context for one sequence that fits
};

/// What a loaded (or only inspected) model is.
struct ModelInfo {
    std::string architecture; ///< "llama"
    std::string name; ///< general.name, or the directory's
    std::string quantization; ///< "Q4_1", "BF16": the type of most weight bytes
    int64_t parameters = 0;
    int layers = 0;
    int hiddenSize = 0;
    int vocabularySize = 0;
    int contextLimit = 0; ///< the model's own
    bool hasTokenizer = false;
    bool hasChatTemplate = false;
    size_t weightBytesPerToken = 0; ///< bytes of weights read for one decoded token
    int bosToken = -1; ///< of a loaded model's tokenizer; −1: none, or only inspected
    int eosToken = -1;
};

enum class FinishReason { Stop, StopString, Length, Cancelled, Failed };

/// One sequence to continue.
struct SequenceRequest {
    std::vector<int32_t> prompt; ///< at least one token
    int maxTokens = 0; ///< 0: until the context is full
    SamplingOptions sampling;
    std::vector<std::string> stop; ///< stop strings; none of them is emitted
    bool ignoreEos = false;
};

/// Durations of one sequence, in seconds.
struct SequenceTimings {
    double queue = 0;
    double prefill = 0; ///< from its first row to its first token
    double decode = 0; ///< from the first token to the last
};

struct SequenceResult {
    FinishReason reason = FinishReason::Failed;
    std::string stopString; ///< which, for StopString
    std::string error; ///< for Failed
    int promptTokens = 0;
    int cachedTokens = 0; ///< prompt tokens not computed because a prefix was cached
    int generatedTokens = 0;
    SequenceTimings timings;
};

/// Receives what a sequence produces. Called on the engine's thread, never after `finished`; must return quickly and
/// may not call into the engine except `cancel`.
class SequenceSink {
public:
    virtual ~SequenceSink() = default;
    /// Whenever a token was chosen: whole UTF-8 text that became certain (may be empty), and the token's id.
    virtual void token(int32_t id, const std::string& text) = 0;
    /// Exactly once, last. `text` is what was still held back.
    virtual void finished(const SequenceResult& result, const std::string& text) = 0;
};

using SequenceId = uint64_t;

/// Figures for /health and metrics; a snapshot.
struct EngineStats {
    int inFlight = 0;
    int maxInFlight = 0;
    int queueDepth = 0;
    int maxQueueDepth = 0;
    size_t kvBytes = 0;
    size_t kvBytesFree = 0;
    double prefillTokensPerSecond = 0; ///< over the last seconds of work
    double decodeTokensPerSecond = 0;
    uint64_t promptTokens = 0; ///< totals since load
    uint64_t generatedTokens = 0;
    uint64_t prefixHitTokens = 0;
    uint64_t rejectedQueueFull = 0;
};

/// A loaded model on one device, with its scheduler: continuous batching of prefill chunks and decode steps over all
/// live sequences. Owns the device's thread; every load, step and free happens there. Public calls are thread-safe.
class Engine {
public:
    /// Fraction done 0 … 1 and what is being done; called on the engine's thread while `load` waits. Return false to
    /// cancel: `load` throws Error(Cancelled).
    using Progress = std::function<bool(double fraction, const std::string& what)>;

    /// Loads in the calling thread's time (the work happens on the engine's thread). Throws Error.
    static std::unique_ptr<Engine> load(const LoadOptions& options, const Progress& progress = {});
    /// Byte account without loading. Throws Error as load would for files that cannot be read.
    static MemoryPlan plan(const LoadOptions& options);
    /// `quant`: as LoadOptions has it.
    static ModelInfo inspect(const std::filesystem::path& model, const std::string& quant = {});

    virtual ~Engine() = default; ///< cancels what is live, then frees

    virtual const ModelInfo& info() const = 0;
    virtual const MemoryPlan& memory() const = 0;
    virtual const kernels::DeviceInfo& device() const = 0;
    virtual std::shared_ptr<const Tokenizer> tokenizer() const = 0; ///< null where the checkpoint has none
    virtual const ChatTemplate* chatTemplate() const = 0; ///< null where it has none

    /// Queues a sequence. Throws Error: BadRequest (empty prompt, ids outside the vocabulary), ContextExceeded ("This
    /// model's maximum context length is M tokens…"), QueueFull. After a return the sink will be finished, whatever
    /// comes.
    virtual SequenceId submit(SequenceRequest request, std::shared_ptr<SequenceSink> sink) = 0;
    /// Takes effect between two steps; unknown or finished ids are ignored.
    virtual void cancel(SequenceId id) = 0;
    virtual EngineStats stats() const = 0;

    /// Logits of every position of `tokens`: row-major [tokens, vocabulary]; rows are handed over in order as chunks
    /// are computed, on the engine's thread while the call waits; live sequences wait too. For `neuron-engine logits`
    /// and tests. Throws Error.
    virtual void logits(const std::vector<int32_t>& tokens,
                        const std::function<void(std::span<const float> rows, int firstRow)>& receive) = 0;
};

/// Where the models that come with Cortex lie: share/cortex/models beside the running program's bin directory (an
/// installation and a build tree look alike). Empty where there are none.
std::filesystem::path builtinModels();

/// The path of a model: a GGUF file or safetensors directory as it stands, or an id "ORG/NAME[:QUANT]" in one of
/// `directories`, in the local Hugging Face cache (HF_HUB_CACHE, HF_HOME) or among the built-in models. Throws
/// Error(NotFound) that lists where it looked.
std::filesystem::path findModel(const std::string& pathOrId,
                                const std::vector<std::filesystem::path>& directories = {});

} // namespace cortex::engine
