// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/models/modelgraph.h"

/// The graphs of each family, made from a checkpoint: its configuration is read and checked. Each throws Error(BadFile
/// | Unsupported) naming file, key and cause. The equations stand with the families.
namespace cortex::engine {

// llama.cpp
std::unique_ptr<ModelGraph> createLlama(const Checkpoint& checkpoint);
std::unique_ptr<ModelGraph> createMistral(const Checkpoint& checkpoint);
std::unique_ptr<ModelGraph> createQwen2(const Checkpoint& checkpoint);
// qwen3.cpp
std::unique_ptr<ModelGraph> createQwen3(const Checkpoint& checkpoint);
std::unique_ptr<ModelGraph> createQwen3Moe(const Checkpoint& checkpoint);
// qwen35.cpp
std::unique_ptr<ModelGraph> createQwen35(const Checkpoint& checkpoint);
std::unique_ptr<ModelGraph> createQwen35Moe(const Checkpoint& checkpoint);
std::unique_ptr<ModelGraph> createQwen3Next(const Checkpoint& checkpoint);
// gemma3.cpp
std::unique_ptr<ModelGraph> createGemma3(const Checkpoint& checkpoint);

} // namespace cortex::engine
