// SPDX-License-Identifier: GPL-3.0-only
// Tokenizers of the SentencePiece kinds: from tokenizer.json and from GGUF.
#include "neuron/engine/text/detokenizer.h"
#include "text_support.h"

#include <algorithm>

namespace {

json fixture(const std::string& name)
{
    return readJson(dataPath("tokenizer-sp-" + name + ".json"));
}

std::string repeat(std::string_view unit, size_t bytes)
{
    std::string text;
    while (text.size() < bytes)
        text += unit;
    return text;
}

/// A vocabulary of SentencePiece's own as GGUF metadata holds it.
struct GgufVocabulary {
    std::vector<std::string> tokens;
    std::vector<float> scores;
    std::vector<int32_t> types;
    std::optional<bool> prefix;

    explicit GgufVocabulary(const json& source)
        : tokens(source["tokens"])
        , scores(source["scores"].get<std::vector<float>>())
        , types(source["types"])
        , prefix(source["prefix"].get<bool>())
    {
    }

    int32_t add(const std::string& token, int32_t type, float score = -1000)
    {
        tokens.push_back(token);
        types.push_back(type);
        scores.push_back(score);
        return int32_t(tokens.size() - 1);
    }

    GgufBuilder builder() const
    {
        GgufBuilder builder;
        builder.string("tokenizer.ggml.model", "llama");
        builder.string("tokenizer.ggml.pre", "default");
        builder.strings("tokenizer.ggml.tokens", tokens);
        builder.array("tokenizer.ggml.scores", GgufBuilder::float32Type, scores);
        builder.array("tokenizer.ggml.token_type", GgufBuilder::int32Type, types);
        builder.value("tokenizer.ggml.unknown_token_id", GgufBuilder::uint32Type, uint32_t(0));
        builder.value("tokenizer.ggml.bos_token_id", GgufBuilder::uint32Type, uint32_t(1));
        builder.value("tokenizer.ggml.eos_token_id", GgufBuilder::uint32Type, uint32_t(2));
        if (prefix)
            builder.value("tokenizer.ggml.add_space_prefix", GgufBuilder::boolType, uint8_t(*prefix));
        return builder;
    }
};

/// The rows of sentencepiece.jsonl: one vocabulary that puts a space before a text, and one that does not.
json sentencePiece(bool prefix)
{
    std::ifstream lines(dataPath("sentencepiece.jsonl"));
    for (std::string line; std::getline(lines, line);)
        if (json row = json::parse(line); row["vocabulary"]["prefix"] == prefix)
            return row;
    FAIL("sentencepiece.jsonl lacks a vocabulary");
    return {};
}

std::shared_ptr<const Tokenizer> parse(const GgufVocabulary& vocabulary)
{
    return parse(vocabulary.builder());
}

/// What a stream of these tokens gives, which must be whole UTF-8 at every step.
std::string streamed(const std::shared_ptr<const Tokenizer>& tokenizer, const Ids& ids, bool skipSpecial,
                     engine::StreamDetokenizer::Start start)
{
    engine::StreamDetokenizer stream(tokenizer, skipSpecial, start);
    std::string text;
    for (const int32_t id : ids) {
        const std::string piece = stream.push(id);
        CHECK_NOTHROW(json(piece).dump()); // throws on anything but whole UTF-8
        text += piece;
    }
    return text + stream.flush();
}

} // namespace

TEST_CASE("tokenizer.json files of SentencePiece kinds encode and decode as the reference does")
{
    std::map<std::string, std::shared_ptr<const Tokenizer>> tokenizers;
    checkExpected("tokenizer-sp-expected.jsonl", [&](const std::string& name) {
        auto& tokenizer = tokenizers[name];
        if (!tokenizer)
            tokenizer = tokenizerFromJson(dataPath("tokenizer-" + name + ".json"));
        return tokenizer.get();
    });
    CHECK(tokenizers.size() == 6);
}

