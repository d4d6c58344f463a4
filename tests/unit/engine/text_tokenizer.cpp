// SPDX-License-Identifier: GPL-3.0-only
#include "text_support.h"

#include <algorithm>
#include <thread>

namespace {

json fixture(const std::string& name = "digits")
{
    return readJson(dataPath("tokenizer-" + name + ".json"));
}

/// The vocabulary of a fixture as GGUF metadata holds it.
struct GgufVocabulary {
    std::vector<std::string> tokens;
    std::vector<int32_t> types;
    std::vector<std::string> merges;
    std::string model = "gpt2";
    std::string pre = "smollm";

    explicit GgufVocabulary(const json& source)
    {
        tokens.resize(source["model"]["vocab"].size());
        for (const auto& [entry, id] : source["model"]["vocab"].items())
            tokens[id.get<size_t>()] = entry;
        types.resize(tokens.size(), 1);
        for (const json& merge : source["model"]["merges"])
            merges.push_back(merge[0].get<std::string>() + ' ' + merge[1].get<std::string>());
        for (const json& added : source["added_tokens"])
            add(added["content"], added["special"] ? 3 : 4);
    }

    int32_t add(const std::string& token, int32_t type)
    {
        tokens.push_back(token);
        types.push_back(type);
        return int32_t(tokens.size() - 1);
    }

    GgufBuilder builder() const
    {
        GgufBuilder builder;
        builder.string("tokenizer.ggml.model", model);
        if (!pre.empty())
            builder.string("tokenizer.ggml.pre", pre);
        builder.strings("tokenizer.ggml.tokens", tokens);
        builder.array("tokenizer.ggml.token_type", GgufBuilder::int32Type, types);
        builder.strings("tokenizer.ggml.merges", merges);
        return builder;
    }
};

void checkRefusedGguf(const GgufVocabulary& vocabulary, ErrorKind kind, std::initializer_list<std::string_view> parts)
{
    checkRefused([&] { parse(vocabulary.builder()); }, kind, parts);
    checkRefused([&] { parse(vocabulary.builder()); }, kind, {"test.gguf"});
}

} // namespace

TEST_CASE("tokenizer.json files of every kind encode and decode as the reference does")
{
    std::map<std::string, std::shared_ptr<const Tokenizer>> tokenizers;
    checkExpected("tokenizer-expected.jsonl", [&](const std::string& name) {
        auto& tokenizer = tokenizers[name];
        if (!tokenizer)
            tokenizer = tokenizerFromJson(dataPath("tokenizer-" + name + ".json"));
        return tokenizer.get();
    });
    CHECK(tokenizers.size() == 8);
}

TEST_CASE("the Qwen3 tokenizer encodes and decodes as the reference does")
{
    const auto path = std::filesystem::path(CORTEX_SHARED_DATA) / "tokenizers/qwen3/tokenizer.json";
    if (!std::filesystem::exists(path)) {
        MESSAGE("skipped: there is no ", path.string());
        return;
    }
    const auto tokenizer = tokenizerFromJson(path);
    checkExpected("tokenizer-qwen3-expected.jsonl", [&](const std::string&) { return tokenizer.get(); });
    CHECK(tokenizer->vocabularySize() == 151669);
    CHECK_FALSE(tokenizer->bos().has_value());
    CHECK(tokenizer->eos() == tokenizer->find("<|im_end|>"));
    CHECK(tokenizer->stopTokens() == Ids{*tokenizer->find("<|im_end|>"), *tokenizer->find("<|endoftext|>")});
    CHECK_FALSE(tokenizer->wantsBos());
    CHECK(tokenizer->isSpecial(*tokenizer->find("<|im_start|>")));
    CHECK_FALSE(tokenizer->isSpecial(*tokenizer->find("<think>")));
}

TEST_CASE("the same vocabulary from GGUF gives the same ids")
{
    const auto fromGguf = parse(GgufVocabulary(fixture()).builder());
    checkExpected("tokenizer-expected.jsonl", [&](const std::string& name) -> const Tokenizer* {
        static std::map<std::string, std::shared_ptr<const Tokenizer>> others;
        if (name == "digits")
            return fromGguf.get();
        auto& other = others[name];
        if (!other)
            other = tokenizerFromJson(dataPath("tokenizer-" + name + ".json"));
        return other.get();
    });
}

