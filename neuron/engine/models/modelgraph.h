// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/device.h"
#include "neuron/engine/models/activationlayout.h"
#include "neuron/engine/models/weightloader.h"

#include <memory>
#include <string>

namespace cortex::engine {

/// What everyone but the graph itself has to know of a model.
struct ModelShape {
    int layers = 0;
    int hiddenSize = 0;
    int vocabularySize = 0;
    int contextLimit = 0; ///< positions that the model was made for
    int attentionLayers = 0; ///< layers with keys and values in the cache
    int heads = 0; ///< query heads, the most of any layer
    int kvHeads = 0;
    int headDim = 0;
    int64_t widestInput = 0; ///< columns of the widest product
    kernels::StateLayout state; ///< recurrent memory; `slots` is left to the memory plan
    int experts = 0; ///< of a mixture layer; 0: there is none
    int expertsPerRow = 0;
};

/// What a model keeps of its sequences between steps.
struct SequenceMemory {
    kernels::KvPool& cache; ///< of the attention layers, counted among themselves
    kernels::StatePool* state = nullptr; ///< of the recurrent layers, counted among themselves; null without any
};

/// The largest step that a graph has to serve.
struct StepLimits {
    int rows = 0;
    int outputs = 0; ///< rows whose logits are wanted
};

/// A model's computation. One class per family, made in this order: the configuration is read (constructor), the
/// weights are asked for (once for the account, once to load), activations are placed (once for the account, once in
/// memory), then steps run.
class ModelGraph {
public:
    virtual ~ModelGraph() = default;

    virtual const ModelShape& shape() const = 0;

    /// Asks for every weight. With a loader that only takes the account the graph cannot run afterwards.
    virtual void loadWeights(WeightLoader& loader) = 0;

    /// Places every intermediate tensor of a step. With a layout that only counts the graph cannot run afterwards.
    virtual void placeActivations(ActivationLayout& layout, const StepLimits& limits) = 0;

    /// Enqueues one step on the device of the weights: logits [batch.outputs(), vocabulary], float32, valid until the
    /// next step; an empty tensor where no output is wanted.
    virtual kernels::Tensor forward(kernels::Device& device, const kernels::Batch& batch,
                                    const SequenceMemory& memory) = 0;
};

/// Device bytes that a graph's activations take.
size_t activationBytes(ModelGraph& graph, const StepLimits& limits);

/// The graph for a checkpoint's architecture, configuration read and checked. Throws Error: Unsupported, naming the
/// architecture and those that are supported, or BadFile.
std::unique_ptr<ModelGraph> createModelGraph(const Checkpoint& checkpoint);

} // namespace cortex::engine
