// SPDX-License-Identifier: GPL-3.0-only
// UTF-8, normalization, regular expressions and the byte alphabet.
#include "formats_support.h"
#include "neuron/engine/text/bytealphabet.h"
#include "neuron/engine/text/characterbpe.h"
#include "neuron/engine/text/nfc.h"
#include "neuron/engine/text/regex.h"
#include "neuron/engine/text/scoredbpe.h"
#include "neuron/engine/text/utf8.h"
#include "neuron/engine/text/wordcutter.h"

using namespace cortex::engine;

namespace {

constexpr const char* bad = "\xef\xbf\xbd";

std::string repeat(std::string_view unit, size_t count)
{
    std::string text;
    for (size_t i = 0; i < count; ++i)
        text += unit;
    return text;
}

} // namespace

TEST_CASE("broken UTF-8 becomes one U+FFFD for each maximal part")
{
    CHECK(repairedUtf8("caf\xc3\xa9 \xe6\xbc\xa2 \xf0\x9f\x98\x80") == "caf\xc3\xa9 \xe6\xbc\xa2 \xf0\x9f\x98\x80");
    CHECK(repairedUtf8("\x80") == bad);
    CHECK(repairedUtf8("\xc0\xaf") == repeat(bad, 2)); // overlong
    CHECK(repairedUtf8("\xe0\x80\xaf") == repeat(bad, 3)); // overlong
    CHECK(repairedUtf8("\xed\xa0\x80") == repeat(bad, 3)); // surrogate
    CHECK(repairedUtf8("\xf4\x90\x80\x80") == repeat(bad, 4)); // above U+10FFFF
    CHECK(repairedUtf8("\xf0\x9f\x98") == bad); // cut off
    CHECK(repairedUtf8("\xe6\xbcx") == std::string(bad) + "x");
    // The Unicode Standard's own example, table 3-8 and on.
    CHECK(repairedUtf8("a\xf1\x80\x80\xe1\x80\xc2"
                       "b\x80"
                       "c\x80\xbf"
                       "d")
          == "a" + repeat(bad, 3) + "b" + bad + "c" + repeat(bad, 2) + "d");
}

TEST_CASE("whole UTF-8 is taken as soon as it is whole")
{
    std::string pending = "a\xf0\x9f";
    CHECK(takeWholeUtf8(pending) == "a");
    CHECK(pending == "\xf0\x9f");
    pending += "\x98";
    CHECK(takeWholeUtf8(pending).empty());
    pending += "\x80z";
    CHECK(takeWholeUtf8(pending) == "\xf0\x9f\x98\x80z");
    CHECK(pending.empty());
    pending = "\xe6\xff";
    CHECK(takeWholeUtf8(pending) == repeat(bad, 2));
}

TEST_CASE("code points are written in UTF-8")
{
    std::string text;
    for (const char32_t c : {U'a', U'\u00e9', U'\u6f22', U'\U0001f600'})
        appendUtf8(text, c);
    CHECK(text == "a\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x98\x80");
}

TEST_CASE("text is composed, decomposed and reordered as NFC says")
{
    const std::pair<const char*, const char*> cases[]{
        {"plain", "plain"},
        {"e\u0301", "\u00e9"},
        {"\u212b", "\u00c5"}, // Angstrom sign: a singleton
        {"a\u0307\u0323", "\u1ea1\u0307"}, // reordered, then composed
        {"a\u0323\u0307", "\u1ea1\u0307"},
        {"\u1e9b\u0323", "\u1e9b\u0323"},
        {"a\u0315\u0300\u05ae\u0300b", "\u00e0\u05ae\u0300\u0315b"},
        {"\u0958", "\u0915\u093c"}, // composition excluded
        {"\u1112\u1161\u11ab", "\ud55c"}, // Hangul, three parts
        {"\uac00\u11a8", "\uac01"}, // a syllable and its last part
        {"\uac01\u11a8", "\uac01\u11a8"},
        {"\u1100\u1161\u0300\u11a8", "\uac00\u0300\u11a8"},
        {"\u0344", "\u0308\u0301"},
        {"\u0301e", "\u0301e"},
        {"\U0001d15e", "\U0001d157\U0001d165"},
    };
    for (const auto& [text, normalized] : cases) {
        INFO(text);
        CHECK(toNfc(text) == normalized);
        CHECK(toNfc(normalized) == normalized);
        if (isCertainlyNfc(text))
            CHECK(std::string_view(text) == normalized);
    }
    CHECK(isCertainlyNfc("plain caf\xc3\xa9 \u6f22\u5b57 \uac00"));
}

