// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/models/checkpoint.h"

#include <filesystem>
#include <functional>

namespace cortex::engine {

/// Writes a safetensors checkpoint as a GGUF file of the types it has (FP8 becomes BF16), with the keys and tensors
/// that llama.cpp's converter would write. For every family that runs here; a prediction head is left out, as images
/// are. Refused is what GGUF cannot say, see exportMetadata, exportTensors and exportTokenizer.
///
/// `progress` gets the fraction done and the tensor's name; false stops. Throws Error (Unsupported, BadFile, Cancelled,
/// and what GgufWriter throws); then nothing is left at `destination` that was not there before.
void exportGguf(const Checkpoint& checkpoint, const std::filesystem::path& destination,
                const std::function<bool(double fraction, const std::string& tensor)>& progress);

} // namespace cortex::engine
