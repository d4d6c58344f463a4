// SPDX-License-Identifier: GPL-3.0-only
// neuron-engine as a shell sees it: exit codes, stdout, stderr.
#include "tinyllama.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <cstring>

#include <sys/stat.h>
#include <sys/wait.h>

using namespace cortex::engine::tests;
using Json = nlohmann::json;
namespace fs = std::filesystem;

namespace {

struct Outcome {
    int code = -1;
    std::string out, err;
};

/// Runs neuron-engine with `input` on stdin.
Outcome run(const std::string& arguments, const std::string& input = {})
{
    const TemporaryDirectory directory;
    writeFile(directory.path() / "in", input);
    const std::string command = std::string(CORTEX_NEURON_ENGINE) + " " + arguments + " < "
        + (directory.path() / "in").string() + " > " + (directory.path() / "out").string() + " 2> "
        + (directory.path() / "err").string();
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, readFile(directory.path() / "out"),
            readFile(directory.path() / "err")};
}

std::vector<std::string> lines(const std::string& text)
{
    std::vector<std::string> list;
    size_t begin = 0;
    for (size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
        list.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return list;
}

/// The model that answers in words.
const std::string builtin = "--model " CORTEX_GOLDEN "/../../resources/builtin";

/// The small model in a file, and its options.
struct Tiny {
    Tiny() { tinyllama::write(0, path, cortex::kernels::Type::Q8_0); }
    TemporaryDirectory directory;
    fs::path path = directory.path() / "tiny.gguf";
    std::string model = "--model " + path.string();
};

} // namespace

TEST_CASE("wrong use is exit code 2 with a message; help is 0")
{
    for (const char* arguments :
         {"", "nonsense", "generate", "generate --model x", "generate --model x --prompt a --chat b",
          "generate --model x --prompt a --system b", "generate --model x --prompt a --quant q9",
          "bench --model x --repeat 0", "bench --model x --isa q9", "logits --model x --tokens - --out x --isa q9",
          "plan --model x --quant q9", "quantize x y q9", "render --template x --now yesterday", "tokenize --jsonl"}) {
        CAPTURE(arguments);
        const Outcome outcome = run(arguments);
        CHECK(outcome.code == 2);
        CHECK(outcome.out.empty());
        CHECK(outcome.err.starts_with("neuron-engine: "));
    }
    const Outcome help = run("--help");
    CHECK(help.code == 0);
    CHECK(help.out.find("Examples:") != std::string::npos);
    CHECK(run("generate --help").code == 0);
}

TEST_CASE("what fails is exit code 1 and one line that names the cause")
{
    const Tiny tiny;
    for (const std::string& arguments :
         {std::string("generate --model /nowhere/x.gguf --prompt a"), "generate " + tiny.model + " --prompt a",
          "generate " + tiny.model + " --tokens /nowhere.json", "logits " + tiny.model + " --tokens - --out /nowhere/x",
          "tokenize " + tiny.model}) {
        CAPTURE(arguments);
        const Outcome outcome = run(arguments, "[1]");
        CHECK(outcome.code == 1);
        CHECK(outcome.err.starts_with("neuron-engine: "));
        CHECK(lines(outcome.err).size() == 1);
    }
}

TEST_CASE("generate --json tells prompt, tokens, reason and timings")
{
    const Tiny tiny;
    const std::string arguments = "generate " + tiny.model + " --tokens - -n 5 --temperature 0 --json";
    const Outcome outcome = run(arguments, "[1, 2, 3]");
    REQUIRE(outcome.code == 0);
    const Json json = Json::parse(outcome.out);
    CHECK(json["prompt_tokens"] == Json({1, 2, 3}));
    CHECK(json["tokens"].size() == 5);
    CHECK(json["finish_reason"] == "length");
    CHECK(json["timings"]["decode_tok_s"] > 0);
    CHECK(Json::parse(run(arguments, "[1, 2, 3]").out)["tokens"] == json["tokens"]);
    CHECK(run(arguments, "[1, 2, 80]").code == 1);
    CHECK(run(arguments, "[1, -2]").code == 1);
    CHECK(run(arguments, "not json").code == 1);
}

TEST_CASE("what --stop gives is one text, brackets and all")
{
    const std::string ask = "generate " + builtin + " --chat 'What is Cortex?' -n 32 --temperature 0";
    REQUIRE(run(ask).out.starts_with("Cortex makes one"));
    CHECK(run(ask + " --stop ' one' --stop makes").out == "Cortex \n");
    for (const char* stop : {"'[makes]'", "'[makes,one]'", "'[]'", "'{}'"}) {
        CAPTURE(stop);
        const Outcome outcome = run(ask + " --stop " + stop);
        CHECK(outcome.code == 0);
        CHECK(outcome.out.starts_with("Cortex makes one"));
    }
}

TEST_CASE("an option of no text is given all the same")
{
    const Outcome chat = run("generate " + builtin + " --chat '' --system 'Be brief.' -n 1 --json");
    REQUIRE(chat.code == 0);
    CHECK(Json::parse(chat.out)["prompt_tokens"].size() > 2);
    const Outcome tokens = run("generate " + builtin + " --tokens ''");
    CHECK(tokens.code == 1);
    CHECK(tokens.err.find("cannot be read") != std::string::npos);
    CHECK(run("generate " + builtin + " --prompt ''").err.find("prompt is empty") != std::string::npos);
}

