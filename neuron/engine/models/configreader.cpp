// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/models/configreader.h"

#include "neuron/engine/error.h"

#include <cmath>
#include <limits>

namespace cortex::engine {

ConfigReader::ConfigReader(const Checkpoint& checkpoint)
    : m_checkpoint(&checkpoint)
    , m_gguf(checkpoint.gguf())
    , m_json(checkpoint.config())
    , m_prefix(m_gguf ? checkpoint.architecture() + "." : std::string())
{
}

ConfigReader::ConfigReader(const Checkpoint& checkpoint, const nlohmann::json& part, std::string name)
    : m_checkpoint(&checkpoint)
    , m_gguf(nullptr)
    , m_json(&part)
    , m_prefix(std::move(name) + ".")
{
}

std::optional<double> ConfigReader::optionalNumber(std::string_view key, double least, double most) const
{
    std::optional<double> value;
    if (m_gguf) {
        value = m_gguf->number(fullKey(key));
    } else if (const nlohmann::json* json = entry(key)) {
        if (!json->is_number())
            fail(key, "is not a number");
        value = json->get<double>();
    }
    if (value && !(*value >= least && *value <= most))
        fail(key, "is " + std::to_string(*value) + ", outside " + std::to_string(least) + " … " + std::to_string(most));
    return value;
}

std::optional<int> ConfigReader::optionalInteger(std::string_view key, int least, int most) const
{
    const std::optional<double> value = optionalNumber(key, least, most);
    if (value && *value != std::floor(*value))
        fail(key, "is not a whole number");
    return value ? std::optional(int(*value)) : std::nullopt;
}

std::optional<bool> ConfigReader::optionalBoolean(std::string_view key) const
{
    if (m_gguf)
        return m_gguf->boolean(fullKey(key));
    const nlohmann::json* json = entry(key);
    if (!json)
        return std::nullopt;
    if (!json->is_boolean())
        fail(key, "is not true or false");
    return json->get<bool>();
}

std::optional<std::string> ConfigReader::optionalString(std::string_view key) const
{
    if (m_gguf) {
        const std::string* value = m_gguf->string(fullKey(key));
        return value ? std::optional(*value) : std::nullopt;
    }
    const nlohmann::json* json = entry(key);
    if (!json)
        return std::nullopt;
    if (!json->is_string())
        fail(key, "is not a string");
    return json->get<std::string>();
}

std::optional<std::vector<std::string>> ConfigReader::optionalStrings(std::string_view key) const
{
    const nlohmann::json* json = m_gguf ? nullptr : entry(key);
    if (!json)
        return std::nullopt;
    if (!json->is_array())
        fail(key, "is not a list");
    std::vector<std::string> list;
    for (const nlohmann::json& value : *json) {
        if (!value.is_string())
            fail(key, "is not a list of strings");
        list.push_back(value.get<std::string>());
    }
    return list;
}

std::optional<std::vector<int64_t>> ConfigReader::optionalIntegers(std::string_view key) const
{
    std::vector<int64_t> list;
    if (m_gguf) {
        const GgufValue* value = m_gguf->find(fullKey(key));
        if (!value)
            return std::nullopt;
        if (const auto* flags = std::get_if<std::vector<bool>>(value))
            list.assign(flags->begin(), flags->end());
        else if (const auto* integers = std::get_if<std::vector<int64_t>>(value))
            list = *integers;
        else
            fail(key, "is not a list of integers or booleans");
        return list;
    }
    const nlohmann::json* json = entry(key);
    if (!json)
        return std::nullopt;
    if (!json->is_array())
        fail(key, "is not a list");
    for (const nlohmann::json& value : *json) {
        if (value.is_boolean())
            list.push_back(value.get<bool>());
        else if (value.is_number_integer())
            list.push_back(value.get<int64_t>());
        else
            fail(key, "is not a list of integers or booleans");
    }
    return list;
}

bool ConfigReader::has(std::string_view key) const
{
    return m_gguf ? m_gguf->find(fullKey(key)) != nullptr : m_json->contains(std::string(key));
}

int ConfigReader::integer(std::string_view key, int least, int most) const
{
    const std::optional<int> value = optionalInteger(key, least, most);
    if (!value)
        fail(key, "is missing");
    return *value;
}

double ConfigReader::number(std::string_view key, double least, double most) const
{
    const std::optional<double> value = optionalNumber(key, least, most);
    if (!value)
        fail(key, "is missing");
    return *value;
}

std::optional<ConfigReader> ConfigReader::part(std::string_view key) const
{
    const nlohmann::json* json = m_gguf ? nullptr : entry(key);
    if (!json)
        return std::nullopt;
    if (!json->is_object())
        fail(key, "is not an object");
    return ConfigReader(*m_checkpoint, *json, fullKey(key));
}

void ConfigReader::fail(std::string_view key, const std::string& cause) const
{
    const std::string file = m_gguf ? m_checkpoint->path().string() : (m_checkpoint->path() / "config.json").string();
    throw Error(ErrorKind::BadFile, file + ": \"" + fullKey(key) + "\" " + cause);
}

std::string ConfigReader::fullKey(std::string_view key) const
{
    return m_prefix + std::string(key);
}

const nlohmann::json* ConfigReader::entry(std::string_view key) const
{
    const auto found = m_json->find(std::string(key));
    return found == m_json->end() || found->is_null() ? nullptr : &*found;
}

} // namespace cortex::engine
