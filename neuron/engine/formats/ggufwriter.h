// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/types.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cortex::engine {

/// Throws Error(BadRequest) where a file cannot take the place of what is at `path`: a directory, a device or another
/// special file, or no name at all. For those who work long before GgufWriter::begin() asks the same.
void checkWritable(const std::filesystem::path& path);

/// Writes a GGUF file, version 3: metadata and tensors are declared, begin() writes the header, then the tensors' bytes
/// follow in the order of their declaration. Everything goes to a temporary file beside `path`, which finish() renames;
/// without finish() nothing is left and what stood at `path` still does. Throws Error (BadRequest, Internal) that says
/// which file and why; a disk that has too little room is noticed by begin().
class GgufWriter {
public:
    explicit GgufWriter(std::filesystem::path path, size_t alignment = 32);
    ~GgufWriter();
    GgufWriter(const GgufWriter&) = delete;
    GgufWriter& operator=(const GgufWriter&) = delete;

    /// `encoded`: a value's type and the value, as GgufFile::encoded gives them.
    void addEncoded(std::string_view key, std::span<const std::byte> encoded);
    void addInteger(std::string_view key, uint32_t value);
    void addNumber(std::string_view key, float value);
    void addBoolean(std::string_view key, bool value);
    void addString(std::string_view key, std::string_view value);
    void addNumbers(std::string_view key, std::span<const float> values);
    void addIntegers(std::string_view key, std::span<const int32_t> values);
    void addStrings(std::string_view key, std::span<const std::string> values);

    /// `shape` outermost first, its last extent whole blocks of `type`.
    void addTensor(std::string_view name, kernels::Type type, const std::vector<int64_t>& shape);

    /// Of the whole file, as declared so far.
    size_t fileBytes() const;

    void begin();
    /// The next bytes of the current tensor; padding between tensors is the writer's.
    void write(std::span<const std::byte> bytes);
    /// All tensors were written in full.
    void finish();

private:
    size_t headerBytes() const; ///< padding included
    size_t padded(size_t bytes) const { return (bytes + m_alignment - 1) / m_alignment * m_alignment; }
    void put(const void* bytes, size_t count);
    [[noreturn]] void fail(const std::string& what, int error) const;

    std::filesystem::path m_path;
    std::filesystem::path m_temporary;
    size_t m_alignment;
    uint64_t m_metadataCount = 0;
    std::string m_metadata;
    std::string m_tensors;
    std::vector<size_t> m_tensorBytes;
    size_t m_dataBytes = 0; ///< of all tensors, padded
    size_t m_tensor = 0; ///< being written
    size_t m_written = 0; ///< of it
    int m_file = -1;
};

} // namespace cortex::engine
