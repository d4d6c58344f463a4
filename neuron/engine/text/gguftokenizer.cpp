// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/error.h"
#include "neuron/engine/formats/gguf.h"
#include "neuron/engine/formats/quotedname.h"
#include "neuron/engine/text/bpetokenizer.h"
#include "neuron/engine/text/ggufpretokenizers.h"

#include <algorithm>

namespace cortex::engine {

namespace {

/// Values of tokenizer.ggml.token_type that matter here.
enum TokenType : int64_t { Unknown = 2, Control = 3, UserDefined = 4 };

[[noreturn]] void fail(const GgufFile& file, ErrorKind kind, const std::string& cause)
{
    throw Error(kind, file.path().string() + ": " + cause);
}

void addEntries(BpeVocabulary& vocabulary, const GgufFile& file)
{
    vocabulary.entries = file.requireStrings("tokenizer.ggml.tokens");
    if (vocabulary.entries.empty() || int64_t(vocabulary.entries.size()) > maxTokenId + 1)
        fail(file, ErrorKind::BadFile,
             "key \"tokenizer.ggml.tokens\": a vocabulary of " + std::to_string(vocabulary.entries.size())
                 + " entries");
    for (size_t id = 0; id < vocabulary.entries.size(); ++id)
        vocabulary.ids.emplace(vocabulary.entries[id], int32_t(id));
}

/// Control and user-defined entries are added tokens; so is what is known to end a turn, though some files list it as
/// an ordinary entry.
void addAdded(BpeVocabulary& vocabulary, const GgufFile& file)
{
    const auto* types = file.integers("tokenizer.ggml.token_type");
    if (types && types->size() != vocabulary.entries.size())
        fail(file, ErrorKind::BadFile,
             "key \"tokenizer.ggml.token_type\" has " + std::to_string(types->size()) + " entries, the vocabulary "
                 + std::to_string(vocabulary.entries.size()));
    for (size_t id = 0; id < vocabulary.entries.size(); ++id) {
        const std::string& entry = vocabulary.entries[id];
        const int64_t type = types ? (*types)[id] : 0;
        const bool endsTurn = entry.starts_with("<|") && isEndTokenName(entry);
        const bool special = type == Control || type == Unknown || endsTurn;
        if ((special || type == UserDefined) && !entry.empty())
            vocabulary.added.push_back({.content = entry, .id = int32_t(id), .special = special});
    }
}

void addMerges(BpeVocabulary& vocabulary, const GgufFile& file)
{
    const auto& merges = file.requireStrings("tokenizer.ggml.merges");
    vocabulary.merges.reserve(merges.size());
    for (const std::string& merge : merges) {
        const size_t space = merge.find(' ', 1);
        if (space == std::string::npos)
            fail(file, ErrorKind::BadFile, "key \"tokenizer.ggml.merges\": " + quotedName(merge) + " is not a pair");
        vocabulary.addMerge(std::string_view(merge).substr(0, space), std::string_view(merge).substr(space + 1));
    }
}

std::optional<int32_t> tokenId(const BpeVocabulary& vocabulary, const GgufFile& file, std::string_view key)
{
    const auto id = file.integer(key);
    if (!id)
        return std::nullopt;
    if (*id < 0 || size_t(*id) >= vocabulary.entries.size())
        fail(file, ErrorKind::BadFile,
             "key " + quotedName(key) + ": token " + std::to_string(*id) + " is not in the vocabulary");
    return int32_t(*id);
}

TokenRoles rolesOf(const BpeVocabulary& vocabulary, const GgufFile& file, bool addsBos)
{
    TokenRoles roles;
    roles.bos = tokenId(vocabulary, file, "tokenizer.ggml.bos_token_id");
    roles.eos = tokenId(vocabulary, file, "tokenizer.ggml.eos_token_id");
    roles.wantsBos = roles.bos && file.boolean("tokenizer.ggml.add_bos_token").value_or(addsBos);
    for (const char* key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"})
        if (const auto id = tokenId(vocabulary, file, key))
            roles.addStop(*id);
    if (roles.eos)
        roles.addStop(*roles.eos);
    for (const int32_t id : endTokensByName(vocabulary.added))
        roles.addStop(id);
    return roles;
}

GgufPreTokenizer preTokenizerOf(const GgufFile& file)
{
    const std::string* name = file.string("tokenizer.ggml.pre");
    auto found = ggufPreTokenizer(name ? *name : "default");
    if (!found)
        fail(file, ErrorKind::Unsupported,
             "key \"tokenizer.ggml.pre\": the pre-tokenizer " + quotedName(*name)
                 + " is not supported; those that are: " + ggufPreTokenizerNames());
    return std::move(*found);
}

std::shared_ptr<const Tokenizer> bpeFromGguf(const GgufFile& file)
{
    GgufPreTokenizer pre = preTokenizerOf(file);
    BpeVocabulary vocabulary;
    addEntries(vocabulary, file);
    addAdded(vocabulary, file);
    addMerges(vocabulary, file);
    vocabulary.roles = rolesOf(vocabulary, file, pre.addsBos);
    vocabulary.preTokenizer = std::move(pre.preTokenizer);
    vocabulary.normalizeNfc = pre.normalizeNfc;
    vocabulary.ignoreMerges = pre.ignoreMerges;
    return std::make_shared<BpeTokenizer>(std::move(vocabulary));
}

} // namespace

std::shared_ptr<const Tokenizer> tokenizerFromGguf(const GgufFile& file)
{
    const std::string& model = file.requireString("tokenizer.ggml.model");
    if (model != "gpt2")
        fail(file, ErrorKind::Unsupported,
             "key \"tokenizer.ggml.model\": the tokenizer " + quotedName(model)
                 + " is not supported; choose a model with a byte-level BPE tokenizer (\"gpt2\")");
    try {
        return bpeFromGguf(file);
    } catch (const Error& error) {
        if (std::string_view(error.what()).starts_with(file.path().string()))
            throw;
        fail(file, error.kind(), error.what());
    }
}

} // namespace cortex::engine
