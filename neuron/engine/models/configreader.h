// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/models/checkpoint.h"

#include <optional>
#include <string>
#include <string_view>

namespace cortex::engine {

/// Reads figures of a checkpoint's configuration, each checked against its range, from GGUF metadata (keys under the
/// architecture's prefix) or from config.json. Throws Error(BadFile) naming file, key, value and range.
class ConfigReader {
public:
    explicit ConfigReader(const Checkpoint& checkpoint);
    /// A JSON object within config.json ("rope_scaling"); `name` for messages.
    ConfigReader(const Checkpoint& checkpoint, const nlohmann::json& part, std::string name);

    std::optional<int> optionalInteger(std::string_view key, int least, int most) const;
    std::optional<double> optionalNumber(std::string_view key, double least, double most) const;
    std::optional<bool> optionalBoolean(std::string_view key) const;
    std::optional<std::string> optionalString(std::string_view key) const;
    // Lists; booleans count as integers. For strings in config.json only.
    std::optional<std::vector<std::string>> optionalStrings(std::string_view key) const;
    std::optional<std::vector<int64_t>> optionalIntegers(std::string_view key) const;
    int integer(std::string_view key, int least, int most) const;
    double number(std::string_view key, double least, double most) const;

    /// An object of config.json; nothing where it is missing or null. Never for GGUF.
    std::optional<ConfigReader> part(std::string_view key) const;

    /// Whether the key is there, be it as null.
    bool has(std::string_view key) const;
    const Checkpoint& checkpoint() const { return *m_checkpoint; }

    [[noreturn]] void fail(std::string_view key, const std::string& cause) const;

private:
    std::string fullKey(std::string_view key) const;
    const nlohmann::json* entry(std::string_view key) const;

    const Checkpoint* m_checkpoint;
    const GgufFile* m_gguf;
    const nlohmann::json* m_json;
    std::string m_prefix; ///< "llama." or, within config.json, "rope_scaling."
};

} // namespace cortex::engine
