// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/memoryplan.h"

#include <algorithm>

namespace cortex::engine {

namespace {

constexpr int DefaultSequences = 16;
constexpr int DefaultStepTokens = 512;
constexpr int DefaultTokensPerSequence = 2048;
constexpr int BlockTokens = 32;
constexpr int LeastOutputs = 16; ///< so that Engine::logits does not go row by row

int blocksFor(int64_t tokens)
{
    return int((tokens + BlockTokens - 1) / BlockTokens);
}

/// Sizes of one model on one device, as functions of the two things to be chosen: context and cache blocks.
struct Sizes {
    const kernels::Device& device;
    const ModelShape& shape;
    size_t weightBytes;
    size_t activationBytes;
    StepLimits step;
    kernels::Type cacheType;
    int sequences;
    size_t budget;

    kernels::WorkspaceLimits workspaceLimits(int context) const
    {
        return {step.rows, shape.widestInput, shape.heads,   shape.headDim,
                context,   stateLayout(),     shape.experts, shape.expertsPerRow};
    }
    kernels::KvLayout cacheLayout(int blocks) const
    {
        return {shape.attentionLayers, blocks, BlockTokens, shape.kvHeads, shape.headDim, cacheType};
    }
    /// Taken once for all sequences, at the first token that is not chosen greedily.
    size_t sampling() const { return size_t(shape.vocabularySize) * SamplingScratch::BytesPerToken; }
    size_t workspace(int context) const
    {
        return device.workspaceBytes(workspaceLimits(context)) + activationBytes + sampling();
    }
    size_t cache(int blocks) const { return device.kvPoolBytes(cacheLayout(blocks)); }
    kernels::StateLayout stateLayout() const
    {
        kernels::StateLayout layout = shape.state;
        layout.slots = sequences;
        return layout;
    }
    size_t states() const { return stateLayout().layers > 0 ? device.statePoolBytes(stateLayout()) : 0; }
    size_t total(int context, int blocks) const { return weightBytes + workspace(context) + cache(blocks) + states(); }
    bool fits(int context, int blocks) const { return total(context, blocks) <= budget; }

    /// The longest context that fits for one sequence, up to `limit`; 0 where none does.
    int largestContext(int limit) const
    {
        const auto fitting = [this](int context) { return fits(context, blocksFor(context)); };
        return largest(limit, fitting);
    }
    /// The most blocks, up to `wanted`, that fit beside everything else.
    int largestCache(int context, int wanted) const
    {
        const auto fitting = [this, context](int blocks) { return fits(context, blocks); };
        return largest(wanted, fitting);
    }

    template <typename Fitting>
    static int largest(int limit, const Fitting& fitting)
    {
        int good = 0, bad = limit;
        if (fitting(limit))
            return limit;
        while (bad - good > 1) {
            const int middle = good + (bad - good) / 2;
            (fitting(middle) ? good : bad) = middle;
        }
        return good;
    }
};

} // namespace

MemoryLayout planMemory(const kernels::Device& device, ModelGraph& graph, const WeightAccount& weights,
                        const LoadOptions& options)
{
    const ModelShape& shape = graph.shape();
    if (options.contextTokens > shape.contextLimit)
        throw Error(ErrorKind::BadRequest,
                    "a context of " + std::to_string(options.contextTokens)
                        + " tokens was asked for, and the model was made for " + std::to_string(shape.contextLimit));

    if (options.cacheType != kernels::Type::F16 && options.cacheType != kernels::Type::BF16
        && options.cacheType != kernels::Type::F32)
        throw Error(ErrorKind::BadRequest,
                    "keys and values cannot be kept as " + std::string(kernels::traits(options.cacheType).name)
                        + " (can be: f16, bf16, f32)");

    const int sequences = options.maxSequences > 0 ? options.maxSequences : DefaultSequences;
    const int rows = std::max(options.stepTokens > 0 ? options.stepTokens : DefaultStepTokens, sequences);
    const size_t freeBytes = device.freeBytes();
    const StepLimits step{rows, std::max(sequences, std::min(rows, LeastOutputs))};
    const Sizes sizes{device,
                      shape,
                      weights.residentBytes,
                      activationBytes(graph, step),
                      step,
                      options.cacheType,
                      sequences,
                      options.memoryBudget > 0 ? options.memoryBudget : freeBytes};

    const int largestContext = sizes.largestContext(shape.contextLimit);
    const int context = options.contextTokens > 0 ? options.contextTokens
                                                  : std::max(largestContext, std::min(BlockTokens, shape.contextLimit));
    const int needed = blocksFor(context);
    const int wanted = std::max(needed, sequences * blocksFor(std::min(context, DefaultTokensPerSequence)));
    const int blocks = std::max(needed, sizes.largestCache(context, wanted));

    MemoryLayout layout;
    layout.step = sizes.step;
    layout.workspace = sizes.workspaceLimits(context);
    layout.cache = sizes.cacheLayout(blocks);
    layout.state = sizes.stateLayout();
    layout.scheduler = {sequences, rows, context, BlockTokens, blocks};

    MemoryPlan& account = layout.account;
    account.weightBytes = weights.residentBytes;
    account.mappedBytes = weights.mappedBytes;
    account.kvBytesPerToken = sizes.cache(blocks) / (size_t(blocks) * BlockTokens);
    account.stateBytesPerSequence = sizes.states() / size_t(sequences);
    account.workspaceBytes = sizes.workspace(context);
    account.contextTokens = context;
    account.sequences = sequences;
    account.kvBytes = sizes.cache(blocks);
    account.totalBytes = sizes.total(context, blocks);
    account.freeBytes = freeBytes;
    account.fits = account.totalBytes <= sizes.budget;
    account.largestContext = largestContext;
    return layout;
}

void requireFit(const MemoryPlan& account, const std::string& model)
{
    if (account.fits)
        return;
    const auto mebibytes = [](size_t bytes) { return std::to_string((bytes + (1 << 20) - 1) >> 20) + " MiB"; };
    const std::string remedy = account.largestContext > 0
        ? "; a context of " + std::to_string(account.largestContext) + " tokens for one sequence would fit"
        : "; choose a smaller model or quantization";
    throw Error(ErrorKind::OutOfMemory,
                model + " with a context of " + std::to_string(account.contextTokens) + " tokens needs "
                    + mebibytes(account.totalBytes) + ", and " + mebibytes(account.freeBytes) + " are free" + remedy);
}

} // namespace cortex::engine