TEST_CASE("GGUF vocabularies encode and decode as SentencePiece does")
{
    for (const bool prefix : {true, false}) {
        const json reference = sentencePiece(prefix);
        const auto tokenizer = parse(GgufVocabulary(reference["vocabulary"]));
        CHECK(reference["rows"].size() >= 60);
        for (const json& row : reference["rows"]) {
            const auto text = row["text"].get<std::string>();
            const auto ids = row["ids"].get<Ids>();
            INFO(row.dump());
            CHECK(tokenizer->encode(text, {}) == ids);
            CHECK(tokenizer->encode(text, {.parseSpecial = false}) == ids);
            CHECK(tokenizer->decode(ids) == row["decoded"].get<std::string>());
        }
    }
}

TEST_CASE("GGUF vocabularies of SentencePiece have roles, and put a space before every piece of text")
{
    GgufVocabulary vocabulary(sentencePiece(true)["vocabulary"]);
    vocabulary.prefix = std::nullopt; // that is the rule where the file does not say
    const int32_t turn = vocabulary.add("<end_of_turn>", 1);
    const int32_t user = vocabulary.add("<tool>", 4);
    const auto tokenizer = parse(vocabulary);
    CHECK(tokenizer->bos() == 1);
    CHECK(tokenizer->eos() == 2);
    CHECK(tokenizer->wantsBos());
    CHECK(tokenizer->stopTokens() == Ids{2, turn});
    CHECK(tokenizer->isSpecial(turn));
    CHECK_FALSE(tokenizer->isSpecial(user));

    const Ids word = tokenizer->encode("word", {});
    CHECK(word.size() == 1);
    CHECK(tokenizer->encode("word", {.addBos = true}) == Ids{1, word[0]});
    CHECK(tokenizer->encode("<s>word<tool>word", {}) == Ids{1, word[0], user, word[0]});
    CHECK(tokenizer->decode({1, word[0], user, word[0]}) == "<s> word<tool> word");
    CHECK(tokenizer->decode({1, word[0], user, word[0]}, true) == "word<tool> word");
    CHECK(tokenizer->tokenBytes(word[0]) == " word");
    CHECK(tokenizer->firstTokenBytes(word[0]) == "word");
}

TEST_CASE("control tokens, bytes and the unknown token cannot be made by merging their characters")
{
    GgufVocabulary vocabulary(sentencePiece(false)["vocabulary"]);
    // Without the scores' exclusion these steps would end in the control token <s>, token 1.
    vocabulary.add("<s", 1, 0);
    vocabulary.add("<0x0A", 1, 0);
    for (const char* step : {"<", ">", "s", "0", "x", "A", "<0", "<0x", "<0x0"})
        if (std::ranges::find(vocabulary.tokens, step) == vocabulary.tokens.end())
            vocabulary.add(step, 1, 0);
    const auto tokenizer = parse(vocabulary);
    const Ids ids = tokenizer->encode("<s><0x0A>", {.parseSpecial = false});
    CHECK(std::ranges::find(ids, 1) == ids.end());
    CHECK(std::ranges::find(ids, *tokenizer->find("<0x0A>")) == ids.end());
    CHECK(tokenizer->decode(ids) == "<s><0x0A>");
}

TEST_CASE("bytes that spell a character come out of a stream as that character, once")
{
    for (const bool prefix : {true, false}) {
        const auto tokenizer = parse(GgufVocabulary(sentencePiece(prefix)["vocabulary"]));
        const std::string text = " \u6f22a\U0001f600\u00e9 word \u0301\U0001f9d1\u200d\U0001f680";
        const Ids ids = tokenizer->encode(text, {});
        using Start = engine::StreamDetokenizer::Start;
        CHECK(streamed(tokenizer, ids, true, Start::OfText) == text);
        CHECK(streamed(tokenizer, ids, true, Start::WithinText) == (prefix ? " " + text : text));

        const auto byte = [&](int value) { return *tokenizer->find(json("<0x00>").get<std::string>()) + value; };
        const Ids broken{byte(0xe6), byte(0xbc), byte('A'), byte(0xff), byte(0xf0), byte(0x9f)};
        CHECK(streamed(tokenizer, broken, true, Start::WithinText) == "\ufffdA\ufffd\ufffd");
        CHECK(tokenizer->decode(broken) == "\ufffdA\ufffd\ufffd");
    }
}