TEST_CASE("patterns mean what they mean to Oniguruma")
{
    const auto matches = [](const char* pattern, const char* text) {
        const auto match = Regex(pattern).find(text, 0);
        return match && match->begin == 0 && match->end == std::string_view(text).size();
    };
    CHECK(matches(R"(\s+)", "\u00a0\u3000\u0085\u2028 \t"));
    CHECK_FALSE(matches(R"(\s)", "\u180e"));
    CHECK(matches(R"(\S)", "\u180e"));
    CHECK(matches(R"([^\s]+)", "\u180ex"));
    CHECK(matches(R"([\s\d]+)", "\u00a01\u0661"));
    CHECK(matches(R"((?i:'s))", "'\u017f"));
    CHECK(matches(R"(\p{L}+\p{N}{1,3})", "\u0436\u6f22\u00e9\u00bd"));
    CHECK(matches(R"([[:alpha:]]+)", "ab"));
    CHECK(matches(R"([\]a]+)", "a]"));
    const auto atLineEnd = Regex(R"(b$)").find("ab\nb", 0);
    REQUIRE(atLineEnd.has_value());
    CHECK(atLineEnd->begin == 1);
    CHECK(Regex::literal("a.b").find("axb a.b", 0)->begin == 4);
}

TEST_CASE("a pattern made to take for ever stops")
{
    const Regex hostile(R"((a+)+$)");
    CHECK_FALSE(hostile.find(repeat("a", 60) + "b", 0).has_value());
    const Regex deep(R"((a|b|(?:c))*d)");
    CHECK_FALSE(deep.find(repeat("abc", 20000), 0).has_value());
}

TEST_CASE("vocabularies spell bytes as GPT-2 does")
{
    CHECK(entryOfBytes(" the\n") == "\u0120the\u010a");
    CHECK(bytesOfEntry("\u0120the\u010a") == " the\n");
    std::string all;
    for (int byte = 0; byte < 256; ++byte)
        all += char(byte);
    CHECK(bytesOfEntry(entryOfBytes(all)) == all);
    CHECK_FALSE(bytesOfEntry(" the").has_value());
    CHECK_FALSE(bytesOfEntry("\u6f22").has_value());
    CHECK_FALSE(bytesOfEntry("\xff").has_value());
}

TEST_CASE("entries are found by text and by id")
{
    Entries entries;
    CHECK(entries.size() == 0);
    CHECK_FALSE(entries.contains(""));
    CHECK(entries.add("b", 3));
    CHECK(entries.size() == 4);
    CHECK(entries[0].empty()); // unused
    CHECK(entries[3] == "b");
    CHECK(entries.add("", 0));
    CHECK(entries.find("") == 0);
    CHECK_FALSE(entries.add("b", 1)); // the first id is found, but both have the text
    CHECK(entries.find("b") == 3);
    CHECK(entries[1] == "b");
    CHECK(entries.add("c", 3)); // the last text is the id's, but both are found
    CHECK(entries[3] == "c");
    CHECK(entries.find("b") == 3);
    CHECK(entries.find("c") == 3);

    std::vector<std::string> texts;
    for (int i = 0; i < 3000; ++i)
        texts.push_back("entry " + std::to_string(i));
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    entries.append(views);
    CHECK(entries.size() == 3004);
    bool found = true;
    for (size_t i = 0; i < texts.size(); ++i)
        found &= entries.find(texts[i]) == int32_t(4 + i) && entries[4 + i] == texts[i];
    CHECK(found);
    CHECK_FALSE(entries.contains("entry 3000"));
    CHECK(entries.find("c") == 3);
}

