// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

namespace cortex::engine {

/// A file mapped read-only into memory for as long as the object lives. Throws Error (NotFound, BadFile).
class MappedFile {
public:
    static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
    /// A copy of `bytes` that passes for a file; `path` only names it in messages. For the tests of readers.
    static std::shared_ptr<const MappedFile> fromBytes(std::filesystem::path path, std::span<const std::byte> bytes);
    ~MappedFile();
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;

    const std::filesystem::path& path() const { return m_path; }
    std::span<const std::byte> bytes() const { return m_bytes; }

private:
    MappedFile(std::filesystem::path path, std::span<const std::byte> bytes);
    std::filesystem::path m_path;
    std::unique_ptr<std::byte[]> m_copy; ///< holds the bytes where they are not a mapping
    std::span<const std::byte> m_bytes;
};

} // namespace cortex::engine
