// SPDX-License-Identifier: GPL-3.0-only
#include "fakes.h"
#include "tinyllama.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace cortex::engine;
using namespace cortex::engine::tests;
namespace fs = std::filesystem;
using cortex::kernels::Type;

namespace {

std::unique_ptr<Engine> loadTiny(const fs::path& path, const std::string& instructions = {}, int sequences = 4,
                                 int stepTokens = 0, Type cacheType = Type::F16)
{
    LoadOptions options;
    options.model = path;
    options.threads = 2;
    options.instructions = instructions;
    options.maxSequences = sequences;
    options.stepTokens = stepTokens;
    options.cacheType = cacheType;
    return Engine::load(options);
}

std::vector<float> allLogits(Engine& engine, const std::vector<int32_t>& tokens)
{
    std::vector<float> logits;
    engine.logits(tokens, [&](std::span<const float> rows, int firstRow) {
        CHECK(size_t(firstRow) * tinyllama::Vocabulary == logits.size());
        logits.insert(logits.end(), rows.begin(), rows.end());
    });
    return logits;
}

/// Root of the mean square of what differs; the logits themselves have about 3.
double difference(const std::vector<float>& a, const std::vector<float>& b)
{
    REQUIRE(a.size() == b.size());
    double squares = 0;
    for (size_t i = 0; i < a.size(); ++i)
        squares += (double(a[i]) - double(b[i])) * (double(a[i]) - double(b[i]));
    return std::sqrt(squares / double(a.size()));
}

std::vector<int32_t> generateAlone(Engine& engine, std::vector<int32_t> prompt, int count)
{
    const auto sink = std::make_shared<RecordingSink>();
    engine.submit(greedyRequest(std::move(prompt), count), sink);
    return sink->waitUntilFinished().tokens;
}

/// The message of the Error that loading gives, with its kind.
std::pair<ErrorKind, std::string> loadError(const fs::path& path)
{
    try {
        loadTiny(path);
    } catch (const Error& error) {
        return {error.kind(), error.what()};
    }
    return {ErrorKind::Internal, "no error"};
}

bool contains(const std::string& text, const std::string& part)
{
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("logits equal the reference in every format, pairing and rope scaling, on every instruction path")
{
    const TemporaryDirectory directory;
    struct Case {
        int variant;
        Type type;
        double tolerance; ///< products of quantized weights quantize activations too
    };
    constexpr double CacheTolerance = 4e-3; ///< what 16 bits in the cache add; float16 itself adds as much
    for (const Case& one :
         {Case{0, Type::F32, 2e-5}, Case{0, Type::F16, 2e-5}, Case{0, Type::BF16, 2e-5}, Case{0, Type::Q8_0, 0.15},
          Case{1, Type::F32, 2e-5}, Case{2, Type::BF16, 2e-5}, Case{3, Type::BF16, 2e-5}}) {
        CAPTURE(one.variant);
        CAPTURE(cortex::kernels::traits(one.type).name);
        const fs::path path = directory.path() / ("model" + std::to_string(one.variant));
        tinyllama::write(one.variant, path, one.type);
        for (const std::string& instructions : cortex::kernels::cpuInstructionPaths()) {
            CAPTURE(instructions);
            const auto errorWith = [&](Type cacheType) {
                const auto engine = loadTiny(path, instructions, 4, 0, cacheType);
                return difference(allLogits(*engine, tinyllama::tokens()), tinyllama::expectedLogits(one.variant));
            };
            CHECK(errorWith(Type::F32) < one.tolerance);
            CHECK(errorWith(Type::F16) < one.tolerance + CacheTolerance);
        }
        fs::remove_all(path);
    }
}

TEST_CASE("a loaded model tells what it is and generates")
{
    const TemporaryDirectory directory;
    const fs::path path = directory.path() / "tiny.gguf";
    tinyllama::write(0, path, Type::Q8_0);
    const auto engine = loadTiny(path);
    const ModelInfo& info = engine->info();
    CHECK(info.architecture == "llama");
    CHECK(info.name == "tiny");
    CHECK(info.quantization == "Q8_0");
    CHECK(info.layers == 2);
    CHECK(info.vocabularySize == tinyllama::Vocabulary);
    CHECK(info.contextLimit == tinyllama::ContextLimit);
    CHECK(!info.hasTokenizer);
    CHECK(info.parameters == 80 * 64 + 64 + 2 * (2 * 64 + 2 * 64 * 64 + 2 * 32 * 64 + 3 * 64 * 96));
    CHECK(engine->tokenizer() == nullptr);
    CHECK(engine->chatTemplate() == nullptr);
    CHECK(engine->memory().fits);
    CHECK(engine->memory().contextTokens == tinyllama::ContextLimit);

    const auto generated = generateAlone(*engine, tinyllama::tokens(), 0);
    CHECK(generated.size() == size_t(tinyllama::ContextLimit) - 24); // to the end of the context
    const auto logits = allLogits(*engine, tinyllama::tokens());
    const auto last = logits.end() - tinyllama::Vocabulary;
    CHECK(generated.front() == int32_t(std::max_element(last, logits.end()) - last));
}

TEST_CASE("a sequence's tokens do not depend on what else is in the batch, nor on the chunks of its prompt")
{
    const TemporaryDirectory directory;
    const fs::path path = directory.path() / "tiny.gguf";
    tinyllama::write(0, path, Type::Q8_0);
    std::vector<std::vector<int32_t>> prompts;
    for (int i = 0; i < 24; ++i) {
        std::vector<int32_t> prompt;
        for (int j = 0; j <= (i * 13) % 90; ++j)
            prompt.push_back((i * 31 + j * j * 7) % tinyllama::Vocabulary);
        prompts.push_back(prompt);
    }
    std::vector<std::vector<int32_t>> alone;
    {
        const auto engine = loadTiny(path, {}, 1, 512);
        for (const auto& prompt : prompts)
            alone.push_back(generateAlone(*engine, prompt, 60));
    }
    const auto engine = loadTiny(path, {}, 8, 24); // 24 rows a step: prompts come in chunks
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    for (const auto& prompt : prompts) {
        sinks.push_back(std::make_shared<RecordingSink>());
        engine->submit(greedyRequest(prompt, 60), sinks.back());
    }
    for (size_t i = 0; i < prompts.size(); ++i) {
        CAPTURE(i);
        CHECK(sinks[i]->waitUntilFinished().tokens == alone[i]);
    }
}

TEST_CASE("the plan is what a load takes, and says no when it does not fit")
{
    const TemporaryDirectory directory;
    const fs::path path = directory.path() / "tiny.gguf";
    tinyllama::write(0, path, Type::F16);
    LoadOptions options;
    options.model = path;
    options.threads = 1;
    options.maxSequences = 3;
    options.contextTokens = 100;
    const MemoryPlan plan = Engine::plan(options);
    const auto engine = Engine::load(options);
    CHECK(plan.totalBytes == engine->memory().totalBytes);
    CHECK(plan.totalBytes == plan.weightBytes + plan.kvBytes + plan.workspaceBytes);
    CHECK(plan.kvBytes >= 3 * 100 * size_t(2 * 2 * 2 * 16 * 2)); // layers, keys and values, heads, dimensions, float16
    CHECK(plan.largestContext == tinyllama::ContextLimit);
    CHECK(engine->stats().kvBytes == plan.kvBytes);

    options.memoryBudget = plan.weightBytes + plan.workspaceBytes;
    CHECK(!Engine::plan(options).fits);
    try {
        Engine::load(options);
        FAIL("it was loaded");
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::OutOfMemory);
    }
    options.memoryBudget = 0;
    options.contextTokens = tinyllama::ContextLimit + 1;
    CHECK_THROWS_AS(Engine::plan(options), Error);
}

TEST_CASE("loading reports progress and can be cancelled")
{
    const TemporaryDirectory directory;
    const fs::path path = directory.path() / "tiny.gguf";
    tinyllama::write(0, path, Type::F32);
    LoadOptions options;
    options.model = path;
    options.threads = 1;
    double last = 0;
    bool rising = true;
    Engine::load(options, [&](double fraction, const std::string&) {
        rising &= fraction >= last;
        last = fraction;
        return true;
    });
    CHECK(rising);
    CHECK(last == doctest::Approx(1));
    try {
        Engine::load(options, [](double fraction, const std::string&) { return fraction < 0.5; });
        FAIL("it was loaded");
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::Cancelled);
    }
}

