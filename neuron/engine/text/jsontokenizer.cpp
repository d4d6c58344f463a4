// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/text/jsontokenizer.h"

#include "neuron/engine/formats/jsonfile.h"
#include "neuron/engine/formats/quotedname.h"
#include "neuron/engine/text/bpetokenizer.h"
#include "neuron/engine/text/bytealphabet.h"
#include "neuron/engine/text/jsonroles.h"

#include <algorithm>

namespace cortex::engine {

namespace {

[[noreturn]] void refuse(const JsonView& part)
{
    part.fail("of type " + quotedName(part.require("type").string())
                  + " is not supported; only byte-level BPE tokenizers are",
              ErrorKind::Unsupported);
}

bool normalizesNfc(const JsonView& normalizer)
{
    const std::string& type = normalizer.require("type").string();
    if (type == "NFC")
        return true;
    if (type != "Sequence")
        refuse(normalizer);
    bool nfc = false;
    for (const JsonView& part : normalizer.require("normalizers").elements())
        nfc |= normalizesNfc(part);
    return nfc;
}

SplitBehavior splitBehavior(const JsonView& value)
{
    static const std::pair<std::string_view, SplitBehavior> names[]{
        {"Isolated", SplitBehavior::Isolated},
        {"Removed", SplitBehavior::Removed},
        {"Contiguous", SplitBehavior::Contiguous},
        {"MergedWithPrevious", SplitBehavior::MergedWithPrevious},
        {"MergedWithNext", SplitBehavior::MergedWithNext},
    };
    for (const auto& [name, behavior] : names)
        if (value.string() == name)
            return behavior;
    value.fail("is not a behavior: " + quotedName(value.string()));
}

Regex regexOf(const JsonView& pattern)
{
    try {
        if (const auto regex = pattern.member("Regex"))
            return Regex(regex->string());
        return Regex::literal(pattern.require("String").string());
    } catch (const Error& error) {
        pattern.fail(error.what(), error.kind());
    }
}

/// Reads a tokenizer.json's pre_tokenizer; it must end in the byte-level step, which makes bytes of what others cut.
class PreTokenizerReader {
public:
    explicit PreTokenizerReader(PreTokenizer& preTokenizer)
        : m_preTokenizer(preTokenizer)
    {
    }

    void read(const JsonView& part)
    {
        if (m_isByteLevel)
            part.fail("follows a ByteLevel step, which is not supported", ErrorKind::Unsupported);
        const std::string& type = part.require("type").string();
        if (type == "Sequence") {
            for (const JsonView& element : part.require("pretokenizers").elements())
                read(element);
        } else if (type == "ByteLevel") {
            readByteLevel(part);
        } else if (type == "Split") {
            m_preTokenizer.add(SplitStep{regexOf(part.require("pattern")), splitBehavior(part.require("behavior")),
                                         part.boolean("invert", false)});
        } else if (type == "Digits") {
            const bool individual = part.boolean("individual_digits", false);
            m_preTokenizer.add(
                SplitStep{Regex(R"(\p{N})"), individual ? SplitBehavior::Isolated : SplitBehavior::Contiguous});
        } else if (type == "Punctuation") {
            const auto behavior = part.member("behavior");
            m_preTokenizer.add(SplitStep{Regex(R"([!-/:-@\[-`{-~\p{P}])"),
                                         behavior ? splitBehavior(*behavior) : SplitBehavior::Isolated});
        } else if (type == "WhitespaceSplit") {
            m_preTokenizer.add(SplitStep{Regex(R"(\s)"), SplitBehavior::Removed});
        } else {
            refuse(part);
        }
    }

    bool isByteLevel() const { return m_isByteLevel; }

private:
    void readByteLevel(const JsonView& part)
    {
        m_isByteLevel = true;
        if (part.boolean("add_prefix_space", true))
            m_preTokenizer.add(PrefixSpaceStep());
        if (part.boolean("use_regex", true))
            m_preTokenizer.addByteLevelSplit();
    }

