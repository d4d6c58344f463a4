// SPDX-License-Identifier: GPL-3.0-only
// Tokenizers of the SentencePiece kind, from tokenizer.json into GGUF.
#include "neuron/engine/error.h"
#include "neuron/engine/quantize/exporttokenizer.h"
#include "tinyllama.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <map>

using namespace cortex::engine;
using namespace cortex::engine::tests;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

const std::string Space = "\u2581";

/// A row of sentencepiece.jsonl: a vocabulary that puts a space before a text or does not, texts, and their ids.
json sentencePiece(bool prefix)
{
    std::ifstream lines(fs::path(CORTEX_ENGINE_TEST_DATA) / "sentencepiece.jsonl");
    for (std::string line; std::getline(lines, line);)
        if (json row = json::parse(line); row["vocabulary"]["prefix"] == prefix)
            return row;
    FAIL("sentencepiece.jsonl lacks a vocabulary");
    return {};
}

std::string replaced(std::string text, const std::string& what, const std::string& with)
{
    for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
        text.replace(at, what.size(), with);
    return text;
}

/// Where characters of UTF-8 begin, but the first.
std::vector<size_t> cutsOf(const std::string& text)
{
    std::vector<size_t> cuts;
    for (size_t i = 1; i < text.size(); ++i)
        if ((text[i] & 0xc0) != 0x80)
            cuts.push_back(i);
    return cuts;
}

