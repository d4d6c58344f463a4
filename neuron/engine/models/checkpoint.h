// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/tensor.h"
#include "neuron/engine/formats/gguf.h"
#include "neuron/engine/formats/safetensors.h"
#include "neuron/engine/text/tokenizer.h"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cortex::engine {

/// The two names of one weight. The first `{}` stands for the layer's number, a second one for the expert's.
/// Safetensors names stand without the checkpoint's prefix ("model.", "model.language_model."), but for those that
/// begin with '/': they stand beside the decoder, not in it. An empty name: that format does not have it.
struct TensorName {
    std::string_view gguf;
    std::string_view safetensors;
};

/// What the `{}` of a name become.
struct TensorIndex {
    TensorIndex(int layerNumber = -1, int expertNumber = -1)
        : layer(layerNumber)
        , expert(expertNumber)
    {
    }
    int layer;
    int expert;
};

/// A tensor as a checkpoint holds it.
struct CheckpointTensor {
    std::string name; ///< as the file spells it
    std::string typeName;
    std::optional<kernels::Type> type; ///< nothing where we do not read that type
    std::vector<int64_t> shape; ///< outermost first
    size_t index = 0; ///< in the file's list
};

/// A model on disk, GGUF file or safetensors directory; what differs between the two stops here, except the
/// configuration, whose keys a model family reads for itself. Read-only and memory-mapped; safe from many threads.
class Checkpoint {
public:
    /// Throws Error (NotFound, BadFile).
    explicit Checkpoint(const std::filesystem::path& path);

    const std::filesystem::path& path() const { return m_path; }
    /// Where the weights are GGUF's; null otherwise.
    const GgufFile* gguf() const { return m_gguf ? &*m_gguf : nullptr; }
    /// config.json of a safetensors checkpoint; for composite models its text part, with what stands beside it about
    /// all weights (tie_word_embeddings, quantization_config). Null for GGUF.
    const nlohmann::json* config() const { return m_gguf ? nullptr : &m_config; }

    /// general.architecture or model_type (of the text part).
    const std::string& architecture() const { return m_architecture; }
    /// general.name, or the directory's (or repository's) name.
    std::string name() const;

    std::optional<CheckpointTensor> find(const TensorName& name, TensorIndex index = {}) const;
    /// The tensor whose name is that of `tensor` and `suffix`: "….weight" has its scales in "….weight_scale_inv".
    std::optional<CheckpointTensor> findBeside(const CheckpointTensor& tensor, std::string_view suffix) const;
    /// The file's spelling of a name, for messages.
    std::string spell(const TensorName& name, TensorIndex index = {}) const;
    kernels::WeightSource weight(const CheckpointTensor& tensor) const;
    /// Throws Error(BadFile) where a file was cut short while it was read (MappedFile::requireWhole).
    void requireWhole() const;

    bool hasTokenizer() const;
    /// Null where the checkpoint has none. Throws Error (BadFile, Unsupported).
    std::shared_ptr<const Tokenizer> tokenizer() const;
    /// Source of the chat template; nothing where there is none.
    std::optional<std::string> chatTemplateSource() const;

private:
    std::optional<CheckpointTensor> findSpelled(const std::string& name) const;
    void openDirectory();
    void readConfig(nlohmann::json config, const std::filesystem::path& path);
    void choosePrefix();

    std::filesystem::path m_path;
    std::optional<GgufFile> m_gguf;
    std::optional<SafetensorsFiles> m_safetensors;
    nlohmann::json m_config;
    std::string m_architecture;
    std::string m_prefix; ///< of the decoder's tensors in safetensors
    std::string m_outerPrefix; ///< of those beside it
};

} // namespace cortex::engine