TEST_CASE("bytes tell how many tokens a text has at least, where it neither vanishes nor is taken along")
{
    const std::string text(1000, 'a');
    const auto least = [&](const json& tokenizer) { return parse(tokenizer)->leastTokens(text); };
    CHECK(least(fixture("digits")) == 91); // its longest entry stands for 11 bytes
    CHECK(least(fixture("previous")) == 23); // likewise, but what is composed has a quarter of its bytes at worst
    CHECK(least(fixture("sp-llama")) == 72); // 14 bytes
    for (const char* name : {"removed", "inverted", "nfc", "prefix", "sp-never", "sp-always"})
        CHECK_MESSAGE(least(fixture(name)) == 0, name);

    // The character that composing shortens most.
    std::string composed;
    for (int i = 0; i < 1000; ++i)
        composed += "\u1fbe\u0308\u0301";
    const auto composing = parse(fixture("previous"));
    CHECK(composing->leastTokens(composed) <= composing->encode(composed, {}).size());

    // Bytes that the vocabulary lacks vanish and do not count; what normalizing makes of others is not known.
    json lacking = fixture();
    lacking["model"]["vocab"].erase("a");
    lacking["model"]["merges"] = json::array();
    CHECK(least(lacking) == 0);
    CHECK(parse(lacking)->encode(text, {}).empty());
    CHECK(parse(lacking)->leastTokens(std::string(1000, 'b')) == 91);
    lacking["normalizer"] = {{"type", "NFC"}};
    CHECK(parse(lacking)->leastTokens(std::string(1000, 'b')) == 0);
}

TEST_CASE("invalid UTF-8 is encoded as U+FFFD, one for each maximal part")
{
    const auto tokenizer = parse(fixture());
    const auto ids = [&](std::string_view text) { return tokenizer->encode(text, {}); };
    CHECK(ids("a\xff") == ids("a\xef\xbf\xbd"));
    CHECK(ids("\xe6\xbc") == ids("\xef\xbf\xbd"));
    CHECK(ids("\xe6\xbc z\xc0\x80") == ids("\xef\xbf\xbd z\xef\xbf\xbd\xef\xbf\xbd"));
    CHECK(tokenizer->decode(ids("a\xf0\x9f\x98")) == "a\xef\xbf\xbd");
}

TEST_CASE("ids and tokens outside the vocabulary give nothing")
{
    const auto tokenizer = parse(fixture());
    const int32_t size = tokenizer->vocabularySize();
    CHECK(tokenizer->tokenBytes(-1).empty());
    CHECK(tokenizer->tokenBytes(size).empty());
    CHECK_FALSE(tokenizer->isSpecial(size));
    CHECK(tokenizer->decode({-5, size, size + 100}).empty());
    CHECK_FALSE(tokenizer->find("no such token").has_value());
}

TEST_CASE("tokens are found by text and give their bytes")
{
    const auto tokenizer = parse(fixture());
    CHECK(tokenizer->tokenBytes(*tokenizer->find("\xc4\xa0the")) == " the");
    CHECK(tokenizer->tokenBytes(*tokenizer->find("<|end|>")) == "<|end|>");
}

