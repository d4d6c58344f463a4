// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/text/jsonroles.h"

#include "neuron/engine/formats/quotedname.h"

#include <algorithm>

namespace cortex::engine {

namespace {

/// A file that may be absent, parsed.
struct Sibling {
    std::filesystem::path path;
    nlohmann::json json; ///< null where the file is absent

    Sibling(const std::filesystem::path& directory, const char* name)
        : path(directory / name)
    {
        if (!std::filesystem::exists(path))
            return;
        json = parseJson(MappedFile::open(path)->bytes(), path);
        if (!json.is_object())
            JsonView(json, path).fail("is not a JSON object");
    }

    explicit operator bool() const { return !json.is_null(); }

    /// Of the object, or of the language model's part of a composite model's.
    std::optional<JsonView> member(std::string_view key) const
    {
        if (!*this)
            return std::nullopt;
        const JsonView root(json, path);
        const auto text = root.member("text_config");
        const auto value = root.member(key);
        return !value && text && text->isObject() ? text->member(key) : value;
    }
};

std::optional<int32_t> idOf(const BpeVocabulary& vocabulary, std::string_view content)
{
    const auto added = std::ranges::find(vocabulary.added, content, &AddedToken::content);
    if (added != vocabulary.added.end())
        return added->id;
    return vocabulary.entries->find(content);
}

/// A token that tokenizer_config.json names, as a string or as an object with its content.
std::optional<int32_t> namedToken(const BpeVocabulary& vocabulary, const Sibling& config, std::string_view key)
{
    const auto value = config.member(key);
    if (!value)
        return std::nullopt;
    const std::string& content = value->isObject() ? value->require("content").string() : value->string();
    if (content.empty())
        return std::nullopt;
    const auto id = idOf(vocabulary, content);
    if (!id)
        value->fail("names the token " + quotedName(content) + ", which the vocabulary lacks");
    return id;
}

int32_t idOf(const JsonView& value)
{
    const int64_t id = value.integer();
    if (id < 0 || id > maxTokenId)
        value.fail("is not a token id");
    return int32_t(id);
}

/// Ids that a config gives, one or a list.
std::vector<int32_t> listedTokens(const Sibling& config, std::string_view key)
{
    const auto value = config.member(key);
    if (!value)
        return {};
    if (!value->isArray())
        return {idOf(*value)};
    std::vector<int32_t> ids;
    for (const JsonView& element : value->elements())
        ids.push_back(idOf(element));
    return ids;
}

/// The token that the post-processor puts before a single text, if any.
std::optional<int32_t> templateBos(const JsonView& processor, const BpeVocabulary& vocabulary)
{
    const std::string& type = processor.require("type").string();
    if (type == "Sequence") {
        for (const JsonView& part : processor.require("processors").elements())
            if (const auto bos = templateBos(part, vocabulary))
                return bos;
    } else if (type == "TemplateProcessing") {
        const auto pieces = processor.require("single").elements();
        if (const auto special = pieces.size() == 0 ? std::nullopt : pieces[0].member("SpecialToken"))
            return idOf(vocabulary, special->require("id").string());
    }
    return std::nullopt;
}

} // namespace

TokenRoles readRoles(const JsonView& tokenizerJson, const std::filesystem::path& directory,
                     const BpeVocabulary& vocabulary)
{
    const Sibling tokenizerConfig(directory, "tokenizer_config.json");
    const Sibling generationConfig(directory, "generation_config.json");
    const Sibling modelConfig(directory, "config.json");
    const auto processor = tokenizerJson.member("post_processor");
    const auto prepended = processor ? templateBos(*processor, vocabulary) : std::nullopt;

    TokenRoles roles;
    roles.bos = namedToken(vocabulary, tokenizerConfig, "bos_token");
    roles.eos = namedToken(vocabulary, tokenizerConfig, "eos_token");
    if (roles.eos)
        roles.addStop(*roles.eos);
    for (const Sibling* config : {&generationConfig, &modelConfig}) {
        for (const int32_t id : listedTokens(*config, "eos_token_id")) {
            roles.addStop(id);
            if (!roles.eos)
                roles.eos = id;
        }
        // A tokenizer_config.json without a bos_token means that there is none.
        const auto bos = listedTokens(*config, "bos_token_id");
        if (!roles.bos && !tokenizerConfig && !bos.empty())
            roles.bos = bos.front();
    }
    if (!roles.bos)
        roles.bos = prepended;
    const auto addsBos = tokenizerConfig.member("add_bos_token");
    roles.wantsBos = roles.bos && (addsBos ? addsBos->boolean() : prepended == roles.bos);
    for (const int32_t id : endTokensByName(vocabulary.added))
        roles.addStop(id);
    return roles;
}

} // namespace cortex::engine
