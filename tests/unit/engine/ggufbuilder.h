// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

/// Writes GGUF files for tests, good ones and, by raw(), any others. Value type numbers are GGUF's.
class GgufBuilder {
public:
    static constexpr uint32_t uint32Type = 4;
    static constexpr uint32_t int32Type = 5;
    static constexpr uint32_t float32Type = 6;
    static constexpr uint32_t boolType = 7;
    static constexpr uint32_t stringType = 8;
    static constexpr uint32_t arrayType = 9;
    static constexpr uint32_t uint64Type = 10;

    void string(std::string_view key, std::string_view value)
    {
        begin(key, stringType);
        text(m_metadata, value);
    }

    template <typename T>
    requires std::integral<T> || std::floating_point<T>
    void value(std::string_view key, uint32_t type, T number)
    {
        begin(key, type);
        raw(m_metadata, number);
    }

    void strings(std::string_view key, const std::vector<std::string>& values)
    {
        beginArray(key, stringType, values.size());
        for (const std::string& value : values)
            text(m_metadata, value);
    }

    template <typename T>
    void array(std::string_view key, uint32_t type, const std::vector<T>& values)
    {
        beginArray(key, type, values.size());
        for (const T value : values)
            raw(m_metadata, value);
    }

    void beginArray(std::string_view key, uint32_t type, uint64_t count)
    {
        begin(key, arrayType);
        raw(m_metadata, type);
        raw(m_metadata, count);
    }

    /// `dimensions` in the file's order: columns first. `offset` counts from the start of the data.
    void tensor(std::string_view name, uint32_t type, const std::vector<uint64_t>& dimensions, uint64_t offset)
    {
        ++m_tensorCount;
        text(m_tensors, name);
        raw(m_tensors, uint32_t(dimensions.size()));
        for (const uint64_t extent : dimensions)
            raw(m_tensors, extent);
        raw(m_tensors, type);
        raw(m_tensors, offset);
    }

    /// Metadata as it stands; counts as `entries` entries.
    void rawMetadata(std::string_view bytes, uint64_t entries)
    {
        m_metadataCount += entries;
        m_metadata += bytes;
    }

    /// The file: header, padding to `alignment`, `data`.
    std::string build(std::string_view data = {}, uint32_t version = 3, size_t alignment = 32) const
    {
        std::string file = "GGUF";
        raw(file, version);
        raw(file, m_tensorCount);
        raw(file, m_metadataCount);
        file += m_metadata + m_tensors;
        file.resize((file.size() + alignment - 1) / alignment * alignment);
        return file.append(data);
    }

    template <typename T>
    static void raw(std::string& to, T number)
    {
        char bytes[sizeof(T)];
        std::memcpy(bytes, &number, sizeof(T));
        to.append(bytes, sizeof(T));
    }

    static void text(std::string& to, std::string_view value)
    {
        raw(to, uint64_t(value.size()));
        to += value;
    }

private:
    void begin(std::string_view key, uint32_t type)
    {
        ++m_metadataCount;
        text(m_metadata, key);
        raw(m_metadata, type);
    }

    std::string m_metadata;
    std::string m_tensors;
    uint64_t m_metadataCount = 0;
    uint64_t m_tensorCount = 0;
};