TEST_CASE("a file that is cut short while it loads, or under a loaded model, is an error and no crash")
{
    const TemporaryDirectory directory;
    const fs::path path = directory.path() / "model.gguf";
    tinyllama::write(1, path);
    const std::string bytes = readFile(path);

    LoadOptions options;
    options.model = path;
    const auto loadCut = [&] {
        Engine::load(options, [&](double, const std::string& what) {
            if (what == "loading weights")
                fs::resize_file(path, 0);
            return true;
        });
    };
    CHECK_THROWS_WITH_AS(loadCut(), doctest::Contains("cut short"), Error);

    writeFile(path, bytes);
    const auto engine = Engine::load(options);
    fs::resize_file(path, 0); // the untied embeddings are still read from it
    const auto sink = std::make_shared<RecordingSink>();
    engine->submit(greedyRequest({1, 2, 3}, 4), sink);
    const Heard heard = sink->waitUntilFinished();
    REQUIRE(heard.result);
    CHECK(heard.result->reason == FinishReason::Failed);
    CHECK(contains(heard.result->error, "cut short"));
}

TEST_CASE("damaged and foreign checkpoints are refused by name")
{
    const TemporaryDirectory directory;
    const fs::path path = directory.path() / "tiny.gguf";
    tinyllama::write(0, path, Type::F32);
    const std::string good = readFile(path);
    const auto replaced = [&](const std::string& from, const std::string& to) {
        REQUIRE(from.size() == to.size());
        std::string bytes = good;
        size_t count = 0;
        for (size_t place = bytes.find(from); place != std::string::npos; place = bytes.find(from, place + 1), ++count)
            bytes.replace(place, from.size(), to);
        REQUIRE(count > 0);
        writeFile(path, bytes);
        return loadError(path);
    };

    auto [kind, message] = replaced("llama", "bloom");
    CHECK(kind == ErrorKind::Unsupported);
    CHECK(contains(message, "\"bloom\""));
    CHECK(contains(message, "supported in GGUF: llama"));

    std::tie(kind, message) = replaced("blk.1.ffn_up.weight", "blk.1.ffn_ux.weight");
    CHECK(kind == ErrorKind::BadFile);
    CHECK(contains(message, "blk.1.ffn_up.weight"));

    std::tie(kind, message) = replaced("llama.attention.head_count_kv", "llama.attention.head_count_xx");
    CHECK(kind == ErrorKind::BadFile); // 4 key/value heads then, and the tensors do not fit
    CHECK(contains(message, "[64, 64]"));

    std::tie(kind, message) = replaced("llama.block_count", "llama.block_xount");
    CHECK(kind == ErrorKind::BadFile);
    CHECK(contains(message, "llama.block_count"));

    std::tie(kind, message) = loadError(directory.path() / "nowhere.gguf");
    CHECK(kind == ErrorKind::NotFound);

    const fs::path checkpoint = directory.path() / "checkpoint";
    tinyllama::write(2, checkpoint);
    const std::string config = readFile(checkpoint / "config.json");
    const auto withConfig = [&](const std::string& from, const std::string& to) {
        std::string text = config;
        REQUIRE(contains(text, from));
        text.replace(text.find(from), from.size(), to);
        writeFile(checkpoint / "config.json", text);
        return loadError(checkpoint);
    };
    std::tie(kind, message) = withConfig("\"num_hidden_layers\":2", "\"num_hidden_layers\":-2");
    CHECK(kind == ErrorKind::BadFile);
    CHECK(contains(message, "num_hidden_layers"));
    std::tie(kind, message) = withConfig("\"hidden_size\":64", "\"hidden_size\":1e99");
    CHECK(kind == ErrorKind::BadFile);
    std::tie(kind, message) = withConfig("\"rope_type\":\"llama3\"", "\"rope_type\":\"longrope\"");
    CHECK(kind == ErrorKind::Unsupported);
    CHECK(contains(message, "longrope"));
    std::tie(kind, message) = withConfig("\"vocab_size\":80", "\"vocab_size\":[]");
    CHECK(kind == ErrorKind::BadFile);
    std::tie(kind, message) = withConfig("{", "[");
    CHECK(kind == ErrorKind::BadFile);
    CHECK(contains(message, "config.json"));
}

