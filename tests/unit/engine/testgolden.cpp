// SPDX-License-Identifier: GPL-3.0-only
// Every model family and packing against transformers in float32: the checkpoints of tests/golden.
#include "fakes.h"
#include "neuron/engine/memoryplan.h"
#include "tinyllama.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>

using namespace cortex::engine;
using namespace cortex::engine::tests;
namespace fs = std::filesystem;
using cortex::kernels::Type;

namespace {

const fs::path Folder = CORTEX_GOLDEN;

struct Golden {
    std::string name, family;
    fs::path model, logits;
    double tolerance = 0; ///< of the largest logit
    double halfCache = 0; ///< what keys and values in float16 add to that
};

std::vector<Golden> goldens()
{
    std::vector<Golden> list;
    const auto manifest = nlohmann::json::parse(readFile(Folder / "manifest.json"));
    for (const auto& entry : manifest.at("goldens"))
        list.push_back({entry.at("name"), entry.at("family"), Folder / entry.at("model").get<std::string>(),
                        Folder / entry.at("logits").get<std::string>(), entry.at("tolerance"), entry.at("half_cache")});
    REQUIRE(!list.empty());
    return list;
}

/// One of each family, and each in GGUF too where that is there.
std::vector<Golden> oneOfEachFamily()
{
    std::vector<Golden> list;
    std::set<std::string> seen;
    for (const Golden& golden : goldens()) {
        if (seen.insert(golden.family + golden.model.extension().string()).second)
            list.push_back(golden);
    }
    return list;
}

std::vector<int32_t> promptTokens()
{
    return nlohmann::json::parse(readFile(Folder / "tokens.json")).get<std::vector<int32_t>>();
}

std::vector<float> expectedLogits(const Golden& golden)
{
    const std::string bytes = readFile(golden.logits);
    std::vector<float> logits(bytes.size() / sizeof(float));
    std::memcpy(logits.data(), bytes.data(), bytes.size());
    return logits;
}

LoadOptions optionsFor(const fs::path& model)
{
    LoadOptions options;
    options.model = model;
    options.threads = 2;
    options.contextTokens = 256;
    options.text = false;
    return options;
}

/// Logits of all tokens, in steps of `rows`.
std::vector<float> logitsInSteps(LoadOptions options, int rows)
{
    options.stepTokens = rows;
    options.maxSequences = rows; // as many rows as may have logits
    const auto engine = Engine::load(options);
    std::vector<float> logits;
    engine->logits(promptTokens(),
                   [&](std::span<const float> some, int) { logits.insert(logits.end(), some.begin(), some.end()); });
    return logits;
}

/// The greatest difference at any position, as a share of the greatest logit.
double difference(const std::vector<float>& logits, const std::vector<float>& expected)
{
    REQUIRE(logits.size() == expected.size());
    double worst = 0, greatest = 0;
    for (size_t i = 0; i < logits.size(); ++i) {
        if (!std::isfinite(logits[i]))
            return std::numeric_limits<double>::infinity();
        worst = std::max(worst, std::abs(double(logits[i]) - double(expected[i])));
        greatest = std::max(greatest, std::abs(double(expected[i])));
    }
    return worst / greatest;
}

std::vector<int32_t> generateAlone(Engine& engine, const std::vector<int32_t>& prompt, int count)
{
    const auto sink = std::make_shared<RecordingSink>();
    engine.submit(greedyRequest(prompt, count), sink);
    return sink->waitUntilFinished().tokens;
}

std::string loadError(const fs::path& path, ErrorKind kind)
{
    try {
        Engine::load(optionsFor(path));
    } catch (const Error& error) {
        CHECK(error.kind() == kind);
        return error.what();
    }
    return "no error";
}

} // namespace

TEST_CASE("logits of every family and packing equal transformers' at every position, however the prompt is cut")
{
    for (const Golden& golden : goldens()) {
        CAPTURE(golden.name);
        LoadOptions options = optionsFor(golden.model);
        options.cacheType = Type::F32;
        const std::vector<float> expected = expectedLogits(golden);
        const std::vector<float> whole = logitsInSteps(options, 200);
        CHECK(difference(whole, expected) <= golden.tolerance);
        MESSAGE(golden.name << ": " << difference(whole, expected) << " of the largest logit");
        for (int rows : {65, 64, 7, 1}) {
            CAPTURE(rows);
            CHECK(logitsInSteps(options, rows) == whole); // to the bit
        }
    }
}

TEST_CASE("keys and values in float16 cost what they cost the reference")
{
    for (const Golden& golden : oneOfEachFamily()) {
        CAPTURE(golden.name);
        const auto logits = logitsInSteps(optionsFor(golden.model), 200);
        CHECK(difference(logits, expectedLogits(golden)) <= golden.tolerance + golden.halfCache);
    }
}

TEST_CASE("every family keeps to the tolerance on every instruction path")
{
    for (const Golden& golden : oneOfEachFamily()) {
        CAPTURE(golden.name);
        for (const std::string& instructions : cortex::kernels::cpuInstructionPaths()) {
            CAPTURE(instructions);
            LoadOptions options = optionsFor(golden.model);
            options.cacheType = Type::F32;
            options.instructions = instructions;
            CHECK(difference(logitsInSteps(options, 200), expectedLogits(golden)) <= golden.tolerance);
        }
    }
}