TEST_CASE("long runs and long words encode in bounded time")
{
    const auto tokenizer = parse(fixture("nfc"));
    for (const std::string& unit :
         {std::string(" "), std::string("a"), std::string("the"), std::string("\n"), std::string("e\xcc\x81")}) {
        std::string text;
        while (text.size() < 200'000)
            text += unit;
        const Ids ids = tokenizer->encode(text, {});
        CHECK(ids.size() > 1);
        if (unit != "e\xcc\x81")
            CHECK(tokenizer->decode(ids) == text);
    }
}

TEST_CASE("a tokenizer serves many threads")
{
    const auto tokenizer = parse(fixture("nfc"));
    const std::string text = "The merged words of 2026 <|end|> caf\xc3\xa9 e\xcc\x81 it's single";
    const Ids expected = tokenizer->encode(text, {});
    std::vector<Ids> results(4);
    std::vector<std::thread> threads;
    for (Ids& result : results)
        threads.emplace_back([&] {
            for (int i = 0; i < 50; ++i)
                result = tokenizer->encode(text, {});
        });
    for (std::thread& thread : threads)
        thread.join();
    for (const Ids& result : results)
        CHECK(result == expected);
}

TEST_CASE("the files beside tokenizer.json tell bos, eos and stop tokens")
{
    const TemporaryFolder folder;
    json source = fixture();
    const int32_t end = source["added_tokens"][0]["id"];
    json added = source["added_tokens"][0];
    for (const char* content : {"<s>", "<|im_end|>", "<|custom|>"}) {
        added["id"] = added["id"].get<int>() + 1;
        added["content"] = content;
        source["added_tokens"].push_back(added);
    }
    const int32_t bos = end + 1;
    const int32_t turn = end + 2;
    const int32_t custom = end + 3;
    const auto path = folder.write("tokenizer.json", source.dump());
    {
        const auto tokenizer = tokenizerFromJson(path);
        CHECK_FALSE(tokenizer->bos().has_value());
        CHECK_FALSE(tokenizer->eos().has_value());
        CHECK(tokenizer->stopTokens() == Ids{end, turn});
    }
    folder.write("config.json", json{{"bos_token_id", bos}, {"eos_token_id", custom}}.dump());
    {
        const auto tokenizer = tokenizerFromJson(path);
        CHECK(tokenizer->bos() == bos);
        CHECK(tokenizer->eos() == custom);
        CHECK(tokenizer->stopTokens() == Ids{custom, end, turn});
        CHECK_FALSE(tokenizer->wantsBos());
        CHECK(tokenizer->encode("a", {.addBos = true}).front() == bos);
    }
    folder.write("config.json", json{{"text_config", {{"bos_token_id", bos}, {"eos_token_id", custom}}}}.dump());
    {
        const auto tokenizer = tokenizerFromJson(path);
        CHECK(tokenizer->bos() == bos);
        CHECK(tokenizer->eos() == custom);
    }
    folder.write("generation_config.json", json{{"eos_token_id", {turn, custom}}}.dump());
    folder.write("tokenizer_config.json",
                 json{{"bos_token", {{"content", "<s>"}}}, {"eos_token", "<|end|>"}, {"add_bos_token", true}}.dump());
    {
        const auto tokenizer = tokenizerFromJson(path);
        CHECK(tokenizer->eos() == end);
        CHECK(tokenizer->stopTokens() == Ids{end, turn, custom});
        CHECK(tokenizer->wantsBos());
    }
    folder.write("tokenizer_config.json", json{{"bos_token", nullptr}, {"eos_token", "<|end|>"}}.dump());
    CHECK_FALSE(tokenizerFromJson(path)->bos().has_value());

    folder.write("tokenizer_config.json", json{{"eos_token", "<|gone|>"}}.dump());
    checkRefused([&] { tokenizerFromJson(path); }, ErrorKind::BadFile,
                 {"tokenizer_config.json", "eos_token", "<|gone|>"});
    folder.write("tokenizer_config.json", "{");
    checkRefused([&] { tokenizerFromJson(path); }, ErrorKind::BadFile, {"tokenizer_config.json", "not valid JSON"});
    checkRefused([] { tokenizerFromJson(std::filesystem::path("/nowhere/tokenizer.json")); }, ErrorKind::NotFound,
                 {"/nowhere/tokenizer.json"});
}

TEST_CASE("a template that begins with a special token asks for bos")
{
    json source = fixture();
    const int32_t end = source["added_tokens"][0]["id"];
    const json single = json::array(
        {{{"SpecialToken", {{"id", "<|end|>"}, {"type_id", 0}}}}, {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}});
    source["post_processor"] = {
        {"type", "Sequence"},
        {"processors", {{{"type", "ByteLevel"}}, {{"type", "TemplateProcessing"}, {"single", single}}}}};
    const auto tokenizer = parse(source);
    CHECK(tokenizer->bos() == end);
    CHECK(tokenizer->wantsBos());
}

TEST_CASE("gpt-oss answers go on after <|end|>")
{
    json source = fixture();
    json added = source["added_tokens"][0];
    for (const char* content : {"<|return|>", "<|call|>"}) {
        added["id"] = added["id"].get<int>() + 1;
        added["content"] = content;
        source["added_tokens"].push_back(added);
    }
    const auto tokenizer = parse(source);
    CHECK(tokenizer->stopTokens() == Ids{*tokenizer->find("<|return|>"), *tokenizer->find("<|call|>")});
}

TEST_CASE("what a tokenizer.json asks for and we lack is refused by name")
{
    const auto with = [](const char* pointer, const json& value) {
        json source = fixture();
        source[json::json_pointer(pointer)] = value;
        return source;
    };
    const auto unsupported = [&](const char* pointer, const json& value,
                                 std::initializer_list<std::string_view> parts) {
        checkRefusedJson(with(pointer, value), ErrorKind::Unsupported, parts);
    };
    unsupported("/model/type", "Unigram", {"model", "Unigram"});
    unsupported("/model/byte_fallback", true, {"model", "falls back to bytes", "byte-level"});
    unsupported("/model/dropout", 0.1, {"model.dropout"});
    unsupported("/model/end_of_word_suffix", "</w>", {"model.end_of_word_suffix"});
    unsupported("/normalizer", {{"type", "Lowercase"}}, {"normalizer", "Lowercase"});
    unsupported("/pre_tokenizer", {{"type", "BertPreTokenizer"}}, {"pre_tokenizer", "BertPreTokenizer"});
    unsupported("/pre_tokenizer", nullptr, {"decoder", "pre_tokenizer", "ByteLevel"});
    unsupported("/pre_tokenizer", {{"type", "Digits"}}, {"decoder", "pre_tokenizer", "ByteLevel"});
    unsupported("/decoder", {{"type", "WordPiece"}}, {"decoder", "WordPiece"});
    const auto split = [](const char* regex) {
        return json{{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}};
    };
    unsupported("/pre_tokenizer", split("[a&&b]"), {"intersection"});
    unsupported("/pre_tokenizer", split("[a[b]]"), {"class inside a class"});
    unsupported("/pre_tokenizer", split("a{1,3}+"), {"counted repetition"});
    unsupported("/pre_tokenizer", split("(?m:.)"), {"flag m"});
    checkRefusedJson(with("/pre_tokenizer", split("(a")), ErrorKind::BadFile,
                     {"pre_tokenizer.pattern", "(a", "parenthes"});
}

TEST_CASE("damaged tokenizer.json files are refused with place and cause")
{
    checkRefused([] { tokenizerFromJson(*fileOf("{\"a\": ", "t.json")); }, ErrorKind::BadFile,
                 {"t.json", "byte", "not valid JSON"});
    checkRefused([] { tokenizerFromJson(*fileOf("[1]", "t.json")); }, ErrorKind::BadFile, {"t.json", "not an object"});
    const auto bad = [](const char* pointer, const json& value, std::initializer_list<std::string_view> parts) {
        json source = fixture();
        source[json::json_pointer(pointer)] = value;
        checkRefusedJson(source, ErrorKind::BadFile, parts);
    };
    bad("/model", nullptr, {"lacks", "model"});
    bad("/model/vocab", json::array(), {"model.vocab"});
    bad("/model/vocab/a", -1, {"model.vocab", "\"a\""});
    bad("/model/vocab/a", 1 << 30, {"model.vocab", "\"a\""});
    bad("/model/vocab/a", {{"b", 1}}, {"model.vocab", "\"a\""});
    bad("/model/vocab/a", json::array({1}), {"model.vocab", "\"a\""});
    bad("/model/vocab/a", "1", {"model.vocab", "\"a\""});
    bad("/model/merges", json::object({{"a", "b"}}), {"model.merges", "not an array"});
    bad("/model/merges/3", json::array({"a", "nowhere"}), {"merge 3", "nowhere", "not in the vocabulary"});
    bad("/model/merges/3", "one two three", {"model.merges", "index 3"});
    bad("/model/merges/3", 7, {"model.merges", "index 3"});
    bad("/model/merges/3", json::array({"a", "a", "a"}), {"model.merges", "index 3"});
    bad("/model/merges/3", json::array({"a", 1}), {"model.merges", "index 3"});
    bad("/model/merges/3", json::array({"a", json::array({"a", "a"})}), {"model.merges", "index 3"});
    bad("/model/merges/3", {{"a", "a"}}, {"model.merges", "index 3"});
    bad("/added_tokens/0/id", -7, {"added_tokens[0]", "id"});
    bad("/added_tokens/0/content", "", {"added token", "empty"});
    bad("/added_tokens/0/special", "yes", {"added_tokens[0].special"});
    bad("/pre_tokenizer/pretokenizers/0/type", 1, {"pre_tokenizer.pretokenizers[0].type", "string"});
}

TEST_CASE("the tables of a tokenizer.json are held to the same limits as the rest")
{
    const auto refused = [](const std::string& text, std::initializer_list<std::string_view> parts) {
        checkRefused([&] { tokenizerFromJson(*fileOf(text, "t.json")); }, ErrorKind::BadFile, parts);
    };
    refused(R"({"model": {"vocab": {"a": 0, "b": 1, "a": 2}}})", {"t.json", "\"a\"", "twice"});
    refused(R"({"model": {"vocab": {"a": 0}, "vocab": {"b": 1}}})", {"\"vocab\"", "twice"});
    refused(R"({"model": 1, "model": 2})", {"\"model\"", "twice"});
    // Three levels are open where a table's elements stand, so 61 more are the most.
    const std::string most(61, '[');
    refused(R"({"model": {"vocab": {"a": )" + most, {"not valid JSON"});
    refused(R"({"model": {"vocab": {"a": )" + most + '[', {"nested deeper"});
    refused(R"({"model": {"merges": [)" + most, {"not valid JSON"});
    refused(R"({"model": {"merges": [)" + most + '[', {"nested deeper"});
    refused(R"({"model": {"vocab": {"a": 1e999}}})", {"out of range"});
    // Tables of these names count in their place only.
    refused(R"({"vocab": {"a": 0}, "merges": [], "model": [{"vocab": {"a": 0}}]})", {"model", "not an object"});
}

TEST_CASE("a merge may be written as a string")
{
    json source = fixture();
    for (json& merge : source["model"]["merges"])
        merge = merge[0].get<std::string>() + ' ' + merge[1].get<std::string>();
    const std::string text = "the merged words";
    CHECK(parse(source)->encode(text, {}) == parse(fixture())->encode(text, {}));
}

TEST_CASE("GGUF metadata gives roles and added tokens")
{
    GgufVocabulary vocabulary(fixture());
    const int32_t end = int32_t(vocabulary.tokens.size() - 1);
    const int32_t user = vocabulary.add("<think>", 4);
    const int32_t mistyped = vocabulary.add("<|im_end|>", 1);
    GgufBuilder builder = vocabulary.builder();
    builder.value("tokenizer.ggml.bos_token_id", GgufBuilder::uint32Type, uint32_t(end));
    builder.value("tokenizer.ggml.eot_token_id", GgufBuilder::uint32Type, uint32_t(user));
    builder.value("tokenizer.ggml.add_bos_token", GgufBuilder::boolType, uint8_t(1));
    const auto tokenizer = parse(builder);
    CHECK(tokenizer->bos() == end);
    CHECK(tokenizer->wantsBos());
    CHECK_FALSE(tokenizer->eos().has_value());
    CHECK(tokenizer->stopTokens() == Ids{user, end, mistyped});
    CHECK(tokenizer->isSpecial(end));
    CHECK(tokenizer->isSpecial(mistyped));
    CHECK_FALSE(tokenizer->isSpecial(user));
    CHECK(tokenizer->encode("<think><|im_end|>", {}) == Ids{user, mistyped});
    const Ids plain = tokenizer->encode("<think><|im_end|>", {.parseSpecial = false});
    CHECK(plain.front() == user);
    CHECK(std::ranges::find(plain, mistyped) == plain.end());
    CHECK(tokenizer->encode("a", {.addBos = true}).front() == end);
}

TEST_CASE("pre-tokenizer names of GGUF cut as their models do")
{
    const auto words = [](const char* pre, const char* text) {
        GgufVocabulary vocabulary(fixture());
        vocabulary.pre = pre;
        vocabulary.merges.clear();
        // Every word of two letters a is one token: where a split falls between them, two.
        vocabulary.merges.push_back("1 1");
        vocabulary.add("11", 1);
        return parse(vocabulary.builder())->encode(text, {}).size();
    };
    CHECK(words("gpt-2", "11") == 1);
    CHECK(words("smollm", "11") == 2);
    CHECK(words("qwen2", "11") == 2);
    CHECK(words("qwen35", "11") == 2);
    CHECK(words("llama-bpe", "11") == 1);
    CHECK(words("llama-bpe", "1111") == 3); // 3 digits and 1
    CHECK(words("deepseek-v3", "1111") == 3);
    CHECK(words("gpt-4o", "1111") == 3);
    CHECK(words("tekken", "11") == 2);
    CHECK(words("deepseek-llm", "1111") == 2);
    CHECK(words("falcon", "1111") == 3);
    CHECK(words("seed-coder", "11") == 2);
    CHECK(words("minicpm5", "1111") == 3);
    CHECK(words("viking", "11") == 2);
    CHECK(words("poro-chat", "11") == 1);
    CHECK(words("poro-chat", "1.1") == 3);
    CHECK(words("", "11") == 1); // no name: the default
    for (const char* name : {"default", "mpt", "refact", "starcoder", "llama3", "deepseek-coder", "stablelm2", "olmo"})
        CHECK(words(name, "The caf\xc3\xa9's  words \xe6\xbc\xa2\n") > 5);
}

TEST_CASE("unknown and damaged GGUF tokenizers are refused with key and cause")
{
    const GgufVocabulary good(fixture());
    GgufVocabulary bad = good;
    bad.pre = "unheard-of";
    checkRefusedGguf(bad, ErrorKind::Unsupported, {"tokenizer.ggml.pre", "unheard-of", "llama-bpe", "qwen2", "smollm"});
    bad = good;
    bad.model = "t5";
    checkRefusedGguf(bad, ErrorKind::Unsupported, {"tokenizer.ggml.model", "t5", "gpt2", "llama"});
    bad = good;
    bad.types.pop_back();
    checkRefusedGguf(bad, ErrorKind::BadFile, {"tokenizer.ggml.token_type", "entries"});
    bad = good;
    bad.merges[0] = "nospace";
    checkRefusedGguf(bad, ErrorKind::BadFile, {"tokenizer.ggml.merges", "nospace"});
    bad = good;
    bad.merges[1] = "a nowhere";
    checkRefusedGguf(bad, ErrorKind::BadFile, {"merge 1", "nowhere"});
    GgufBuilder builder = good.builder();
    builder.value("tokenizer.ggml.eos_token_id", GgufBuilder::uint32Type, uint32_t(1 << 20));
    checkRefused([&] { parse(builder); }, ErrorKind::BadFile, {"test.gguf", "tokenizer.ggml.eos_token_id", "1048576"});
    checkRefused([] { parse(GgufBuilder()); }, ErrorKind::BadFile, {"test.gguf", "tokenizer.ggml.model"});
}

TEST_CASE("a truncated or altered tokenizer.json is read or refused, nothing else")
{
    checkDamaged(fixture("nfc").dump(), [](const std::string& bytes) {
        const auto tokenizer = tokenizerFromJson(*fileOf(bytes, "/nowhere/tokenizer.json"));
        tokenizer->decode(tokenizer->encode("The words <|end|> caf\xc3\xa9", {}));
    });
}
