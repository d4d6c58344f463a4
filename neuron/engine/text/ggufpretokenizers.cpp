// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/text/ggufpretokenizers.h"

#include <algorithm>
#include <span>
#include <vector>

namespace cortex::engine {

namespace {

// The splits as the models' own tokenizer.json files give them. All isolate their matches.

constexpr std::string_view gpt2Split = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view llama3Split =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view qwen2Split =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view qwen35Split =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view seedCoderSplit =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view miniCpm5Split =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view bloomSplit = " ?[^(\\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+";
constexpr std::string_view gpt4oSplit =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view tekkenSplit =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view deepseekV3Split =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// DeepSeek LLM lists its letters: those with case, less the scripts and letters that its list lacks.
constexpr std::string_view deepseekLetters =
    R"(\s?(?:(?![\x{560}-\x{588}\x{10C7}-\x{10FF}\x{1C80}-\x{1C88}\x{2D00}-\x{2D2D}\x{A790}-\x{A7FA}\x{AB30}-\x{AB68}\x{10570}-\x{105BC}\x{16E40}-\x{16E7F}\x{1D400}-\x{1DF1E}])[\p{Lu}\p{Ll}\p{Lt}])+)";
constexpr std::string_view deepseekPunctuation =
    R"(\s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3000}-\x{3002}]+)";
constexpr std::string_view deepseekIdeographs = R"([\x{4E00}-\x{9FA5}\x{800}-\x{4E00}\x{AC00}-\x{D7FF}]+)";
constexpr std::string_view deepseekV3Ideographs = R"([\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+)";
constexpr std::string_view digit = R"(\p{N})";
constexpr std::string_view digits = R"(\p{N}+)";
constexpr std::string_view upToThreeDigits = R"(\p{N}{1,3})";
constexpr std::string_view threeAsciiDigits = "[0-9][0-9][0-9]";

/// One split and the names that stand for it.
struct Family {
    std::vector<std::string_view> names;
    std::vector<std::string_view> splits;
    bool normalizeNfc = false;
    bool ignoreMerges = false;
    bool addsBos = false;
};

const std::vector<Family>& families()
{
    static const std::vector<Family> list{
        {.names = {"gpt-2", "phi-2", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "exaone4", "trillion",
                   "granite-docling", "jais", "mellum", "a.x-4.0"},
         .splits = {gpt2Split}},
        {.names = {"olmo", "mpt"}, .splits = {gpt2Split}, .normalizeNfc = true},
        {.names = {"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"},
         .splits = {digit, gpt2Split}},
        {.names = {"default"}, .splits = {R"([\p{P}$+<=>^~|]+)", gpt2Split, digits, threeAsciiDigits}},
        {.names = {"falcon"}, .splits = {R"([\p{P}$+<=>^~|`]+)", gpt2Split, threeAsciiDigits}},
        {.names = {"qwen2", "deepseek-r1-qwen"}, .splits = {qwen2Split}, .normalizeNfc = true},
        {.names = {"stablelm2", "megrez", "hunyuan", "grok-2", "kormo"}, .splits = {qwen2Split}},
        {.names = {"qwen35"}, .splits = {qwen35Split}, .normalizeNfc = true},
        {.names = {"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "lfm2", "midm-2.0"},
         .splits = {llama3Split},
         .ignoreMerges = true,
         .addsBos = true},
        {.names = {"dbrx", "smaug-bpe", "glm4", "chatglm-bpe"}, .splits = {llama3Split}},
        {.names = {"deepseek-llm"},
         .splits = {R"([\r\n])", deepseekLetters, deepseekPunctuation, R"(\s+$)", deepseekIdeographs, digits}},
        {.names = {"deepseek-coder"},
         .splits = {R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", deepseekIdeographs, digit}},
        {.names = {"deepseek-v3", "hunyuan-dense"}, .splits = {upToThreeDigits, deepseekV3Ideographs, deepseekV3Split}},
        {.names = {"seed-coder"}, .splits = {seedCoderSplit}},
        {.names = {"minicpm5"}, .splits = {upToThreeDigits, miniCpm5Split}, .ignoreMerges = true},
        {.names = {"poro-chat", "bloom", "gpt3-finnish"}, .splits = {bloomSplit}},
        {.names = {"viking"}, .splits = {bloomSplit, digit}},
        {.names = {"tekken"}, .splits = {tekkenSplit}, .ignoreMerges = true, .addsBos = true},
        {.names = {"gpt-4o", "llama4", "minimax-m2"}, .splits = {gpt4oSplit}},
    };
    return list;
}

} // namespace

std::optional<GgufPreTokenizer> ggufPreTokenizer(std::string_view name)
{
    for (const Family& family : families()) {
        if (std::ranges::find(family.names, name) == family.names.end())
            continue;
        GgufPreTokenizer found{{}, family.normalizeNfc, family.ignoreMerges, family.addsBos};
        for (const std::string_view split : family.splits)
            found.preTokenizer.add(SplitStep{Regex(split)});
        return found;
    }
    return std::nullopt;
}

std::optional<std::string> ggufPreTokenizerName(const std::vector<std::string>& splits, bool normalizeNfc,
                                                bool ignoreMerges)
{
    for (const Family& family : families())
        if (family.normalizeNfc == normalizeNfc && family.ignoreMerges == ignoreMerges
            && std::ranges::equal(family.splits, splits))
            return std::string(family.names.front());
    return std::nullopt;
}

std::string_view ggufGpt2Split()
{
    return gpt2Split;
}

std::string ggufPreTokenizerNames()
{
    std::vector<std::string_view> names;
    for (const Family& family : families())
        names.insert(names.end(), family.names.begin(), family.names.end());
    std::ranges::sort(names);
    std::string text;
    for (const std::string_view name : names)
        text.append(text.empty() ? "" : ", ").append(name);
    return text;
}

} // namespace cortex::engine
