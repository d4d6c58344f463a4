// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/error.h"
#include "neuron/engine/formats/mappedfile.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace cortex::engine {

/// Parses JSON that came in a file. Duplicate keys and more than 64 levels of nesting are refused. Throws
/// Error(BadFile) naming `path` and the byte, counted from `firstByte` on.
nlohmann::json parseJson(std::span<const std::byte> bytes, const std::filesystem::path& path, size_t firstByte = 0);

class JsonElements;

/// A value within a JSON file that knows where it stands, so that whoever reads it need not carry the file's name and
/// the keys along for the message. Cheap enough for settings; walk large tables by raw(). Views its json.
class JsonView {
public:
    JsonView(const nlohmann::json& value, const std::filesystem::path& path, std::string where = {});

    const nlohmann::json& raw() const { return *m_value; }
    bool isObject() const { return m_value->is_object(); }
    bool isArray() const { return m_value->is_array(); }
    bool isString() const { return m_value->is_string(); }
    bool isInteger() const { return m_value->is_number_integer(); }
    bool isBoolean() const { return m_value->is_boolean(); }

    /// A member of an object, or nothing where it is absent or null.
    std::optional<JsonView> member(std::string_view key) const;
    JsonView require(std::string_view key) const;
    JsonElements elements() const; ///< of an array
    JsonView element(size_t index) const; ///< of an array that has it

    const std::string& string() const;
    int64_t integer() const;
    bool boolean() const;
    bool boolean(std::string_view key, bool otherwise) const; ///< a member that may be absent

    /// Throws Error with file, place and cause.
    [[noreturn]] void fail(const std::string& cause, ErrorKind kind = ErrorKind::BadFile) const;

private:
    const nlohmann::json* m_value;
    const std::filesystem::path* m_path;
    std::string m_where; ///< keys from the root, with dots
};

/// The elements of an array. Each view is made when it is reached: a hostile file has millions of them.
class JsonElements {
public:
    explicit JsonElements(JsonView array)
        : m_array(std::move(array))
    {
    }

    size_t size() const { return m_array.raw().size(); }
    JsonView operator[](size_t index) const { return m_array.element(index); }

    class Iterator {
    public:
        Iterator(const JsonElements& elements, size_t index)
            : m_elements(&elements)
            , m_index(index)
        {
        }
        JsonView operator*() const { return (*m_elements)[m_index]; }
        Iterator& operator++()
        {
            ++m_index;
            return *this;
        }
        bool operator==(const Iterator&) const = default;

    private:
        const JsonElements* m_elements;
        size_t m_index;
    };
    Iterator begin() const { return {*this, 0}; }
    Iterator end() const { return {*this, size()}; }

private:
    JsonView m_array;
};

} // namespace cortex::engine
