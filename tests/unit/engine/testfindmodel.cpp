// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/engine.h"
#include "tinyllama.h"

#include <doctest/doctest.h>

#include <stdlib.h>

using namespace cortex::engine;
using namespace cortex::engine::tests;
namespace fs = std::filesystem;

namespace {

/// Points the hub's cache somewhere for as long as it lives.
class HubCache {
public:
    explicit HubCache(const fs::path& path) { ::setenv("HF_HUB_CACHE", path.c_str(), 1); }
    ~HubCache() { ::unsetenv("HF_HUB_CACHE"); }
};

/// A file as the hub's client leaves it: a blob and a link to it.
void addFile(const fs::path& repository, const std::string& commit, const std::string& name)
{
    writeFile(repository / "blobs" / (commit + name), "x");
    const fs::path link = repository / "snapshots" / commit / name;
    fs::create_directories(link.parent_path());
    fs::create_symlink(repository / "blobs" / (commit + name), link);
}

std::string found(const std::string& id, const std::vector<fs::path>& directories = {})
{
    return findModel(id, directories).filename().string();
}

} // namespace

TEST_CASE("ids are found in the hub's cache, by quantization")
{
    const TemporaryDirectory directory;
    const HubCache cache(directory.path());
    const fs::path repository = directory.path() / "models--Org--Model-GGUF";
    for (const char* name :
         {"mmproj-Model-Q8_0.gguf", "Model-Q8_0.gguf", "Model-Q4_K_M.gguf", "Model-Q4_K_S.gguf", "Model.IQ4_XS.gguf",
          "parts/Model-BF16-00001-of-00002.gguf", "parts/Model-BF16-00002-of-00002.gguf"}) {
        const std::string file = name;
        addFile(repository, "aaaa", file.find('/') == std::string::npos ? file : file.substr(6));
    }
    writeFile(repository / "refs" / "main", "aaaa");
    fs::create_symlink("../../blobs/gone", repository / "snapshots" / "aaaa" / "Model-Q2_K.gguf"); // a broken fetch

    CHECK(found("Org/Model-GGUF") == "Model-Q4_K_M.gguf");
    CHECK(found("Org/Model-GGUF:q8_0") == "Model-Q8_0.gguf");
    CHECK(found("Org/Model-GGUF:Q4_K_S") == "Model-Q4_K_S.gguf");
    CHECK(found("Org/Model-GGUF:iq4_xs") == "Model.IQ4_XS.gguf");
    CHECK(found("Org/Model-GGUF:bf16") == "Model-BF16-00001-of-00002.gguf");
    CHECK_THROWS_AS(found("Org/Model-GGUF:Q4_K"), Error);
    CHECK_THROWS_AS(found("Org/Model-GGUF:Q2_K"), Error);
    CHECK_THROWS_AS(found("Org/Other"), Error);
}

TEST_CASE("the snapshot of main is preferred, another is better than none")
{
    const TemporaryDirectory directory;
    const HubCache cache(directory.path());
    const fs::path repository = directory.path() / "models--Org--Two";
    addFile(repository, "old", "two-Q8_0.gguf");
    addFile(repository, "old", "two-Q4_0.gguf");
    addFile(repository, "new", "two-Q8_0.gguf");
    writeFile(repository / "refs" / "main", "old");
    CHECK(findModel("Org/Two:Q8_0") == repository / "snapshots" / "old" / "two-Q8_0.gguf");
    writeFile(repository / "refs" / "main", "new");
    CHECK(findModel("Org/Two:Q8_0") == repository / "snapshots" / "new" / "two-Q8_0.gguf");
    CHECK(findModel("Org/Two:Q4_0") == repository / "snapshots" / "old" / "two-Q4_0.gguf");
}

TEST_CASE("safetensors snapshots, plain directories and paths")
{
    const TemporaryDirectory directory;
    const HubCache cache(directory.path() / "hub");
    const fs::path repository = directory.path() / "hub" / "models--Org--Dense";
    addFile(repository, "c", "config.json");
    CHECK_THROWS_AS(found("Org/Dense"), Error); // no weights yet
    addFile(repository, "c", "model.safetensors");
    CHECK(findModel("Org/Dense") == repository / "snapshots" / "c");

    const fs::path kept = directory.path() / "kept";
    writeFile(kept / "solo.gguf", "x");
    writeFile(kept / "Org" / "Mine" / "mine-Q5_K_M.gguf", "x");
    CHECK(found("solo", {kept}) == "solo.gguf");
    CHECK(found("solo.gguf", {kept}) == "solo.gguf");
    CHECK(found("Org/Mine", {kept}) == "mine-Q5_K_M.gguf");
    CHECK(found("Org/Mine:q5_k_m", {kept}) == "mine-Q5_K_M.gguf");
    CHECK(found((kept / "solo.gguf").string()) == "solo.gguf");
    CHECK(found((kept / "Org" / "Mine").string()) == "mine-Q5_K_M.gguf");
    for (const char* id : {"", "../kept/solo.gguf", "a/b/c", "/etc", "Org/../x", "x y", "Org/"})
        CHECK_THROWS_AS(findModel(id, {kept / "nowhere"}), Error);
}
