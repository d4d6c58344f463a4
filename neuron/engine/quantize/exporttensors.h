// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/models/checkpoint.h"
#include "neuron/engine/models/modelgraph.h"

namespace cortex::engine {

/// How a family's tensors differ between safetensors and GGUF, besides their names.
struct ExportFamily {
    /// Gated DeltaNet in some layers, and what the format does with its value heads.
    enum class Delta {
        None,
        Grouped, ///< by key head, as they were; queries, keys, values and gates are taken out of one packed projection
        Tiled, ///< the first of each key head, the second of each, …
    };
    std::string_view safetensors; ///< model_type
    std::string_view gguf; ///< general.architecture
    bool interleavedPairs = false; ///< rows of q and k go in pairs that are rotated together
    bool offsetNorms = false; ///< norms multiply by 1 + w: GGUF holds the sum
    bool normsBehind = false; ///< norms of what attention and feed-forward result in, too, and windows: Gemma
    Delta delta = Delta::None;
    bool experts = false; ///< in every layer
    bool sharedExpert = false; ///< beside them
};

/// A tensor as a GGUF file is to have it.
struct ExportTensor {
    std::string name;
    kernels::Type type;
    std::vector<int64_t> shape; ///< outermost first
    /// Its rows, in pieces that follow each other, all of `type`: bytes in `data`, or rows by readRow. To be called
    /// when they are written, and dropped then: small tensors are computed here, and what a file has at odd places
    /// copied.
    std::function<std::vector<kernels::WeightSource>()> open;
};

/// All tensors of a text model, in the order of the layers, as llama.cpp's converter writes them: vectors, convolutions
/// and routers in F32, other matrices in the type they are stored in, FP8 in BF16; the experts of a layer in one tensor
/// for each of their three matrices. `shape` is of the graph that has asked the checkpoint for every weight, so that
/// all are there and of their sizes; `tied`: the embedding is the output matrix too. The checkpoint must outlive the
/// result. Throws Error(Unsupported) for what the format cannot hold, naming the tensor.
std::vector<ExportTensor> exportTensors(const Checkpoint& checkpoint, const ModelShape& shape,
                                        const ExportFamily& family, bool tied);

/// Whether layer `layer` mixes with Gated DeltaNet.
bool isRecurrent(const Checkpoint& checkpoint, int layer);

} // namespace cortex::engine
