// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/models/modelgraph.h"

#include "neuron/engine/error.h"
#include "neuron/engine/models/families.h"

namespace cortex::engine {

namespace {

/// Architectures by the names that files use: general.architecture of GGUF, model_type of config.json.
struct Family {
    std::string_view gguf; ///< empty: not in this format
    std::string_view safetensors; ///< empty: not in this format
    std::unique_ptr<ModelGraph> (*create)(const Checkpoint& checkpoint);
};

constexpr Family Families[] = {
    {"llama", "llama", createLlama},
    {"", "mistral", createMistral},
    {"qwen2", "qwen2", createQwen2},
    {"qwen3", "qwen3", createQwen3},
    {"qwen3moe", "qwen3_moe", createQwen3Moe},
    {"qwen3next", "qwen3_next", createQwen3Next},
    {"qwen35", "qwen3_5", createQwen35},
    {"", "qwen3_5_text", createQwen35},
    {"qwen35moe", "qwen3_5_moe", createQwen35Moe},
    {"", "qwen3_5_moe_text", createQwen35Moe},
    {"gemma3", "gemma3", createGemma3},
    {"", "gemma3_text", createGemma3},
};

std::string supported(bool gguf)
{
    std::string list;
    for (const Family& family : Families) {
        const std::string_view name = gguf ? family.gguf : family.safetensors;
        if (!name.empty())
            list += (list.empty() ? "" : ", ") + std::string(name);
    }
    return list;
}

} // namespace

size_t activationBytes(ModelGraph& graph, const StepLimits& limits)
{
    ActivationLayout layout(nullptr);
    graph.placeActivations(layout, limits);
    return layout.bytes();
}

std::unique_ptr<ModelGraph> createModelGraph(const Checkpoint& checkpoint)
{
    const bool gguf = checkpoint.gguf() != nullptr;
    for (const Family& family : Families) {
        if (checkpoint.architecture() == (gguf ? family.gguf : family.safetensors))
            return family.create(checkpoint);
    }
    throw Error(ErrorKind::Unsupported,
                checkpoint.path().string() + ": the architecture \"" + checkpoint.architecture()
                    + "\" is not supported (supported " + (gguf ? "in GGUF" : "in safetensors") + ": " + supported(gguf)
                    + ")");
}

} // namespace cortex::engine
