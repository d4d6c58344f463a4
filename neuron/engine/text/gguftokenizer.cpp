// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/error.h"
#include "neuron/engine/formats/gguf.h"
#include "neuron/engine/formats/quotedname.h"
#include "neuron/engine/text/bpetokenizer.h"
#include "neuron/engine/text/bytelevelbpe.h"
#include "neuron/engine/text/ggufpretokenizers.h"
#include "neuron/engine/text/scoredbpe.h"

#include <cmath>

namespace cortex::engine {

namespace {

/// Values of tokenizer.ggml.token_type that matter here.
enum TokenType : int64_t { Unknown = 2, Control = 3, UserDefined = 4, Byte = 6 };

[[noreturn]] void fail(const GgufFile& file, ErrorKind kind, const std::string& cause)
{
    throw Error(kind, file.path().string() + ": " + cause);
}

void addEntries(BpeVocabulary& vocabulary, const GgufFile& file)
{
    const auto& tokens = file.requireStrings("tokenizer.ggml.tokens");
    if (tokens.empty() || int64_t(tokens.size()) > maxTokenId + 1)
        fail(file, ErrorKind::BadFile,
             "key \"tokenizer.ggml.tokens\": a vocabulary of " + std::to_string(tokens.size()) + " entries");
    vocabulary.entries->append(tokens);
}

void checkCount(const BpeVocabulary& vocabulary, const GgufFile& file, const char* key, size_t count)
{
    if (count != vocabulary.entries->size())
        fail(file, ErrorKind::BadFile,
             "key " + quotedName(key) + " has " + std::to_string(count) + " entries, the vocabulary "
                 + std::to_string(vocabulary.entries->size()));
}

/// The type of each entry; null where the file does not tell.
const std::vector<int64_t>* typesOf(const BpeVocabulary& vocabulary, const GgufFile& file)
{
    const auto* types = file.integers("tokenizer.ggml.token_type");
    if (types)
        checkCount(vocabulary, file, "tokenizer.ggml.token_type", types->size());
    return types;
}

/// Control and user-defined entries are added tokens; so is what is known to end a turn, though some files list it as
/// an ordinary entry.
void addAdded(BpeVocabulary& vocabulary, const GgufFile& file)
{
    const auto* types = typesOf(vocabulary, file);
    for (size_t id = 0; id < vocabulary.entries->size(); ++id) {
        const std::string_view entry = (*vocabulary.entries)[id];
        const int64_t type = types ? (*types)[id] : 0;
        const bool endsTurn = entry != "</s>" && isEndTokenName(entry);
        const bool special = type == Control || type == Unknown || endsTurn;
        if ((special || type == UserDefined) && !entry.empty())
            vocabulary.added.push_back({.content = std::string(entry), .id = int32_t(id), .special = special});
    }
}

void addMerges(BpeVocabulary& vocabulary, const GgufFile& file)
{
    const auto& merges = file.requireStrings("tokenizer.ggml.merges");
    vocabulary.addMerges(merges.size(), [&](size_t index) {
        const std::string_view merge = merges[index];
        const size_t space = merge.find(' ', 1);
        if (space == std::string_view::npos)
            fail(file, ErrorKind::BadFile, "key \"tokenizer.ggml.merges\": " + quotedName(merge) + " is not a pair");
        return BpeVocabulary::Pair{merge.substr(0, space), merge.substr(space + 1)};
    });
}

std::optional<int32_t> tokenId(const BpeVocabulary& vocabulary, const GgufFile& file, std::string_view key)
{
    const auto id = file.integer(key);
    if (!id)
        return std::nullopt;
    if (*id < 0 || size_t(*id) >= vocabulary.entries->size())
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
    if (pre.normalizeNfc)
        vocabulary.normalizer.add(NfcStep());
    vocabulary.preTokenizer = std::move(pre.preTokenizer);
    vocabulary.model = std::make_shared<ByteLevelBpe>(vocabulary.entries, vocabulary.merges, pre.ignoreMerges);
    vocabulary.decoder.byteLevel = true;
    return std::make_shared<BpeTokenizer>(std::move(vocabulary));
}

/// By id; nothing for entries that merging must not make.
std::vector<std::optional<double>> scoresOf(const BpeVocabulary& vocabulary, const GgufFile& file)
{
    constexpr const char* key = "tokenizer.ggml.scores";
    const GgufValue* value = file.find(key);
    const auto* numbers = value ? std::get_if<std::vector<double>>(value) : nullptr;
    if (!numbers)
        fail(file, ErrorKind::BadFile,
             "lacks the key " + quotedName(key) + " with a floating-point number for each entry");
    checkCount(vocabulary, file, key, numbers->size());
    const auto* types = typesOf(vocabulary, file);
    std::vector<std::optional<double>> scores(numbers->size());
    for (size_t id = 0; id < scores.size(); ++id) {
        if (std::isnan((*numbers)[id]))
            fail(file, ErrorKind::BadFile,
                 "key " + quotedName(key) + ": the score of token " + std::to_string(id) + " is not a number");
        const int64_t type = types ? (*types)[id] : 0;
        if (type != Unknown && type != Control && type != Byte)
            scores[id] = (*numbers)[id];
    }
    return scores;
}

/// SentencePiece writes spaces as "▁". Where it puts one before a text, it does so behind every added token, too.
void addSentencePieceSpaces(BpeVocabulary& vocabulary, const GgufFile& file)
{
    if (file.boolean("tokenizer.ggml.add_space_prefix").value_or(true)) {
        vocabulary.normalizer.add(PrependStep{" "});
        vocabulary.decoder.start = TokenDecoder::Start::WithoutOneSpace;
    }
    vocabulary.normalizer.add(ReplaceStep{Regex::literal(" "), std::string(sentencePieceSpace), 1});
    vocabulary.decoder.space = sentencePieceSpace;
    vocabulary.decoder.byteFallback = true;
}

/// The places where merging may happen across a space, as far as scored entries tell.
void addCutter(BpeVocabulary& vocabulary, const std::vector<std::optional<double>>& scores)
{
    const auto space = vocabulary.entries->find(sentencePieceSpace);
    if (!space || !scores[size_t(*space)])
        return;
    vocabulary.cutter.emplace();
    for (size_t id = 0; id < scores.size(); ++id)
        if (scores[id])
            vocabulary.cutter->addEntry((*vocabulary.entries)[id]);
}

std::shared_ptr<const Tokenizer> sentencePieceFromGguf(const GgufFile& file)
{
    BpeVocabulary vocabulary;
    addEntries(vocabulary, file);
    addAdded(vocabulary, file);
    const auto scores = scoresOf(vocabulary, file);
    const CharacterFallback fallback(*vocabulary.entries, true,
                                     tokenId(vocabulary, file, "tokenizer.ggml.unknown_token_id"));
    vocabulary.model = std::make_shared<ScoredBpe>(vocabulary.entries, scores, fallback);
    addSentencePieceSpaces(vocabulary, file);
    addCutter(vocabulary, scores);
    vocabulary.roles = rolesOf(vocabulary, file, true);
    return std::make_shared<BpeTokenizer>(std::move(vocabulary));
}

} // namespace

std::shared_ptr<const Tokenizer> tokenizerFromGguf(const GgufFile& file)
{
    const std::string& model = file.requireString("tokenizer.ggml.model");
    if (model != "gpt2" && model != "llama")
        fail(file, ErrorKind::Unsupported,
             "key \"tokenizer.ggml.model\": the tokenizer " + quotedName(model)
                 + " is not supported; those that are: gpt2 (byte-level BPE), llama (SentencePiece BPE)");
    try {
        return model == "gpt2" ? bpeFromGguf(file) : sentencePieceFromGguf(file);
    } catch (const Error& error) {
        if (std::string_view(error.what()).starts_with(file.path().string()))
            throw;
        fail(file, error.kind(), error.what());
    }
}

} // namespace cortex::engine
