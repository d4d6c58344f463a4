// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace cortex::engine {

/// Makes a json of a parser's events (nlohmann's SAX interface, whose names these functions have). Duplicate keys and
/// more than 64 levels of nesting are refused. Throws Error(BadFile) naming `path` and the byte, counted from
/// `firstByte` on.
class JsonBuilder {
public:
    /// `path` is referred to.
    explicit JsonBuilder(const std::filesystem::path& path, size_t firstByte = 0);

    nlohmann::json& result() { return m_root; }
    size_t levels() const { return m_open.size(); } ///< objects and arrays that are open
    void checkLevels(size_t levels) const; ///< against the limit
    [[noreturn]] void failTwice(const std::string& key) const;

    bool null() { return add(nullptr); }
    bool boolean(bool value) { return add(value); }
    bool number_integer(int64_t value) { return add(value); }
    bool number_unsigned(uint64_t value) { return add(value); }
    bool number_float(double value, const std::string&) { return add(value); }
    bool string(std::string& value) { return add(std::move(value)); }
    bool binary(nlohmann::json::binary_t& value) { return add(std::move(value)); }
    bool start_object(size_t) { return open(nlohmann::json::object()); }
    bool key(std::string& key);
    bool end_object() { return close(); }
    bool start_array(size_t) { return open(nlohmann::json::array()); }
    bool end_array() { return close(); }
    bool parse_error(size_t position, const std::string& token, const nlohmann::json::exception& error);

private:
    bool add(nlohmann::json value);
    bool open(nlohmann::json container);
    bool close();
    nlohmann::json* place(nlohmann::json value);

    const std::filesystem::path& m_path;
    size_t m_firstByte;
    nlohmann::json m_root;
    std::vector<nlohmann::json*> m_open;
    nlohmann::json* m_member = nullptr; ///< of the innermost object, whose value comes next
};

} // namespace cortex::engine