TEST_CASE("detokenize refuses ids that are no tokens, as generate does")
{
    CHECK(run("detokenize " + builtin, run("tokenize " + builtin, "What is Cortex?").out).out == "What is Cortex?");
    const Outcome unknown = run("detokenize " + builtin, "[999999999, 5]");
    CHECK(unknown.code == 1);
    CHECK(unknown.out.empty());
    CHECK(unknown.err.find("token 999999999 is not in the vocabulary") != std::string::npos);
    const auto results = lines(run("detokenize --jsonl " + builtin, "[999999999]\n[5]\n").out);
    REQUIRE(results.size() == 2);
    CHECK(Json::parse(results[0]).contains("error"));
    CHECK(Json::parse(results[1]).is_string());
}

TEST_CASE("logits are float32 rows, one for each token")
{
    const Tiny tiny;
    const fs::path out = tiny.directory.path() / "logits.f32";
    REQUIRE(run("logits " + tiny.model + " --tokens - --out " + out.string(), Json(tinyllama::tokens()).dump()).code
            == 0);
    const std::string bytes = readFile(out);
    const std::vector<float> expected = tinyllama::expectedLogits(0);
    REQUIRE(bytes.size() == expected.size() * sizeof(float));
    const Outcome unknown = run("logits " + tiny.model + " --tokens - --out " + out.string(), "[999999999]");
    CHECK(unknown.code == 1);
    CHECK(unknown.err.find("999999999") != std::string::npos);
    CHECK(readFile(out) == bytes);
    std::vector<float> logits(expected.size());
    std::memcpy(logits.data(), bytes.data(), bytes.size());
    for (size_t i = 0; i < logits.size(); ++i)
        CHECK(logits[i] == doctest::Approx(expected[i]).epsilon(0.2).scale(3));
}

TEST_CASE("quantize of a checkpoint refuses what it may not replace before any work")
{
    const TemporaryDirectory directory;
    const fs::path pipe = directory.path() / "pipe";
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    for (const std::string& out : {pipe.string(), directory.path().string(), std::string("''")}) {
        CAPTURE(out);
        const Outcome outcome = run("quantize " CORTEX_GOLDEN "/../../resources/builtin " + out + " q8_0");
        CHECK(outcome.code == 1);
        CHECK(lines(outcome.err).size() == 1); // and none of progress
    }
    CHECK(fs::is_fifo(pipe));
    CHECK(std::distance(fs::directory_iterator(directory.path()), fs::directory_iterator()) == 1);
}

TEST_CASE("bench and plan print what issue 3 lists")
{
    const Tiny tiny;
    const Outcome bench = run("bench " + tiny.model + " -p 32 -n 8 --threads 1 --repeat 2 --json");
    REQUIRE(bench.code == 0);
    for (const char* key : {"load_s", "prefill_tok_s", "decode_tok_s", "weight_bytes_per_token", "decode_gb_s",
                            "read_ceiling_gb_s", "threads", "isa"}) {
        CAPTURE(key);
        CHECK(Json::parse(bench.out).contains(key));
    }
    CHECK(Json::parse(bench.out)["decode_tok_s"] > 0);

    const Outcome plan = run("plan " + tiny.model + " --context 64 --sequences 2 --json");
    REQUIRE(plan.code == 0);
    const Json json = Json::parse(plan.out);
    CHECK(json["context"] == 64);
    CHECK(json["sequences"] == 2);
    CHECK(json["fits"] == true);
    CHECK(json["total_bytes"]
          == json["weight_bytes"].get<int64_t>() + json["kv_bytes"].get<int64_t>()
              + json["workspace_bytes"].get<int64_t>());
    CHECK(run("plan " + tiny.model).code == 0);
}

TEST_CASE("render: prompts, errors in their line, and exit code 3 where the template raised")
{
    const TemporaryDirectory directory;
    const fs::path file = directory.path() / "template.jinja";
    writeFile(file,
              "{% if not messages %}{{ raise_exception('no messages') }}{% endif %}"
              "{{ strftime_now('%Y-%m-%d %H:%M') }} {{ messages[0].content }} {{ data | tojson }}");
    const std::string arguments = "render --template " + file.string() + " --now 2026-07-04T09:30";
    const std::string context = R"({"messages": [{"content": "hi"}], "data": {"b": 1, "a": 2}})";
    const Outcome one = run(arguments, context);
    CHECK(one.code == 0);
    CHECK(one.out == R"(2026-07-04 09:30 hi {"b": 1, "a": 2})");

    const Outcome raised = run(arguments, R"({"messages": []})");
    CHECK(raised.code == 3);
    CHECK(raised.err.find("no messages") != std::string::npos);

    const Outcome many = run(arguments + " --jsonl", context + "\n{\"messages\": []}\nnonsense\n[]\n" + context + "\n");
    CHECK(many.code == 0);
    const auto results = lines(many.out);
    REQUIRE(results.size() == 5);
    CHECK(Json::parse(results[0])["prompt"] == one.out);
    for (size_t i : {size_t(1), size_t(2), size_t(3)})
        CHECK(Json::parse(results[i]).contains("error"));
    CHECK(results[4] == results[0]);

    writeFile(file, "");
    const Outcome nothing = run(arguments, context);
    CHECK(nothing.code == 0);
    CHECK(nothing.out.empty());
}
