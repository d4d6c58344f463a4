// SPDX-License-Identifier: GPL-3.0-only
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "neuron/engine/error.h"
#include "neuron/engine/template/chattemplate.h"
#include "neuron/engine/template/contextreader.h"

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

TEST_CASE("small templates do what Jinja2 does with them")
{
    const auto rows = readLines(CORTEX_TEMPLATE_CASES);
    REQUIRE(rows.size() > 300);
    const TemplateContext& context = rows.front()["context"];
    for (size_t i = 1; i < rows.size(); ++i) {
        const std::string source = rows[i]["template"];
        CAPTURE(source);
        const Outcome got = outcome(source, context);
        if (rows[i].contains("expected")) {
            CHECK(got.error == "");
            CHECK(got.text == rows[i]["expected"].get<std::string>());
            continue;
        }
        // The wording of syntax errors is ours; what running templates raise is Python's.
        CAPTURE(got.text);
        CHECK(got.error != "");
        if (!rows[i]["type"].get<std::string>().starts_with("TemplateSyntax"))
            CHECK(got.error.find(rows[i]["raises"].get<std::string>()) != std::string::npos);
    }
}

TEST_CASE("a context is read in the order of its keys, the last of equal ones in the place of the first")
{
    const auto same = [](std::string_view json) { CHECK(readContext(json, "it") == TemplateContext::parse(json)); };
    same(R"({"b": 1, "a": [null, true, -2, 3, 2.5, "x", {}, [], {"z": [{"y": 1}]}], "c": {"k": 1, "j": 2}})");
    same("[[1], 2, {}]");
    same("18446744073709551615");
    CHECK(readContext(R"({"b": 1, "a": {"x": 1}, "b": 2, "a": 3})", "it").dump() == R"({"b":2,"a":3})");
    for (const char* bad : {"", "{", "{\"a\": 1,}", "[1] 2", "1e999"}) {
        CAPTURE(bad);
        CHECK_THROWS_WITH_AS(readContext(bad, "it"), doctest::Contains("it is not valid JSON (at byte "), Error);
    }
    const ContextLimits limits{.depth = 2, .values = 4};
    CHECK(readContext("[[1, 2]]", "it", limits).dump() == "[[1,2]]");
    CHECK_THROWS_WITH_AS(readContext("[[[]]]", "it", limits), "it is nested deeper than 2 levels", Error);
    CHECK_THROWS_WITH_AS(readContext("[1, 2, 3, 4]", "it", limits), "it holds more than 4 values", Error);
}

TEST_CASE("an object of very many keys is read in time that grows with them")
{
    std::string json = "{";
    for (int i = 0; i < 300'000; ++i)
        json += "\"key" + std::to_string(i) + "\": 1, ";
    const TemplateContext context =
        readContext(json + "\"last\": 2}", "it"); // one look-up among all others took minutes
    CHECK(context.size() == 300'001);
    CHECK(context.back() == 2);
}

TEST_CASE("errors name template, line and cause")
{
    const Outcome syntax = outcome("a\nb\n{% nosuch %}");
    CHECK(syntax.kind == ErrorKind::BadFile);
    CHECK(syntax.error == "chat template test, line 3: Encountered unknown tag 'nosuch'.");

    const Outcome running = outcome("a\n{{ 1 + 'x' }}");
    CHECK(running.kind == ErrorKind::BadRequest);
    CHECK(running.error == "chat template test, line 2: unsupported operand type(s) for +: 'int' and 'str'");

    const Outcome raised = outcome("{{ raise_exception('no system role') }}");
    CHECK(raised.kind == ErrorKind::TemplateRaised);
    CHECK(raised.error == "no system role");

    CHECK(outcome("{% include 'x' %}").error.find("'include' is not available") != std::string::npos);
    CHECK(outcome("ok\n\xff").error == "chat template test, line 2: not valid UTF-8 (byte 3)");
}

TEST_CASE("hostile templates end with one clear error")
{
    const std::vector<std::string> templates = {
        "{{ 'a' * 10**9 }}",
        "{{ ('a' * 10**6) * 10**6 }}",
        "{{ [1] * 10**12 }}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor %}",
        "{% set ns = namespace(x='a') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{% set ns = namespace(x='ab') %}{% for i in range(99) %}{% set ns.x = ns.x|replace('a', 'aa') ~ ns.x %}{% "
        "endfor %}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}",
        "{{ range(10**9) }}",
        "{{ '%999999999d' % 1 }}",
        "{{ '{:999999999}'.format(1) }}",
        "{{ '%.999999999f' % 1 }}",
        "{{ 'a'.center(10**10) }}",
        "{{ 'a'|indent(10**10, true) }}",
        "{{ 'a\tb'.expandtabs(10**10) }}",
        "{{ '1'.zfill(10**10) }}",
        "{{ [1]|batch(10**10, 0)|list }}",
        "{{ [1]|slice(10**10)|list }}",
        "{{ [1]|tojson(indent=10**10) }}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ 9 ** 99 }}",
        "{% for a in range(99999) %}{{ 'a' * 9999 }}{% endfor %}",
        "{{ " + std::string(100000, '(') + "1" + std::string(100000, ')') + " }}",
        "{{ " + std::string(100000, '[') + " }}",
        "{{ " + std::string(100000, '-') + "1 }}",
        "{{ 1" + std::string(5000, '+') + "1 }}",
        [] {
            std::string chain = "{{ 1";
            for (int i = 0; i < 100000; ++i)
                chain += "+1";
            return chain + " }}";
        }(),
        [] {
            std::string blocks;
            for (int i = 0; i < 100000; ++i)
                blocks += "{% if 1 %}";
            return blocks;
        }(),
    };
    for (const std::string& source : templates) {
        const std::string shown = source.substr(0, 120);
        CAPTURE(shown);
        const Outcome got = outcome(source);
        CHECK(got.error.starts_with("chat template test, line 1: "));
        CHECK(got.error.find('\n') == std::string::npos);
    }
}

TEST_CASE("chains through namespaces, macros and loops are freed without deep destruction")
{
    CHECK(render("{% set ns = namespace(x=none) %}{% for i in range(90000) %}{% set ns.x = namespace(p=ns.x) %}{% "
                 "endfor %}ok")
          == "ok");
    CHECK(
        render("{% set ns = namespace(m=none) %}{% macro f(p) %}{% macro g() %}{{ p }}{% endmacro %}{% set ns.m = g %}"
               "{% endmacro %}{% for i in range(30000) %}{{ f(ns.m) }}{% endfor %}ok")
        == "ok");
}

TEST_CASE("a deeply nested context is refused")
{
    TemplateContext deep = TemplateContext::array();
    for (int i = 0; i < 1000; ++i)
        deep = TemplateContext::array({std::move(deep)});
    CHECK(outcome("x", {{"deep", deep}}).error.find("nested more than") != std::string::npos);
}
