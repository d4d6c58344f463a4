// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/quantize/exportsentencepiece.h"

#include "neuron/engine/error.h"
#include "neuron/engine/quantize/mergescores.h"
#include "neuron/engine/quantize/tokentable.h"
#include "neuron/engine/text/characterfallback.h"

#include <algorithm>

namespace cortex::engine {

namespace {

/// What the steps before the model do with spaces: each becomes "▁", and one more may be put before a text.
class SpaceSteps {
public:
    explicit SpaceSteps(const JsonView& root)
        : m_root(root)
    {
        if (const auto normalizer = root.member("normalizer"))
            forEach(*normalizer, "normalizers", [this](const JsonView& step) { readNormalizer(step); });
        if (const auto preTokenizer = root.member("pre_tokenizer"))
            forEach(*preTokenizer, "pretokenizers", [this](const JsonView& step) { readPreTokenizer(step); });
        if (!m_replaces)
            refuse();
    }

    bool prepends() const { return m_prepends; }

private:
    template <typename Read>
    void forEach(const JsonView& step, std::string_view list, Read read)
    {
        if (step.require("type").string() != "Sequence")
            return read(step);
        for (const JsonView& part : step.require(list).elements())
            forEach(part, list, read);
    }

    void readNormalizer(const JsonView& step)
    {
        const std::string& type = step.require("type").string();
        if (type == "Prepend" && !m_prepends && step.require("prepend").string() == sentencePieceSpace)
            m_prepends = true;
        else if (type == "Replace" && isSpace(step.require("pattern"))
                 && step.require("content").string() == sentencePieceSpace)
            m_replaces = true;
        else
            refuse();
    }

    void readPreTokenizer(const JsonView& step)
    {
        const std::string& type = step.require("type").string();
        if (type == "Split" && m_replaces && isSpace(step.require("pattern")) && !step.boolean("invert", false))
            return; // there is none left to split at
        if (type != "Metaspace" || m_replaces || m_prepends || step.boolean("split", true)
            || step.require("replacement").string() != sentencePieceSpace)
            refuse();
        m_replaces = true;
        const auto scheme = step.member("prepend_scheme");
        m_prepends = scheme ? scheme->string() != "never" : step.boolean("add_prefix_space", true);
    }

    static bool isSpace(const JsonView& pattern)
    {
        const auto text = pattern.member("String");
        return text && text->string() == " ";
    }

    [[noreturn]] void refuse() const
    {
        m_root.fail("has a normalizer or pre-tokenizer that SentencePiece vocabularies of GGUF cannot have",
                    ErrorKind::Unsupported);
    }

    const JsonView& m_root;
    bool m_replaces = false;
    bool m_prepends = false;
};

BpeVocabulary readRules(const JsonView& model)
{
    BpeVocabulary vocabulary;
    for (const auto& [text, id] : model.require("vocab").raw().items())
        vocabulary.entries->add(text, id.get<int32_t>());
    const auto merges = readMerges(model.require("merges"));
    vocabulary.addMerges(merges.size(), [&](size_t index) {
        return BpeVocabulary::Pair{merges[index].first, merges[index].second};
    });
    return vocabulary;
}

void requireBytes(const JsonView& model, const Entries& entries)
{
    const CharacterFallback fallback(entries, true, std::nullopt);
    for (int byte = 0; byte < 256; ++byte)
        if (fallback.byteToken(char(byte)) < 0)
            model.fail("lacks a token for the byte " + std::to_string(byte) + ", so that it cannot be written as GGUF",
                       ErrorKind::Unsupported);
}

std::vector<float> scoresOf(const JsonView& model, const BpeVocabulary& vocabulary, const TokenTable& table)
{
    std::vector<bool> isText(vocabulary.entries->size());
    for (size_t id = 0; id < isText.size(); ++id)
        isText[id] = table.types[id] == TokenTable::Normal;
    std::vector<float> scores;
    try {
        scores = mergeScores(vocabulary, isText);
    } catch (const Error& error) {
        model.fail("cannot be written as GGUF: " + std::string(error.what()), error.kind());
    }
    const float least = scores.empty() ? 0 : *std::ranges::min_element(scores);
    scores.resize(table.texts.size(), least - 1);
    return scores;
}

/// Entries that are more than text. Readers of GGUF take user-defined tokens out of a text as it is typed, with spaces
/// for "▁": right for those that tokenizer.json looks for in normalized text. Those that it looks for in the text as it
/// is, where hardly anyone types a "▁", come about by merging, and stay what merging makes them.
void refineTypes(const JsonView& root, const BpeVocabulary& vocabulary, TokenTable& table)
{
    const CharacterFallback fallback(*vocabulary.entries, true, std::nullopt);
    for (int byte = 0; byte < 256; ++byte)
        table.types[size_t(fallback.byteToken(char(byte)))] = TokenTable::Byte;
    std::vector<bool> merged(table.texts.size());
    for (const MergeRule& rule : vocabulary.merges)
        merged[size_t(rule.result)] = true;
    const auto added = root.member("added_tokens");
    if (!added)
        return;
    for (const JsonView& token : added->elements()) {
        const auto id = size_t(token.require("id").integer());
        std::string& text = table.texts[id];
        if (table.types[id] != TokenTable::UserDefined || text.find(sentencePieceSpace) == std::string::npos)
            continue;
        if (token.boolean("normalized", false))
            for (size_t at = 0; (at = text.find(sentencePieceSpace, at)) != std::string::npos; ++at)
                text.replace(at, sentencePieceSpace.size(), " ");
        else if (merged[id])
            table.types[id] = TokenTable::Normal;
    }
}

} // namespace

void exportSentencePiece(const JsonView& root, int vocabulary, GgufWriter& writer)
{
    const JsonView model = root.require("model");
    const SpaceSteps spaces(root);
    if (model.boolean("ignore_merges", false))
        model.fail("ignores merges for whole words, which GGUF cannot say of such a vocabulary",
                   ErrorKind::Unsupported);
    TokenTable table(root, vocabulary);
    const BpeVocabulary rules = readRules(model);
    requireBytes(model, *rules.entries);
    refineTypes(root, rules, table);
    std::optional<int32_t> unknown;
    if (const auto name = model.member("unk_token"))
        unknown = rules.entries->find(name->string());
    if (unknown)
        table.types[size_t(*unknown)] = TokenTable::Unknown;
    writer.addString("tokenizer.ggml.model", "llama");
    writer.addString("tokenizer.ggml.pre", "default");
    writer.addStrings("tokenizer.ggml.tokens", table.texts);
    writer.addNumbers("tokenizer.ggml.scores", scoresOf(model, rules, table));
    writer.addIntegers("tokenizer.ggml.token_type", table.types);
    if (unknown)
        writer.addInteger("tokenizer.ggml.unknown_token_id", uint32_t(*unknown));
    writer.addBoolean("tokenizer.ggml.add_space_prefix", spaces.prepends());
}

} // namespace cortex::engine
