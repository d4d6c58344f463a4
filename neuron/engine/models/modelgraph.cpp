// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/models/modelgraph.h"

#include "neuron/engine/error.h"
#include "neuron/engine/models/llama.h"

namespace cortex::engine {

namespace {

std::unique_ptr<ModelGraph> createLlama(const Checkpoint& checkpoint)
{
    return std::make_unique<LlamaGraph>(readLlamaConfig(checkpoint));
}

/// Architectures by the names that files use: general.architecture of GGUF, model_type of config.json.
struct Family {
    std::string_view gguf; ///< empty: not in this format
    std::string_view safetensors; ///< empty: not in this format
    std::unique_ptr<ModelGraph> (*create)(const Checkpoint& checkpoint);
};

constexpr Family Families[] = {
    {"llama", "llama", createLlama},
    {"", "mistral", createLlama},
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