    PreTokenizer& m_preTokenizer;
    bool m_isByteLevel = false;
};

void checkDecoder(const JsonView& decoder)
{
    const std::string& type = decoder.require("type").string();
    if (type == "ByteLevel" || type == "Fuse")
        return;
    if (type != "Sequence")
        refuse(decoder);
    for (const JsonView& part : decoder.require("decoders").elements())
        checkDecoder(part);
}

void checkModel(const JsonView& model)
{
    if (const auto type = model.member("type"); type && type->string() != "BPE")
        refuse(model);
    const auto mustBeEmpty = [&](std::string_view key) {
        const auto value = model.member(key);
        if (value && !value->string().empty())
            value->fail("is not supported; only byte-level BPE tokenizers are", ErrorKind::Unsupported);
    };
    mustBeEmpty("continuing_subword_prefix");
    mustBeEmpty("end_of_word_suffix");
    if (model.boolean("byte_fallback", false))
        model.fail("falls back to bytes (SentencePiece), which is not supported; only byte-level BPE tokenizers are",
                   ErrorKind::Unsupported);
    if (const auto dropout = model.member("dropout"))
        dropout->fail("is not supported: encoding would not be deterministic", ErrorKind::Unsupported);
}

void addEntries(BpeVocabulary& vocabulary, const JsonView& vocab)
{
    if (!vocab.isObject() || vocab.raw().empty())
        vocab.fail("is not a table of entries");
    for (const auto& [entry, id] : vocab.raw().items()) {
        if (!id.is_number_unsigned() || id.get<uint64_t>() > uint64_t(maxTokenId))
            vocab.fail("gives the entry " + quotedName(entry) + " no id from 0 to " + std::to_string(maxTokenId));
        const auto index = id.get<size_t>();
        if (index >= vocabulary.entries.size())
            vocabulary.entries.resize(index + 1);
        vocabulary.entries[index] = entry;
        vocabulary.ids.emplace(entry, int32_t(index));
    }
}

/// Where unk_token would come into play: HF gives it to characters without an entry.
void checkBytes(const BpeVocabulary& vocabulary, const JsonView& model)
{
    const auto unknown = model.member("unk_token");
    if (!unknown)
        return;
    for (unsigned byte = 0; byte < 256; ++byte) {
        const char c = char(byte);
        if (!vocabulary.ids.contains(entryOfBytes({&c, 1})))
            unknown->fail("stands for bytes that the vocabulary lacks, which is not supported", ErrorKind::Unsupported);
    }
}

/// A rule is a pair, or in older files a string with a space in its middle.
void addMerges(BpeVocabulary& vocabulary, const JsonView& merges)
{
    if (!merges.isArray())
        merges.fail("is not an array");
    for (const nlohmann::json& merge : merges.raw()) {
        if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
            vocabulary.addMerge(merge[0].get_ref<const std::string&>(), merge[1].get_ref<const std::string&>());
            continue;
        }
        const std::string_view text = merge.is_string() ? merge.get_ref<const std::string&>() : std::string_view();
        const size_t space = text.find(' ');
        if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos)
            merges.fail("has no pair at index " + std::to_string(vocabulary.merges.size()));
        vocabulary.addMerge(text.substr(0, space), text.substr(space + 1));
    }
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

BpeVocabulary readVocabulary(const JsonView& root)
{
    BpeVocabulary vocabulary;
    const JsonView model = root.require("model");
    checkModel(model);
    if (const auto normalizer = root.member("normalizer"))
        vocabulary.normalizeNfc = normalizesNfc(*normalizer);
    PreTokenizerReader reader(vocabulary.preTokenizer);
    const JsonView preTokenizer = root.require("pre_tokenizer");
    reader.read(preTokenizer);
    if (!reader.isByteLevel())
        preTokenizer.fail("has no ByteLevel step; only byte-level BPE tokenizers are supported",
                          ErrorKind::Unsupported);
    checkDecoder(root.require("decoder"));
    addEntries(vocabulary, model.require("vocab"));
    checkBytes(vocabulary, model);
    addMerges(vocabulary, model.require("merges"));
    if (const auto added = root.member("added_tokens"))
        addAdded(vocabulary, *added);
    vocabulary.ignoreMerges = model.boolean("ignore_merges", false);
    return vocabulary;
}

} // namespace

std::shared_ptr<const Tokenizer> tokenizerFromJson(const MappedFile& file)
{
    const nlohmann::json json = parseJson(file.bytes(), file.path());
    const JsonView root(json, file.path());
    try {
        BpeVocabulary vocabulary = readVocabulary(root);
        vocabulary.roles = readRoles(root, file.path().parent_path(), vocabulary);
        return std::make_shared<BpeTokenizer>(std::move(vocabulary));
    } catch (const Error& error) {
        if (std::string_view(error.what()).starts_with(file.path().parent_path().string()))
            throw;
        root.fail(error.what(), error.kind());
    }
}

std::shared_ptr<const Tokenizer> tokenizerFromJson(const std::filesystem::path& tokenizerJson)
{
    return tokenizerFromJson(*MappedFile::open(tokenizerJson));
}

} // namespace cortex::engine