/// tokenizer.json of such a vocabulary, as transformers makes it: every way to cut an entry into two others is a rule,
/// the entries by descending score.
json tokenizerJson(const json& vocabulary)
{
    constexpr int Normal = 1, UserDefined = 4, Byte = 6;
    std::vector<std::string> tokens;
    std::map<std::string, int> pieces;
    json added = json::array(), vocab = json::object();
    for (size_t id = 0; id < vocabulary["tokens"].size(); ++id) {
        const int type = vocabulary["types"][id];
        const std::string token = vocabulary["tokens"][id];
        tokens.push_back(type == UserDefined ? replaced(token, " ", Space) : token);
        vocab[tokens.back()] = id;
        if (type == Normal || type == UserDefined)
            pieces[tokens.back()] = int(id);
        if (type != Normal && type != Byte)
            added.push_back(
                {{"id", id}, {"content", tokens.back()}, {"special", type != UserDefined}, {"normalized", false}});
    }
    std::vector<int> order;
    for (const auto& [piece, id] : pieces)
        order.push_back(id);
    std::ranges::sort(order, [&](int a, int b) {
        return vocabulary["scores"][size_t(a)].get<float>() > vocabulary["scores"][size_t(b)].get<float>();
    });
    json merges = json::array();
    for (const int id : order)
        for (const size_t cut : cutsOf(tokens[size_t(id)])) {
            const std::string left = tokens[size_t(id)].substr(0, cut), right = tokens[size_t(id)].substr(cut);
            if (pieces.contains(left) && pieces.contains(right))
                merges.push_back({left, right});
        }
    const bool prefix = vocabulary["prefix"];
    json normalizers = json::array(), decoders = json::array();
    if (prefix)
        normalizers.push_back({{"type", "Prepend"}, {"prepend", Space}});
    normalizers.push_back({{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", Space}});
    decoders.push_back({{"type", "Replace"}, {"pattern", {{"String", Space}}}, {"content", " "}});
    decoders.push_back({{"type", "ByteFallback"}});
    decoders.push_back({{"type", "Fuse"}});
    if (prefix)
        decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
    return {{"normalizer", {{"type", "Sequence"}, {"normalizers", normalizers}}},
            {"decoder", {{"type", "Sequence"}, {"decoders", decoders}}},
            {"model",
             {{"type", "BPE"},
              {"unk_token", "<unk>"},
              {"fuse_unk", true},
              {"byte_fallback", true},
              {"vocab", vocab},
              {"merges", merges}}},
            {"added_tokens", added}};
}

/// A checkpoint whose weights do not matter, and the GGUF file of its tokenizer alone.
class Exported {
public:
    explicit Exported(const json& tokenizer)
        : m_folder(m_directory.path() / "checkpoint")
    {
        fs::copy(fs::path(CORTEX_GOLDEN) / "qwen3", m_folder);
        writeFile(m_folder / "tokenizer.json", tokenizer.dump());
        writeFile(m_folder / "tokenizer_config.json", R"({"bos_token": "<s>", "eos_token": "</s>"})");
        const Checkpoint checkpoint(m_folder);
        before = checkpoint.tokenizer();
        GgufWriter writer(m_directory.path() / "out.gguf");
        writer.addString("general.architecture", "llama");
        exportTokenizer(checkpoint, int(tokenizer["model"]["vocab"].size()) + Unused, writer);
        writer.begin();
        writer.finish();
        file.emplace(m_directory.path() / "out.gguf");
        after = tokenizerFromGguf(*file);
    }

    static constexpr int Unused = 10; ///< ids that only the model has

private:
    TemporaryDirectory m_directory;
    fs::path m_folder;

public:
    std::shared_ptr<const Tokenizer> before, after;
    std::optional<GgufFile> file;
};

std::string refusal(const json& tokenizer)
{
    try {
        const Exported exported(tokenizer);
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::Unsupported);
        CHECK(std::string(error.what()).find("tokenizer.json") != std::string::npos);
        return error.what();
    }
    return "not refused";
}

bool contains(const std::string& text, const std::string& part)
{
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("SentencePiece vocabularies written as GGUF give the tokens that tokenizer.json gives, and SentencePiece")
{
    for (const bool prefix : {true, false}) {
        CAPTURE(prefix);
        const json reference = sentencePiece(prefix);
        const Exported exported(tokenizerJson(reference["vocabulary"]));
        for (const json& row : reference["rows"]) {
            const std::string text = row["text"];
            INFO(row.dump());
            const auto ids = exported.after->encode(text, {});
            // Its own symbols for runs of spaces are taken out first there, in tokenizer.json they come from merging.
            if (prefix || !contains(text, "  "))
                CHECK(ids == row["ids"].get<std::vector<int32_t>>());
            CHECK(ids == exported.before->encode(text, {}));
            CHECK(exported.after->decode(ids) == exported.before->decode(ids));
        }
        for (const std::string text : {"<s>one</s> two<turn> three", " ", "a\n\n\nb      c", "\u2581\u2581word"})
            CHECK(exported.after->encode(text, {}) == exported.before->encode(text, {}));
        CHECK(exported.after->bos() == exported.before->bos());
        CHECK(exported.after->eos() == exported.before->eos());
        CHECK(exported.after->wantsBos() == exported.before->wantsBos());
        CHECK(exported.after->vocabularySize() == exported.before->vocabularySize() + Exported::Unused);
        CHECK(exported.file->requireString("tokenizer.ggml.model") == "llama");
        CHECK(exported.file->boolean("tokenizer.ggml.add_space_prefix") == prefix);
        CHECK(exported.file->integer("tokenizer.ggml.unknown_token_id") == 0);
    }
}

TEST_CASE("SentencePiece vocabularies written as GGUF have the types of their tokens")
{
    json source = tokenizerJson(sentencePiece(false)["vocabulary"]);
    const auto next = int64_t(source["model"]["vocab"].size());
    source["added_tokens"].push_back({{"id", next}, {"content", Space + "x"}, {"normalized", true}});
    source["added_tokens"].push_back({{"id", next + 1}, {"content", "<tool>"}, {"special", true}});
    source["added_tokens"].push_back({{"id", next + 2}, {"content", "<own>"}});
    const Exported exported(source);
    const auto& tokens = exported.file->requireStrings("tokenizer.ggml.tokens");
    const auto& types = *exported.file->integers("tokenizer.ggml.token_type");
    const auto typeOf = [&](const std::string& token) {
        return types[size_t(std::ranges::find(tokens, token) - tokens.begin())];
    };
    CHECK(typeOf("<unk>") == 2);
    CHECK(typeOf("<s>") == 3);
    CHECK(typeOf("<tool>") == 3);
    CHECK(typeOf("<own>") == 4);
    CHECK(typeOf("\n\n") == 4);
    CHECK(typeOf(" x") == 4); // looked for where spaces are "▁" already
    CHECK(typeOf(Space + Space) == 1); // looked for where they are not, and so made by merging
    CHECK(typeOf("<0x41>") == 6);
    CHECK(typeOf("[PAD" + std::to_string(next + 3) + "]") == 5);
    for (const std::string text : {"a x <tool> <own>\n\n  b", "  x", "<own>x x"})
        CHECK(exported.after->encode(text, {}) == exported.before->encode(text, {}));
}

TEST_CASE("a Metaspace step becomes SentencePiece's space")
{
    json source = tokenizerJson(sentencePiece(true)["vocabulary"]);
    source.erase("normalizer");
    for (const std::string scheme : {"first", "always", "never"}) {
        CAPTURE(scheme);
        source["pre_tokenizer"] = {
            {"type", "Metaspace"}, {"replacement", Space}, {"prepend_scheme", scheme}, {"split", false}};
        const Exported exported(source);
        CHECK(exported.file->boolean("tokenizer.ggml.add_space_prefix") == (scheme != "never"));
        for (const std::string text : {"word", "the words  and 12 more\n", "語 x"})
            CHECK(exported.after->encode(text, {}) == exported.before->encode(text, {}));
    }
    source["pre_tokenizer"]["split"] = true;
    CHECK(contains(refusal(source), "normalizer or pre-tokenizer"));
}

TEST_CASE("tokenizers of the SentencePiece kind that GGUF cannot hold are refused by name")
{
    const json good = tokenizerJson(sentencePiece(true)["vocabulary"]);
    json& (*const merges)(json&) = [](json& tokenizer) -> json& { return tokenizer["model"]["merges"]; };

    // A rule too few: an entry of three characters or more can be made in two ways, and only one is a rule.
    json changed = good;
    for (size_t i = 0; i + 1 < merges(changed).size(); ++i) {
        const auto made = [&](size_t rule) {
            return merges(changed)[rule][0].get<std::string>() + merges(changed)[rule][1].get<std::string>();
        };
        if (made(i) == made(i + 1)) {
            json apart = changed;
            apart["model"]["merges"].push_back(merges(changed)[i]);
            apart["model"]["merges"].erase(i);
            CHECK(contains(refusal(apart), "in a row"));
            merges(changed).erase(i);
            break;
        }
    }
    REQUIRE(merges(changed).size() + 1 == good["model"]["merges"].size());
    CHECK(contains(refusal(changed), "no rule joins"));

    changed = good;
    changed["model"]["vocab"].erase("<0x41>");
    changed["model"]["vocab"]["another"] = good["model"]["vocab"]["<0x41>"];
    CHECK(contains(refusal(changed), "the byte 65"));

    changed = good;
    changed["model"]["ignore_merges"] = true;
    CHECK(contains(refusal(changed), "ignores merges"));

    changed = good;
    changed["normalizer"]["normalizers"].push_back({{"type", "NFC"}});
    CHECK(contains(refusal(changed), "normalizer or pre-tokenizer"));

    changed = good;
    changed["model"]["vocab"][std::string(5000, 'a')] = good["model"]["vocab"].size();
    CHECK(contains(refusal(changed), "5000 bytes"));
}