TEST_CASE("the tokenizer is made beside the weights, and its error comes before theirs")
{
    const TemporaryDirectory directory;
    const fs::path checkpoint = directory.path() / "checkpoint";
    tinyllama::write(2, checkpoint);
    LoadOptions options;
    options.model = checkpoint;
    options.threads = 2;
    const auto error = [&] {
        try {
            Engine::load(options);
        } catch (const Error& thrown) {
            return std::string(thrown.what());
        }
        return std::string("it was loaded");
    };

    writeFile(checkpoint / "tokenizer.json", R"({
        "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]},
        "decoder": {"type": "ByteLevel"},
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
        "added_tokens": [{"id": 3, "content": "<|im_end|>", "special": true}]})");
    const auto engine = Engine::load(options);
    REQUIRE(engine->tokenizer());
    CHECK(engine->tokenizer()->encode("abb", {}) == std::vector<int32_t>{2, 1});
    CHECK(engine->info().hasTokenizer);

    // Weights that cannot be rounded are noticed when they are loaded, not before.
    options.quant = "q8_0";
    const fs::path weights = checkpoint / "model.safetensors";
    std::string bytes = readFile(weights);
    uint64_t header = 0;
    std::memcpy(&header, bytes.data(), sizeof header);
    std::fill(bytes.begin() + ptrdiff_t(8 + header), bytes.end(), char(0xff)); // NaN
    writeFile(weights, bytes);
    CHECK(contains(error(), "infinities or NaN"));

    writeFile(checkpoint / "tokenizer.json", "{");
    CHECK(contains(error(), "tokenizer.json"));
    options.text = false;
    CHECK(contains(error(), "infinities or NaN"));
}
