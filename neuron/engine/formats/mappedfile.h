// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/formats/mappingguard.h"

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>

namespace cortex::engine {

/// A file mapped read-only into memory for as long as the object lives. Throws Error (NotFound, BadFile).
///
/// Others may write to the file meanwhile. Where one cuts it short, what is gone reads as zeros, and requireWhole()
/// throws from then on: call it behind whatever was made of the bytes.
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
    /// Throws Error(BadFile) where bytes were read that the file no longer had.
    void requireWhole() const;

private:
    MappedFile(std::filesystem::path path, std::span<const std::byte> bytes);
    std::filesystem::path m_path;
    std::unique_ptr<std::byte[]> m_copy; ///< holds the bytes where they are not a mapping
    std::span<const std::byte> m_bytes;
    std::optional<MappingGuard> m_guard; ///< of a mapping
};

} // namespace cortex::engine
