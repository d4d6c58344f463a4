// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/text/detokenizer.h"

#include <doctest/doctest.h>

#include <filesystem>

using namespace cortex::engine;

namespace {

std::shared_ptr<const Tokenizer> tokenizer()
{
    static const auto made = tokenizerFromJson(std::filesystem::path(CORTEX_TEST_DATA) / "tokenizer-digits.json");
    return made;
}

/// Tokens of single bytes, which is how a model spells what it has no words for.
std::vector<int32_t> byteTokens(std::string_view bytes)
{
    std::vector<int32_t> tokens;
    for (int32_t id = 0; id < tokenizer()->vocabularySize(); ++id)
        if (tokenizer()->tokenBytes(id).size() == 1)
            tokens.push_back(id);
    std::vector<int32_t> result;
    for (const char byte : bytes)
        for (const int32_t token : tokens)
            if (tokenizer()->tokenBytes(token)[0] == byte)
                result.push_back(token);
    REQUIRE(result.size() == bytes.size());
    return result;
}

/// All that a matcher lets through, and what it found, when `text` comes in pieces of `size`.
std::pair<std::string, std::string> stopped(const std::vector<std::string>& stops, std::string_view text, size_t size)
{
    StopMatcher matcher(stops);
    std::string emitted;
    for (size_t i = 0; i < text.size(); i += size)
        emitted += matcher.push(text.substr(i, size));
    emitted += matcher.flush();
    return {emitted, matcher.matched().value_or("")};
}

} // namespace

TEST_CASE("a character that spans tokens comes out whole, once")
{
    StreamDetokenizer stream(tokenizer());
    std::vector<std::string> pieces;
    for (const int32_t token : byteTokens("a\xf0\x9f\x98\x80z"))
        pieces.push_back(stream.push(token));
    CHECK(pieces == std::vector<std::string>{"a", "", "", "", "\xf0\x9f\x98\x80", "z"});
    CHECK(stream.flush().empty());
}

TEST_CASE("bytes that can never become a character come out as U+FFFD")
{
    StreamDetokenizer stream(tokenizer());
    std::string text;
    for (const int32_t token : byteTokens("\xff"
                                          "a\xe6\xbc"
                                          "b\xf0\x9f"))
        text += stream.push(token);
    CHECK(text
          == "\xef\xbf\xbd"
             "a\xef\xbf\xbd"
             "b");
    CHECK(stream.flush() == "\xef\xbf\xbd");
    CHECK(stream.flush().empty());
}

TEST_CASE("a stream gives what decoding the whole gives")
{
    const std::string text = "Words \xe8\xa8\x80\xe8\x91\x89 \xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd <|end|> na\xc3\xafve";
    const auto ids = tokenizer()->encode(text, {});
    for (const bool skipSpecial : {true, false}) {
        StreamDetokenizer stream(tokenizer(), skipSpecial, StreamDetokenizer::Start::OfText);
        std::string streamed;
        for (const int32_t id : ids)
            streamed += stream.push(id);
        streamed += stream.flush();
        CHECK(streamed == tokenizer()->decode(ids, skipSpecial));
    }
}

TEST_CASE("a stop string is found however the text is cut")
{
    struct Case {
        std::vector<std::string> stops;
        std::string text;
        std::string emitted;
        std::string matched;
    };
    const Case cases[]{
        {{"stop"}, "go on, stop here", "go on, ", "stop"},
        {{"stop"}, "stop", "", "stop"},
        {{"stop"}, "sto", "sto", ""},
        {{"stop"}, "ststo stostop!", "ststo sto", "stop"},
        {{"aab"}, "aaaab", "aa", "aab"},
        {{"ababc"}, "abababcx", "ab", "ababc"},
        {{"\n\n", "User:"}, "a\nb\nUser: x", "a\nb\n", "User:"},
        {{"bc", "abc"}, "xabcd", "x", "abc"}, // complete at the same byte: the longest
        {{"ab", "abcd"}, "xabcd", "x", "ab"}, // complete first
        {{"abcd", "bc"}, "xabcd", "xa", "bc"}, // complete first, though it begins later
        {{"\xe6\xbc\xa2"}, "a\xe6\xbc\xa2z", "a", "\xe6\xbc\xa2"},
        {{""}, "text", "text", ""},
        {{}, "text", "text", ""},
    };
    for (const Case& expected : cases)
        for (size_t size = 1; size <= expected.text.size(); ++size) {
            INFO(expected.text, " in pieces of ", size);
            const auto [emitted, matched] = stopped(expected.stops, expected.text, size);
            CHECK(emitted == expected.emitted);
            CHECK(matched == expected.matched);
        }
}

TEST_CASE("text is held back only while it may become a stop string")
{
    StopMatcher matcher({"<|end|>"});
    CHECK(matcher.push("hello ") == "hello ");
    CHECK(matcher.push("a<").empty() == false);
    CHECK(matcher.push("|en").empty());
    CHECK(matcher.push("x<") == "<|enx");
    CHECK(matcher.push("|end|> more").empty());
    CHECK(matcher.matched() == "<|end|>");
    CHECK(matcher.push("dropped").empty());
    CHECK(matcher.flush().empty());
}