TEST_CASE("a stream gives what decoding the whole gives, with every decoder")
{
    for (const char* name : {"llama", "gemma", "first", "always", "never", "merges"}) {
        const auto tokenizer = tokenizerFromJson(dataPath("tokenizer-sp-" + std::string(name) + ".json"));
        for (const char* text :
             {"", " ", "word", "  words of \u6f22\u5b57", "<s>word", "\n\n word<turn>", "\u2581\u2581x"}) {
            const Ids ids = tokenizer->encode(text, {});
            INFO(name, " ", text);
            for (const bool skipSpecial : {true, false})
                CHECK(streamed(tokenizer, ids, skipSpecial, engine::StreamDetokenizer::Start::OfText)
                      == tokenizer->decode(ids, skipSpecial));
        }
    }
}

TEST_CASE("long runs encode in bounded time with SentencePiece kinds, too")
{
    const std::shared_ptr<const Tokenizer> tokenizers[]{parse(GgufVocabulary(sentencePiece(true)["vocabulary"])),
                                                        parse(GgufVocabulary(sentencePiece(false)["vocabulary"])),
                                                        tokenizerFromJson(dataPath("tokenizer-sp-llama.json")),
                                                        tokenizerFromJson(dataPath("tokenizer-sp-always.json"))};
    for (const auto& tokenizer : tokenizers) {
        for (const std::string_view unit : {" ", "a", "the", "\n", "\u6f22", "word "}) {
            const std::string text = repeat(unit, 1'000'000);
            const Ids ids = tokenizer->encode(text, {});
            CHECK(ids.size() > 1);
            if (tokenizer->find("<0x0A>") && tokenizer != tokenizers[3]) // the last knows no bytes
                CHECK(tokenizer->decode(ids) == text);
        }
    }
}

TEST_CASE("what a tokenizer.json of SentencePiece asks for and we lack is refused by name")
{
    const auto refused = [](const char* name, const char* pointer, const json& value, ErrorKind kind,
                            std::initializer_list<std::string_view> parts) {
        json source = fixture(name);
        source[json::json_pointer(pointer)] = value;
        checkRefused([&] { tokenizerFromJson(*fileOf(source.dump(), "folder/tokenizer.json")); }, kind, parts);
    };
    const auto unsupported = ErrorKind::Unsupported;
    const json metaspace{{"type", "Metaspace"}, {"replacement", "_"}};
    const json strip{{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}};
    const auto prepend = [](const std::string& text) { return json{{"type", "Prepend"}, {"prepend", text}}; };
    refused("llama", "/model/type", "Unigram", unsupported, {"model", "Unigram"});
    refused("llama", "/normalizer", {{"type", "Precompiled"}}, unsupported, {"normalizer", "Precompiled"});
    refused("llama", "/normalizer", {{"type", "NFKC"}}, unsupported, {"normalizer", "NFKC"});
    refused("llama", "/normalizer/normalizers", json::array({prepend("1234567"), prepend("1234567"), prepend("1")}),
            unsupported, {"normalizer.normalizers[2]", "too long"});
    refused("llama", "/decoder", {{"type", "BPEDecoder"}}, unsupported, {"decoder", "BPEDecoder"});
    refused("llama", "/decoder", strip, unsupported, {"decoder", "behind Fuse"});
    refused("llama", "/decoder/decoders/3/start", 2, unsupported, {"decoder.decoders[3]", "one space"});
    refused("llama", "/decoder/decoders/3/stop", 1, unsupported, {"decoder.decoders[3]", "one space"});
    refused("llama", "/decoder/decoders/0", {{"type", "Fuse"}}, unsupported, {"decoder.decoders[1]", "this place"});
    refused("llama", "/decoder/decoders/0/content", "twelve bytes", unsupported, {"decoder.decoders[0]", "too long"});
    refused("gemma", "/pre_tokenizer", {{"type", "UnicodeScripts"}}, unsupported, {"pre_tokenizer", "UnicodeScripts"});
    refused("first", "/pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", {metaspace, metaspace}}}, unsupported,
            {"pre_tokenizer.pretokenizers[1]", "another Metaspace"});
    refused("llama", "/normalizer/normalizers/1/pattern/String", "", ErrorKind::BadFile, {"normalizers[1]", "empty"});
    refused("llama", "/model/unk_token", "<nowhere>", ErrorKind::BadFile, {"model.unk_token", "<nowhere>"});
    refused("first", "/pre_tokenizer/replacement", "__", ErrorKind::BadFile, {"replacement", "one character"});
    refused("first", "/pre_tokenizer/prepend_scheme", "maybe", ErrorKind::BadFile, {"prepend_scheme", "maybe"});
}

