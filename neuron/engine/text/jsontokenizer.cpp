// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/text/jsontokenizer.h"

#include "neuron/engine/error.h"
#include "neuron/engine/formats/jsonfile.h"
#include "neuron/engine/formats/quotedname.h"
#include "neuron/engine/text/bpetokenizer.h"
#include "neuron/engine/text/bytealphabet.h"
#include "neuron/engine/text/bytelevelbpe.h"
#include "neuron/engine/text/characterbpe.h"
#include "neuron/engine/text/jsonroles.h"
#include "neuron/engine/text/jsonsteps.h"
#include "neuron/engine/text/tokenizerjson.h"

#include <algorithm>

namespace cortex::engine {

namespace {

void checkModel(const JsonView& model)
{
    if (const auto type = model.member("type"); type && type->string() != "BPE")
        refuseStep(model);
    const auto mustBeEmpty = [&](std::string_view key) {
        const auto value = model.member(key);
        if (value && !value->string().empty())
            value->fail("is not supported", ErrorKind::Unsupported);
    };
    mustBeEmpty("continuing_subword_prefix");
    mustBeEmpty("end_of_word_suffix");
    if (const auto dropout = model.member("dropout"))
        dropout->fail("is not supported: encoding would not be deterministic", ErrorKind::Unsupported);
}

void takeEntries(BpeVocabulary& vocabulary, const TokenizerJson& file, const JsonView& vocab)
{
    if (!vocab.isObject() || (file.entries->size() == 0 && !file.badEntry))
        vocab.fail("is not a table of entries");
    if (file.badEntry)
        vocab.fail("gives the entry " + quotedName(*file.badEntry) + " no id from 0 to " + std::to_string(maxTokenId));
    vocabulary.entries = file.entries;
}

/// Where unk_token would come into play in a byte-level vocabulary: HF gives it to characters without an entry.
void checkBytes(const BpeVocabulary& vocabulary, const JsonView& model)
{
    const auto unknown = model.member("unk_token");
    if (!unknown)
        return;
    for (unsigned byte = 0; byte < 256; ++byte) {
        const char c = char(byte);
        if (!vocabulary.entries->contains(entryOfBytes({&c, 1})))
            unknown->fail("stands for bytes that the vocabulary lacks, which is not supported", ErrorKind::Unsupported);
    }
}

void addMerges(BpeVocabulary& vocabulary, const TokenizerJson& file, const JsonView& merges)
{
    if (!merges.isArray())
        merges.fail("is not an array");
    vocabulary.addMerges(file.merges.size(), [&](size_t index) { return file.merges[index]; });
    if (file.badMerge)
        merges.fail("has no pair at index " + std::to_string(file.merges.size()));
}

void addAdded(BpeVocabulary& vocabulary, const JsonView& list)
{
    for (const JsonView& token : list.elements()) {
        const int64_t id = token.require("id").integer();
        if (id < 0 || id > maxTokenId)
            token.fail("has an id out of range");
        vocabulary.added.push_back({.content = token.require("content").string(),
                                    .id = int32_t(id),
                                    .special = token.boolean("special", false),
                                    .singleWord = token.boolean("single_word", false),
                                    .lstrip = token.boolean("lstrip", false),
                                    .rstrip = token.boolean("rstrip", false),
                                    .normalized = token.boolean("normalized", false)});
    }
}

void makeByteLevel(BpeVocabulary& vocabulary, const JsonView& model)
{
    if (model.boolean("byte_fallback", false))
        model.fail("falls back to bytes though it is byte-level, which is not supported", ErrorKind::Unsupported);
    checkBytes(vocabulary, model);
    vocabulary.model =
        std::make_shared<ByteLevelBpe>(vocabulary.entries, vocabulary.merges, model.boolean("ignore_merges", false));
}

void makeSentencePiece(BpeVocabulary& vocabulary, const JsonView& model)
{
    std::optional<int32_t> unknown;
    if (const auto token = model.member("unk_token")) {
        unknown = vocabulary.entries->find(token->string());
        if (!unknown)
            token->fail("names the token " + quotedName(token->string()) + ", which the vocabulary lacks");
    }
    const CharacterBpe::Options options{.fuseUnknown = model.boolean("fuse_unk", false),
                                        .ignoreMerges = model.boolean("ignore_merges", false)};
    const CharacterFallback fallback(*vocabulary.entries, model.boolean("byte_fallback", false), unknown);
    vocabulary.model = std::make_shared<CharacterBpe>(vocabulary.entries, vocabulary.merges, fallback, options);
    if (options.ignoreMerges || !vocabulary.entries->contains(sentencePieceSpace))
        return;
    WordCutter& cutter = vocabulary.cutter.emplace();
    for (const MergeRule& rule : vocabulary.merges)
        cutter.addEntry((*vocabulary.entries)[size_t(rule.result)]);
}

BpeVocabulary readVocabulary(const TokenizerJson& file, const JsonView& root)
{
    BpeVocabulary vocabulary;
    const JsonView model = root.require("model");
    checkModel(model);
    if (const auto normalizer = root.member("normalizer"))
        vocabulary.normalizer = readNormalizer(*normalizer);
    bool byteLevel = false;
    if (const auto part = root.member("pre_tokenizer")) {
        JsonPreTokenizer read = readPreTokenizer(*part);
        vocabulary.preTokenizer = std::move(read.preTokenizer);
        byteLevel = read.byteLevel;
    }
    const JsonView decoder = root.require("decoder");
    vocabulary.decoder = readDecoder(decoder);
    if (vocabulary.decoder.byteLevel != byteLevel)
        decoder.fail("does not match the pre_tokenizer: only one of them is ByteLevel", ErrorKind::Unsupported);
    takeEntries(vocabulary, file, model.require("vocab"));
    addMerges(vocabulary, file, model.require("merges"));
    if (const auto added = root.member("added_tokens"))
        addAdded(vocabulary, *added);
    byteLevel ? makeByteLevel(vocabulary, model) : makeSentencePiece(vocabulary, model);
    return vocabulary;
}

} // namespace

std::shared_ptr<const Tokenizer> tokenizerFromJson(const MappedFile& file)
{
    try {
        const TokenizerJson parsed = parseTokenizerJson(file.bytes(), file.path());
        const JsonView root(parsed.rest, file.path());
        BpeVocabulary vocabulary = readVocabulary(parsed, root);
        vocabulary.roles = readRoles(root, file.path().parent_path(), vocabulary);
        return std::make_shared<BpeTokenizer>(std::move(vocabulary));
    } catch (const Error& error) {
        if (std::string_view(error.what()).starts_with(file.path().parent_path().string()))
            throw;
        throw Error(error.kind(), file.path().string() + ": " + error.what());
    }
}

std::shared_ptr<const Tokenizer> tokenizerFromJson(const std::filesystem::path& tokenizerJson)
{
    return tokenizerFromJson(*MappedFile::open(tokenizerJson));
}

} // namespace cortex::engine
