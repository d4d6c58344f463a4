// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/models/checkpoint.h"

#include "neuron/engine/error.h"
#include "neuron/engine/formats/ggmltype.h"
#include "neuron/engine/formats/jsonfile.h"

namespace cortex::engine {

namespace fs = std::filesystem;

namespace {

constexpr size_t TemplateLimit = size_t(4) << 20;
constexpr size_t JsonLimit = size_t(64) << 20;

std::string withLayer(std::string_view pattern, int layer)
{
    std::string name(pattern);
    if (const size_t place = name.find("{}"); place != std::string::npos)
        name.replace(place, 2, std::to_string(layer));
    return name;
}

std::string readText(const fs::path& path, size_t limit)
{
    const auto file = MappedFile::open(path);
    const auto bytes = file->bytes();
    if (bytes.size() > limit)
        throw Error(ErrorKind::BadFile,
                    path.string() + ": " + std::to_string(bytes.size()) + " bytes are too many; the limit is "
                        + std::to_string(limit));
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A "chat_template" entry: a string, or a list of named ones of which "default" is meant.
std::optional<std::string> templateEntry(const nlohmann::json& config)
{
    const auto entry = config.find("chat_template");
    if (entry == config.end())
        return std::nullopt;
    if (entry->is_string())
        return entry->get<std::string>();
    if (!entry->is_array())
        return std::nullopt;
    for (const auto& named : *entry) {
        if (named.is_object() && named.value("name", nlohmann::json()) == "default" && named.contains("template")
            && named["template"].is_string())
            return named["template"].get<std::string>();
    }
    return std::nullopt;
}

nlohmann::json readJsonFile(const fs::path& path)
{
    const auto file = MappedFile::open(path);
    if (file->bytes().size() > JsonLimit)
        throw Error(ErrorKind::BadFile,
                    path.string() + ": " + std::to_string(file->bytes().size())
                        + " bytes are too many for a settings file");
    return parseJson(file->bytes(), path);
}

} // namespace

Checkpoint::Checkpoint(const fs::path& path)
    : m_path(path)
{
    std::error_code failure;
    if (fs::is_directory(path, failure)) {
        openDirectory();
    } else {
        m_gguf.emplace(path);
        m_architecture = m_gguf->requireString("general.architecture");
        if (m_gguf->integer("split.count").value_or(1) > 1)
            throw Error(ErrorKind::Unsupported,
                        path.string() + ": one part of a split GGUF file; join the parts first (gguf-split --merge)");
    }
}

void Checkpoint::openDirectory()
{
    const fs::path configPath = m_path / "config.json";
    nlohmann::json config = readJsonFile(configPath);
    if (!config.is_object())
        throw Error(ErrorKind::BadFile, configPath.string() + ": not a JSON object");
    // A composite (vision and text) model keeps the language model's figures in a part of its own.
    if (const auto text = config.find("text_config"); text != config.end() && text->is_object())
        m_config = *text;
    else
        m_config = std::move(config);
    const auto type = m_config.find("model_type");
    if (type == m_config.end() || !type->is_string())
        throw Error(ErrorKind::BadFile, configPath.string() + ": \"model_type\" is missing or not a string");
    m_architecture = type->get<std::string>();

    m_safetensors.emplace(m_path);
    for (const char* prefix : {"model.", "model.language_model.", "language_model.model.", ""}) {
        if (m_safetensors->findTensor(std::string(prefix) + "embed_tokens.weight")) {
            m_prefix = prefix;
            return;
        }
    }
    throw Error(ErrorKind::BadFile,
                m_path.string()
                    + ": no tensor \"embed_tokens.weight\" under any known prefix; is this a language model?");
}

std::string Checkpoint::name() const
{
    if (m_gguf) {
        if (const std::string* name = m_gguf->string("general.name"); name && !name->empty())
            return *name;
        return m_path.stem().string();
    }
    const fs::path directory = fs::absolute(m_path).lexically_normal();
    const fs::path parent = directory.parent_path();
    if (parent.filename() == "snapshots") // the hub's cache: models--ORG--NAME/snapshots/COMMIT
        return parent.parent_path().filename().string();
    return directory.has_filename() ? directory.filename().string() : parent.filename().string();
}

std::string Checkpoint::spell(const TensorName& name, int layer) const
{
    if (m_gguf)
        return withLayer(name.gguf, layer);
    if (name.safetensors.starts_with('/'))
        return withLayer(name.safetensors.substr(1), layer);
    return m_prefix + withLayer(name.safetensors, layer);
}

std::optional<CheckpointTensor> Checkpoint::find(const TensorName& name, int layer) const
{
    const std::string spelled = spell(name, layer);
    if (m_gguf) {
        const GgufTensor* tensor = m_gguf->findTensor(spelled);
        if (!tensor)
            return std::nullopt;
        return CheckpointTensor{spelled, ggmlTypeName(tensor->ggmlType), tensor->type, tensor->shape,
                                size_t(tensor - m_gguf->tensors().data())};
    }
    const SafeTensor* tensor = m_safetensors->findTensor(spelled);
    if (!tensor)
        return std::nullopt;
    return CheckpointTensor{spelled, tensor->dtype, tensor->type, tensor->shape,
                            size_t(tensor - m_safetensors->tensors().data())};
}

kernels::WeightSource Checkpoint::weight(const CheckpointTensor& tensor) const
{
    return m_gguf ? m_gguf->weight(m_gguf->tensors()[tensor.index])
                  : m_safetensors->weight(m_safetensors->tensors()[tensor.index]);
}

bool Checkpoint::hasTokenizer() const
{
    return m_gguf ? m_gguf->find("tokenizer.ggml.model") != nullptr : fs::exists(m_path / "tokenizer.json");
}

std::shared_ptr<const Tokenizer> Checkpoint::tokenizer() const
{
    if (!hasTokenizer())
        return nullptr;
    return m_gguf ? tokenizerFromGguf(*m_gguf) : tokenizerFromJson(m_path / "tokenizer.json");
}

std::optional<std::string> Checkpoint::chatTemplateSource() const
{
    if (m_gguf) {
        const std::string* source = m_gguf->string("tokenizer.chat_template");
        return source ? std::optional(*source) : std::nullopt;
    }
    if (const fs::path file = m_path / "chat_template.jinja"; fs::exists(file))
        return readText(file, TemplateLimit);
    for (const char* name : {"chat_template.json", "tokenizer_config.json"}) {
        if (const fs::path file = m_path / name; fs::exists(file)) {
            const nlohmann::json config = readJsonFile(file);
            if (config.is_object()) {
                if (auto source = templateEntry(config))
                    return source;
            }
        }
    }
    return std::nullopt;
}

} // namespace cortex::engine
