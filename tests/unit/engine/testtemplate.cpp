// SPDX-License-Identifier: GPL-3.0-only
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "neuron/engine/error.h"
#include "neuron/engine/template/chattemplate.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

using namespace cortex::engine;

namespace {

/// The moment that the reference renders were made at: 2026-07-04T09:30.
std::chrono::local_seconds referenceNow()
{
    using namespace std::chrono;
    return local_days{year{2026} / July / 4} + hours{9} + minutes{30};
}

std::string render(const std::string& source, const TemplateContext& context = TemplateContext::object())
{
    return ChatTemplate(source, "test").render(context, referenceNow());
}

struct Outcome {
    std::string text;
    std::string error;
    ErrorKind kind = ErrorKind::Internal;
};

Outcome outcome(const std::string& source, const TemplateContext& context = TemplateContext::object())
{
    try {
        return {render(source, context), {}, {}};
    } catch (const Error& error) {
        return {{}, error.what(), error.kind()};
    }
}

std::vector<TemplateContext> readLines(const std::filesystem::path& path)
{
    std::ifstream file(path);
    std::vector<TemplateContext> rows;
    for (std::string line; std::getline(file, line);)
        rows.push_back(TemplateContext::parse(line));
    return rows;
}

std::string readFile(const std::filesystem::path& path)
{
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

/// A row holds what Python gave: `expected`, or the message of what it raised.
void checkRow(const TemplateContext& row, const std::string& source, const TemplateContext& context)
{
    const Outcome got = outcome(source, context);
    if (row.contains("expected")) {
        CHECK(got.error == "");
        CHECK(got.text == row["expected"].get<std::string>());
    } else {
        CHECK(got.text == "");
        CHECK(got.error.find(row["raises"].get<std::string>()) != std::string::npos);
    }
}

} // namespace

TEST_CASE("real chat templates render as Hugging Face renders them")
{
    const auto folder = std::filesystem::path(CORTEX_SHARED_DATA) / "chat-templates";
    if (!std::filesystem::exists(folder / "expected.jsonl")) {
        MESSAGE("skipped: " << folder.string() << " is not there");
        return;
    }
    for (const TemplateContext& row : readLines(folder / "expected.jsonl")) {
        const std::string name = row["template"];
        const std::string label = name + ", " + row["case"].get<std::string>();
        CAPTURE(label);
        checkRow(row, readFile(folder / name), row["context"]);
    }
}
