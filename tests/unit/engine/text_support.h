// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "formats_support.h"
#include "ggufbuilder.h"
#include "neuron/engine/formats/gguf.h"
#include "neuron/engine/text/jsontokenizer.h"
#include "neuron/engine/text/tokenizer.h"

#include <nlohmann/json.hpp>

using namespace cortex;
using engine::ErrorKind;
using engine::Tokenizer;
using engine::tokenizerFromJson;
using nlohmann::json;

using Ids = std::vector<int32_t>;

inline std::filesystem::path dataPath(const std::string& name)
{
    return std::filesystem::path(CORTEX_TEST_DATA) / name;
}

inline json readJson(const std::filesystem::path& path)
{
    return json::parse(std::ifstream(path));
}

/// Every row of a file that tests/reference/tokenizers_make.py made must come out.
inline void checkExpected(const std::string& expectedFile,
                          const std::function<const Tokenizer*(const std::string&)>& tokenizerOf)
{
    std::ifstream lines(dataPath(expectedFile));
    int rows = 0;
    for (std::string line; std::getline(lines, line); ++rows) {
        const json row = json::parse(line);
        const Tokenizer* tokenizer = tokenizerOf(row["tokenizer"]);
        REQUIRE(tokenizer != nullptr);
        const auto text = row["text"].get<std::string>();
        const auto ids = row["ids"].get<Ids>();
        INFO(line);
        CHECK(tokenizer->encode(text, {}) == ids);
        CHECK(tokenizer->encode(text, {.parseSpecial = false}) == row["ids_without_special"].get<Ids>());
        CHECK(tokenizer->leastTokens(text) <= ids.size());
        CHECK(tokenizer->decode(ids) == row["decoded"].get<std::string>());
        CHECK(tokenizer->decode(ids, true) == row["decoded_without_special"].get<std::string>());
    }
    CHECK(rows >= 50);
}

inline std::shared_ptr<const Tokenizer> parse(const json& tokenizerJson)
{
    return tokenizerFromJson(*fileOf(tokenizerJson.dump(), "folder/tokenizer.json"));
}

inline void checkRefusedJson(const json& tokenizerJson, ErrorKind kind, std::initializer_list<std::string_view> parts)
{
    checkRefused([&] { parse(tokenizerJson); }, kind, parts);
    checkRefused([&] { parse(tokenizerJson); }, kind, {"folder/tokenizer.json"});
}

inline std::shared_ptr<const Tokenizer> parse(const GgufBuilder& builder)
{
    return engine::tokenizerFromGguf(engine::GgufFile(fileOf(builder.build(), "test.gguf")));
}