TEST_CASE("merges go by rank, then from the left")
{
    const auto entries =
        std::make_shared<Entries>(Entries{{"a", 0}, {"b", 1}, {"bb", 2}, {"aa", 3}, {"aaa", 4}, {"abb", 5}});
    const std::vector<MergeRule> rules{{1, 1, 2}, {0, 0, 3}, {3, 0, 4}, {0, 2, 5}};
    const CharacterBpe model(entries, rules, CharacterFallback(*entries, false, std::nullopt), {});
    const auto merged = [&](std::string_view word) {
        std::vector<int32_t> tokens;
        model.append(word, tokens);
        return tokens;
    };
    CHECK(merged("").empty());
    CHECK(merged("a") == std::vector<int32_t>{0});
    CHECK(merged("aaa") == std::vector<int32_t>{4});
    CHECK(merged("aaaa") == std::vector<int32_t>{3, 3});
    CHECK(merged("abbb") == std::vector<int32_t>{5, 1});
    CHECK(merged("axb") == std::vector<int32_t>{0, 1}); // a character with neither entry nor fallback vanishes
}

TEST_CASE("scored pairs join best first, equal ones from the left, also where a character is no entry")
{
    // "x" is no entry, but "xa" is.
    const auto entries = std::make_shared<Entries>(Entries{
        {"a", 0}, {"b", 1}, {"aa", 2}, {"ab", 3}, {"xa", 4}, {"<0xC3>", 5}, {"<0xA9>", 6}, {"<unk>", 7}, {"bb", 8}});
    const std::vector<std::optional<double>> scores{-10.0,        -10.0,        -1.0,         -1.0,        -2.0,
                                                    std::nullopt, std::nullopt, std::nullopt, std::nullopt};
    const ScoredBpe model(entries, scores, CharacterFallback(*entries, true, 7));
    const auto joined = [&](std::string_view word) {
        std::vector<int32_t> tokens{7};
        model.append(word, tokens);
        tokens.erase(tokens.begin());
        return tokens;
    };
    CHECK(joined("aab") == std::vector<int32_t>{2, 1});
    CHECK(joined("bab") == std::vector<int32_t>{1, 3});
    CHECK(joined("xab") == std::vector<int32_t>{7, 3}); // "ab" scores better than "xa"
    CHECK(joined("xa") == std::vector<int32_t>{4});
    CHECK(joined("bb") == std::vector<int32_t>{1, 1}); // an entry without a score is not made
    CHECK(joined("\u00e9") == std::vector<int32_t>{5, 6});
    CHECK(joined("xy\u00e8") == std::vector<int32_t>{7}); // neighbouring unknown characters are one
    CHECK(joined("x\u00e9y") == std::vector<int32_t>{7, 5, 6, 7});
}

TEST_CASE("words are cut before a space unless an entry spans it")
{
    using Parts = std::vector<std::string_view>;
    WordCutter cutter;
    cutter.addEntry("\u2581word");
    cutter.addEntry("\u2581");
    CHECK(cutter.cut("").empty());
    CHECK(cutter.cut("a\u2581b\u2581\u2581c") == Parts{"a", "\u2581b", "\u2581", "\u2581c"});
    cutter.addEntry("\u2581\u2581");
    cutter.addEntry("\u00e9>\u2581</");
    CHECK(cutter.cut("a\u2581b\u2581\u2581c") == Parts{"a", "\u2581b", "\u2581\u2581c"});
    CHECK(cutter.cut("<b>\u2581x\u00e9\u2581y>\u2581") == Parts{"<b>\u2581x\u00e9", "\u2581y>\u2581"});
    CHECK(cutter.cut("\u2581") == Parts{"\u2581"});
}
