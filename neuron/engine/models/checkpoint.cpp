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

std::string withNumbers(std::string_view pattern, TensorIndex index)
{
    std::string name(pattern);
    for (int number : {index.layer, index.expert}) {
        if (const size_t place = name.find("{}"); place != std::string::npos)
            name.replace(place, 2, std::to_string(number));
    }
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
    }
}

void Checkpoint::openDirectory()
{
    const fs::path configPath = m_path / "config.json";
    nlohmann::json config = readJsonFile(configPath);
    if (!config.is_object())
        throw Error(ErrorKind::BadFile, configPath.string() + ": not a JSON object");
    readConfig(std::move(config), configPath);
    m_safetensors.emplace(m_path);
    choosePrefix();
}

/// A composite (vision and text) model keeps the language model's figures in a part of its own.
void Checkpoint::readConfig(nlohmann::json config, const fs::path& path)
{
    const auto modelType = [](const nlohmann::json& json) -> std::optional<std::string> {
        const auto type = json.find("model_type");
        return type != json.end() && type->is_string() ? std::optional(type->get<std::string>()) : std::nullopt;
    };
    const std::optional<std::string> outer = modelType(config);
    if (const auto text = config.find("text_config"); text != config.end() && text->is_object()) {
        m_config = *text;
        for (const char* key : {"tie_word_embeddings", "quantization_config"}) {
            if (const auto value = config.find(key); value != config.end() && !value->is_null())
                m_config[key] = *value;
        }
    } else {
        m_config = std::move(config);
    }
    const std::optional<std::string> type = modelType(m_config);
    if (!type && !outer)
        throw Error(ErrorKind::BadFile, path.string() + ": \"model_type\" is missing or not a string");
    m_architecture = type ? *type : *outer;
}

/// Where none fits, the first stands, and whoever asks for a tensor hears that it is missing.
void Checkpoint::choosePrefix()
{
    struct Prefixes {
        const char* decoder;
        const char* beside;
    };
    constexpr Prefixes Known[] = {
        {"model.", ""},
        {"model.language_model.", ""},
        {"language_model.model.", "language_model."},
        {"", ""},
    };
    m_prefix = Known[0].decoder;
    for (const Prefixes& prefixes : Known) {
        if (m_safetensors->findTensor(std::string(prefixes.decoder) + "embed_tokens.weight")) {
            m_prefix = prefixes.decoder;
            m_outerPrefix = prefixes.beside;
            return;
        }
    }
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

std::string Checkpoint::spell(const TensorName& name, TensorIndex index) const
{
    if (m_gguf)
        return withNumbers(name.gguf, index);
    if (name.safetensors.starts_with('/'))
        return m_outerPrefix + withNumbers(name.safetensors.substr(1), index);
    return m_prefix + withNumbers(name.safetensors, index);
}

std::optional<CheckpointTensor> Checkpoint::find(const TensorName& name, TensorIndex index) const
{
    if ((m_gguf ? name.gguf : name.safetensors).empty())
        return std::nullopt;
    return findSpelled(spell(name, index));
}

std::optional<CheckpointTensor> Checkpoint::findBeside(const CheckpointTensor& tensor, std::string_view suffix) const
{
    return findSpelled(tensor.name + std::string(suffix));
}

std::optional<CheckpointTensor> Checkpoint::findSpelled(const std::string& spelled) const
{
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

void Checkpoint::requireWhole() const
{
    if (m_gguf)
        m_gguf->requireWhole();
    else
        m_safetensors->requireWhole();
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
