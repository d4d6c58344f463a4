// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/models/checkpoint.h"
#include "neuron/engine/models/modelgraph.h"

namespace cortex::engine {

/// How a family's tensors differ between safetensors and GGUF, besides their names.
struct ExportFamily {
    std::string_view safetensors; ///< model_type
    std::string_view gguf; ///< general.architecture
    bool interleavedPairs = false; ///< rows of q and k go in pairs that are rotated together
    bool offsetNorms = false; ///< norms multiply by 1 + w: GGUF holds the sum
    bool hybrid = false; ///< Gated DeltaNet: value heads go from grouped (by key head) to tiled
};

/// A tensor as a GGUF file is to have it. `source` is of the type to be written: bytes in `data`, or rows by readRow.
struct ExportTensor {
    std::string name;
    std::vector<int64_t> shape; ///< outermost first
    kernels::WeightSource source;
};

/// All tensors of a text model without experts, in the order of the layers, as llama.cpp's converter writes them:
/// vectors and convolutions in F32, matrices in the type they are stored in, FP8 in BF16. `shape` is of the graph that
/// has asked the checkpoint for every weight, so that all are there and of their sizes; `tied`: the embedding is the
/// output matrix too. Keeps the mapping alive.
std::vector<ExportTensor> exportTensors(const Checkpoint& checkpoint, const ModelShape& shape,
                                        const ExportFamily& family, bool tied);

/// Whether layer `layer` mixes with Gated DeltaNet.
bool isRecurrent(const Checkpoint& checkpoint, int layer);

} // namespace cortex::engine
