// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/engine.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <optional>

namespace cortex::engine {

namespace fs = std::filesystem;

namespace {

/// "ORG/NAME[:QUANT]"
struct ModelId {
    std::string repository;
    std::string quant; ///< lower case; empty: any
};

std::string lower(std::string text)
{
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return char(std::tolower(c)); });
    return text;
}

ModelId parseId(const std::string& text)
{
    const size_t colon = text.rfind(':');
    if (colon == std::string::npos)
        return {text, {}};
    return {text.substr(0, colon), lower(text.substr(colon + 1))};
}

/// A repository name has letters, digits, '-', '_' and '.', and at most one '/'; no component that climbs.
bool isRepository(const std::string& text)
{
    if (text.empty() || std::count(text.begin(), text.end(), '/') > 1)
        return false;
    const auto allowed = [](unsigned char c) {
        return std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '/';
    };
    return std::all_of(text.begin(), text.end(), allowed) && text.find("..") == std::string::npos && text.front() != '/'
        && text.back() != '/';
}

std::string environment(const char* name)
{
    const char* value = std::getenv(name);
    return value ? value : "";
}

fs::path hubCache()
{
    if (const std::string cache = environment("HF_HUB_CACHE"); !cache.empty())
        return cache;
    if (const std::string home = environment("HF_HOME"); !home.empty())
        return fs::path(home) / "hub";
    if (const std::string cache = environment("XDG_CACHE_HOME"); !cache.empty())
        return fs::path(cache) / "huggingface" / "hub";
    return fs::path(environment("HOME")) / ".cache" / "huggingface" / "hub";
}

/// Whether a file name has `quant` as a token of its own: "model-Q4_K_M.gguf" has q4_k_m, but neither q4_k nor k_m.
bool hasQuant(const std::string& fileName, const std::string& quant)
{
    const std::string name = lower(fileName);
    for (size_t place = name.find(quant); place != std::string::npos; place = name.find(quant, place + 1)) {
        const size_t end = place + quant.size();
        const bool begins = place == 0 || name[place - 1] == '-' || name[place - 1] == '.' || name[place - 1] == '_';
        const bool ends = end == name.size() || name[end] == '-' || name[end] == '.';
        if (begins && ends)
            return true;
    }
    return false;
}

/// GGUF files below `directory` that are models and whole, by name. Projectors of vision models are not; neither are
/// links whose blob is missing, nor the later parts of a split file.
std::vector<fs::path> ggufFiles(const fs::path& directory)
{
    std::vector<fs::path> files;
    std::error_code failure;
    for (fs::recursive_directory_iterator entry(directory, failure), end; !failure && entry != end;
         entry.increment(failure)) {
        const std::string name = lower(entry->path().filename().string());
        const size_t part = name.find("-of-");
        const bool laterPart = part != std::string::npos && part >= 6 && name.substr(part - 6, 6) != "-00001";
        std::error_code missing;
        if (name.ends_with(".gguf") && name.find("mmproj") == std::string::npos && !laterPart
            && fs::is_regular_file(entry->path(), missing))
            files.push_back(entry->path());
    }
    std::sort(files.begin(), files.end());
    return files;
}

bool isCheckpoint(const fs::path& directory)
{
    std::error_code failure;
    return fs::exists(directory / "config.json", failure)
        && (fs::exists(directory / "model.safetensors", failure)
            || fs::exists(directory / "model.safetensors.index.json", failure));
}

/// The model in a directory of files (a snapshot, or one that a person filled).
std::optional<fs::path> chooseModel(const fs::path& directory, const std::string& quant)
{
    const std::vector<fs::path> files = ggufFiles(directory);
    for (const fs::path& file : files) {
        if (hasQuant(file.filename().string(), quant.empty() ? "q4_k_m" : quant))
            return file;
    }
    if (!quant.empty())
        return std::nullopt;
    if (!files.empty())
        return files.front();
    return isCheckpoint(directory) ? std::optional(directory) : std::nullopt;
}

/// Snapshots of a repository in a hub cache: the one of `main` first, then the latest.
std::vector<fs::path> snapshots(const fs::path& repository)
{
    std::vector<fs::path> found;
    std::error_code failure;
    for (fs::directory_iterator entry(repository / "snapshots", failure), end; !failure && entry != end;
         entry.increment(failure))
        found.push_back(entry->path());
    std::string main;
    std::ifstream(repository / "refs" / "main") >> main;
    const auto time = [](const fs::path& path) {
        std::error_code unknown;
        return fs::last_write_time(path, unknown);
    };
    std::sort(found.begin(), found.end(), [&](const fs::path& a, const fs::path& b) {
        const bool aMain = a.filename() == main, bMain = b.filename() == main;
        return aMain != bMain ? aMain : time(a) > time(b);
    });
    return found;
}

std::optional<fs::path> findInHubCache(const fs::path& cache, const ModelId& id)
{
    std::string folder = "models--" + id.repository;
    if (const size_t slash = folder.find('/'); slash != std::string::npos)
        folder.replace(slash, 1, "--");
    for (const fs::path& snapshot : snapshots(cache / folder)) {
        if (auto model = chooseModel(snapshot, id.quant))
            return model;
    }
    return std::nullopt;
}

/// In a directory that a person keeps: a hub cache, DIR/ORG/NAME/…, DIR/NAME.gguf.
std::optional<fs::path> findInDirectory(const fs::path& directory, const ModelId& id)
{
    if (auto model = findInHubCache(directory, id))
        return model;
    std::error_code failure;
    const fs::path place = directory / id.repository;
    if (fs::is_directory(place, failure))
        return chooseModel(place, id.quant);
    if (!id.quant.empty())
        return std::nullopt;
    for (const fs::path& file : {place, fs::path(place.string() + ".gguf")}) {
        if (fs::is_regular_file(file, failure))
            return file;
    }
    return std::nullopt;
}

} // namespace

fs::path builtinModels()
{
    std::error_code failure;
    const fs::path program = fs::read_symlink("/proc/self/exe", failure);
    const fs::path models = program.parent_path().parent_path() / "share" / "cortex" / "models";
    return !failure && fs::is_directory(models, failure) ? models : fs::path();
}

fs::path findModel(const std::string& pathOrId, const std::vector<fs::path>& directories)
{
    std::error_code failure;
    if (fs::is_directory(pathOrId, failure)) {
        if (auto model = chooseModel(pathOrId, {}))
            return *model;
        throw Error(ErrorKind::NotFound,
                    pathOrId + ": the directory holds neither a GGUF file nor config.json with model.safetensors");
    }
    if (!pathOrId.empty() && fs::exists(pathOrId, failure))
        return pathOrId;

    const ModelId id = parseId(pathOrId);
    if (!isRepository(id.repository))
        throw Error(ErrorKind::NotFound,
                    "\"" + pathOrId + "\" is neither a file nor a model id (ORG/NAME or ORG/NAME:QUANT)");
    std::string looked;
    for (const fs::path& directory : directories) {
        if (auto model = findInDirectory(directory, id))
            return *model;
        looked += directory.string() + ", ";
    }
    const fs::path cache = hubCache();
    if (auto model = findInHubCache(cache, id))
        return *model;
    if (const fs::path builtin = builtinModels(); !builtin.empty()) {
        if (auto model = findInDirectory(builtin, id))
            return *model;
    }
    throw Error(ErrorKind::NotFound,
                "the model \"" + pathOrId + "\" is not here; looked for a file of that name and in " + looked
                    + cache.string() + "; `neuron pull " + pathOrId + "` fetches it");
}

} // namespace cortex::engine
