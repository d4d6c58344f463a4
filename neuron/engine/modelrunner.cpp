// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/modelrunner.h"

#include <algorithm>
#include <numeric>

namespace cortex::engine {

namespace {

int blocksFor(size_t tokens, int blockTokens)
{
    return int((tokens + size_t(blockTokens) - 1) / size_t(blockTokens));
}

} // namespace

ModelRunner::ModelRunner(std::shared_ptr<const Checkpoint> checkpoint, std::unique_ptr<kernels::Device> device,
                         std::unique_ptr<ModelGraph> graph, const MemoryLayout& layout,
                         const std::function<void(size_t)>& progress, std::optional<kernels::Type> quant)
    : m_checkpoint(std::move(checkpoint))
    , m_layout(layout)
    , m_device(std::move(device))
    , m_graph(std::move(graph))
{
    WeightLoader loader(*m_checkpoint, *m_device, progress, quant);
    m_graph->loadWeights(loader);
    m_device->reserveWorkspace(m_layout.workspace);
    m_activations = m_device->allocate(activationBytes(*m_graph, m_layout.step));
    ActivationLayout activations(m_activations.get());
    m_graph->placeActivations(activations, m_layout.step);
    m_cache = m_device->createKvPool(m_layout.cache);
    if (m_layout.state.layers > 0)
        m_state = m_device->createStatePool(m_layout.state);
    m_batch = m_device->createBatch({m_layout.step.rows, m_layout.scheduler.slots,
                                     blocksFor(size_t(m_layout.scheduler.contextTokens), m_layout.cache.blockTokens)});
    if (!m_device->info().hostMemory)
        m_logits.resize(size_t(m_layout.step.outputs) * size_t(vocabularySize()));
}

std::span<float> ModelRunner::run(const kernels::BatchPlan& plan)
{
    return forward(plan, {*m_cache, m_state.get()});
}

std::span<float> ModelRunner::forward(const kernels::BatchPlan& plan, const SequenceMemory& memory)
{
    m_batch->set(plan);
    const kernels::Tensor logits = m_graph->forward(*m_device, *m_batch, memory);
    m_checkpoint->requireWhole(); // embeddings may lie in the file
    if (!logits) {
        m_device->synchronize(); // so that the step's time is known, and a fault is noticed here
        return {};
    }
    if (void* own = m_device->hostData(logits))
        return {static_cast<float*>(own), size_t(logits.elements())};
    m_device->download(m_logits.data(), logits);
    return {m_logits.data(), size_t(logits.elements())};
}

void ModelRunner::logits(const std::vector<int32_t>& tokens,
                         const std::function<void(std::span<const float>, int)>& receive)
{
    const int context = m_layout.scheduler.contextTokens;
    const int blockTokens = m_layout.cache.blockTokens;
    const int blocksPerSequence = blocksFor(size_t(context), blockTokens);
    if (tokens.empty())
        throw Error(ErrorKind::BadRequest, "the list of tokens is empty");
    if (tokens.size() > size_t(context))
        throw Error(ErrorKind::ContextExceeded,
                    std::to_string(tokens.size()) + " tokens exceed the context of " + std::to_string(context));
    for (int32_t token : tokens) {
        if (token < 0 || token >= vocabularySize())
            throw Error(ErrorKind::BadRequest,
                        "token " + std::to_string(token) + " is not in the vocabulary of "
                            + std::to_string(vocabularySize()));
    }

    kernels::KvLayout cache = m_layout.cache;
    cache.blocks = blocksFor(tokens.size(), blockTokens);
    const auto pool = m_device->createKvPool(cache);
    kernels::StateLayout stateLayout = m_layout.state;
    stateLayout.slots = 1;
    const auto state = stateLayout.layers > 0 ? m_device->createStatePool(stateLayout) : nullptr;
    std::vector<int32_t> blockTables(size_t(m_layout.scheduler.slots) * size_t(blocksPerSequence), 0);
    std::iota(blockTables.begin(), blockTables.begin() + cache.blocks, 0); // slot 0 has them all

    const int total = int(tokens.size());
    for (int first = 0; first < total; first += m_layout.step.outputs) {
        const int rows = std::min(m_layout.step.outputs, total - first);
        std::vector<int32_t> outputRows(size_t(rows), 0);
        std::iota(outputRows.begin(), outputRows.end(), 0);
        const kernels::BatchSequence sequence{0, 0, rows, first};
        const std::span<const int32_t> chunk(tokens.data() + first, size_t(rows));
        receive(forward({chunk, {&sequence, 1}, blockTables, outputRows}, {*pool, state.get()}), first);
    }
}

} // namespace cortex::engine