TEST_CASE("older tokenizer.json files say add_prefix_space")
{
    json source = fixture("first");
    const auto encoded = [&] {
        return tokenizerFromJson(*fileOf(source.dump(), "folder/tokenizer.json"))->encode("word<s>word", {});
    };
    source["pre_tokenizer"] = {
        {"type", "Metaspace"}, {"replacement", "\u2581"}, {"str_rep", "\u2581"}, {"add_prefix_space", true}};
    const Ids always = encoded();
    CHECK(always.size() == 3);
    CHECK(always[0] == always[2]);
    source["pre_tokenizer"] = {
        {"type", "Metaspace"}, {"replacement", "\u2581"}, {"add_prefix_space", false}, {"prepend_scheme", "never"}};
    CHECK(encoded()[0] != always[0]);
    source["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "\u2581"}};
    CHECK(encoded() == always);
}

TEST_CASE("damaged GGUF vocabularies of SentencePiece are refused with key and cause")
{
    const GgufVocabulary good(sentencePiece(true)["vocabulary"]);
    const auto refused = [](const GgufVocabulary& vocabulary, std::initializer_list<std::string_view> parts) {
        checkRefused([&] { parse(vocabulary); }, ErrorKind::BadFile, parts);
    };
    GgufVocabulary bad = good;
    bad.scores.pop_back();
    refused(bad, {"test.gguf", "tokenizer.ggml.scores", "entries"});
    bad = good;
    bad.scores[300] = std::numeric_limits<float>::quiet_NaN();
    refused(bad, {"test.gguf", "tokenizer.ggml.scores", "token 300", "not a number"});
    bad = good;
    bad.types.pop_back();
    refused(bad, {"test.gguf", "tokenizer.ggml.token_type", "entries"});
    GgufBuilder builder;
    builder.string("tokenizer.ggml.model", "llama");
    builder.strings("tokenizer.ggml.tokens", good.tokens);
    checkRefused([&] { parse(builder); }, ErrorKind::BadFile, {"test.gguf", "tokenizer.ggml.scores"});
}

TEST_CASE("a truncated or altered tokenizer of SentencePiece is read or refused, nothing else")
{
    checkDamaged(fixture("gemma").dump(), [](const std::string& bytes) {
        const auto tokenizer = tokenizerFromJson(*fileOf(bytes, "/nowhere/tokenizer.json"));
        tokenizer->decode(tokenizer->encode("The  words <turn> caf\u00e9\n\n\u6f22", {}));
    });
    checkDamaged(GgufVocabulary(sentencePiece(true)["vocabulary"]).builder().build(), [](const std::string& bytes) {
        const auto tokenizer = engine::tokenizerFromGguf(engine::GgufFile(fileOf(bytes, "test.gguf")));
        tokenizer->decode(tokenizer->encode("The  words <turn> caf\u00e9\n\n\u6f22", {}));
    });
}