TEST_CASE("a sequence's tokens are the same alone and among 31 strangers, prompts whole and in chunks")
{
    constexpr int Sequences = 32, Generated = 24;
    const std::vector<int32_t> tokens = promptTokens();
    for (const Golden& golden : oneOfEachFamily()) {
        CAPTURE(golden.name);
        std::vector<std::vector<int32_t>> prompts;
        for (int i = 0; i < Sequences; ++i)
            prompts.emplace_back(tokens.begin() + i, tokens.begin() + i + 1 + i * 29 % 150);

        LoadOptions options = optionsFor(golden.model);
        options.maxSequences = 1;
        std::vector<std::vector<int32_t>> alone;
        {
            const auto engine = Engine::load(options);
            for (const auto& prompt : prompts)
                alone.push_back(generateAlone(*engine, prompt, Generated));
        }
        options.maxSequences = Sequences;
        options.stepTokens = 50; // prompts come in chunks, mixed with sequences that decode
        const auto engine = Engine::load(options);
        std::vector<std::shared_ptr<RecordingSink>> sinks;
        for (const auto& prompt : prompts) {
            sinks.push_back(std::make_shared<RecordingSink>());
            engine->submit(greedyRequest(prompt, Generated), sinks.back());
        }
        for (size_t i = 0; i < prompts.size(); ++i) {
            CAPTURE(i);
            CHECK(sinks[i]->waitUntilFinished().tokens == alone[i]);
        }
    }
}

TEST_CASE("every weight and pool takes the bytes that were planned for it")
{
    for (const Golden& golden : goldens()) {
        CAPTURE(golden.name);
        const Checkpoint checkpoint(golden.model);
        const auto graph = createModelGraph(checkpoint);
        const auto device = cortex::kernels::createCpuDevice(1);
        WeightLoader planner(checkpoint, device.get());
        graph->loadWeights(planner);
        WeightLoader loader(checkpoint, *device, {});
        graph->loadWeights(loader);
        CHECK(planner.account().residentBytes == loader.account().residentBytes);
        CHECK(planner.account().mappedBytes == loader.account().mappedBytes);
        CHECK(planner.account().fileBytes == loader.account().fileBytes);
        CHECK(planner.account().parameters == loader.account().parameters);
        CHECK(planner.account().residentBytes > 0);

        const MemoryLayout layout = planMemory(*device, *graph, planner.account(), optionsFor(golden.model));
        const size_t choosing = size_t(graph->shape().vocabularySize) * SamplingScratch::BytesPerToken;
        CHECK(layout.account.workspaceBytes
              == device->workspaceBytes(layout.workspace) + activationBytes(*graph, layout.step) + choosing);
        CHECK(device->createKvPool(layout.cache)->bytes() == layout.account.kvBytes);
        if (layout.state.layers > 0) {
            CHECK(device->createStatePool(layout.state)->bytes()
                  == layout.account.stateBytesPerSequence * size_t(layout.account.sequences));
        }
    }
}

TEST_CASE("what is planned from headers is what a load then has, and counts each kind of layer for itself")
{
    for (const Golden& golden : goldens()) {
        CAPTURE(golden.name);
        const LoadOptions options = optionsFor(golden.model);
        const MemoryPlan plan = Engine::plan(options);
        const auto engine = Engine::load(options);
        const MemoryPlan& loaded = engine->memory();
        CHECK(plan.weightBytes == loaded.weightBytes);
        CHECK(plan.mappedBytes == loaded.mappedBytes);
        CHECK(plan.workspaceBytes == loaded.workspaceBytes);
        CHECK(plan.kvBytes == loaded.kvBytes);
        CHECK(plan.totalBytes == loaded.totalBytes);
        const size_t states = plan.stateBytesPerSequence * size_t(plan.sequences);
        CHECK(plan.totalBytes == plan.weightBytes + plan.kvBytes + plan.workspaceBytes + states);
        const bool hybrid = golden.family.starts_with("qwen3_5") || golden.family == "qwen3_next";
        CHECK((plan.stateBytesPerSequence > 0) == hybrid);
    }
}

TEST_CASE("what is no text model that runs here is refused by name")
{
    const TemporaryDirectory directory;
    const auto with = [&](const std::string& config) {
        fs::copy(Folder / "qwen3" / "model.safetensors", directory.path() / "model.safetensors",
                 fs::copy_options::overwrite_existing);
        writeFile(directory.path() / "config.json", config);
        return directory.path();
    };
    const std::string vision = loadError(with(R"({"model_type": "siglip_vision_model"})"), ErrorKind::Unsupported);
    CHECK(vision.find("siglip_vision_model") != std::string::npos);
    CHECK(vision.find("qwen3_next") != std::string::npos);

    auto config = nlohmann::json::parse(readFile(Folder / "qwen3" / "config.json"));
    config["quantization_config"] = {{"quant_method", "awq"}};
    CHECK(loadError(with(config.dump()), ErrorKind::Unsupported).find("quantization_config") != std::string::npos);
    config.erase("quantization_config");
    config["num_hidden_layers"] = 3;
    CHECK(loadError(with(config.dump()), ErrorKind::BadFile).find("layers.2.") != std::string::npos);
    config["layer_types"] = {"full_attention"};
    config["use_sliding_window"] = true;
    CHECK(loadError(with(config.dump()), ErrorKind::BadFile).find("layer_types") != std::string::npos);
}
