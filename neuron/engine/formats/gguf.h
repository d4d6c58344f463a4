// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/tensor.h"
#include "neuron/engine/formats/mappedfile.h"

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace cortex::engine {

/// One metadata value of a GGUF file. Integers of every width become int64_t (uint64 above its range is refused),
/// floats double. Arrays are homogeneous; nested arrays are refused (no known file has them). The strings of an array,
/// which may be a vocabulary, are views of the file's bytes.
using GgufValue = std::variant<bool, int64_t, double, std::string, std::vector<bool>, std::vector<int64_t>,
                               std::vector<double>, std::vector<std::string_view>>;

/// One metadata entry as its file has it, for whoever copies it: the bytes of the value's type and of the value.
struct GgufEntry {
    std::string key;
    size_t offset = 0; ///< from the start of the file
    size_t bytes = 0;
};

/// One tensor of a GGUF file. `shape` is in row-major order (outermost first), the reverse of the file's.
struct GgufTensor {
    std::string name;
    uint32_t ggmlType = 0; ///< as the file says
    std::optional<kernels::Type> type; ///< nothing where we do not read that type
    std::vector<int64_t> shape;
    size_t file = 0; ///< index of the part that holds it; 0 unless the model is split over several files
    size_t offset = 0; ///< of its first byte, from the start of that file
    size_t bytes = 0; ///< 0 where `type` is unknown
};

/// A GGUF file, versions 2 and 3, little-endian, memory-mapped. Everything is checked at open: counts, string lengths
/// and offsets against the file's size, shapes against overflow, tensors against the end of the data and alignment.
/// Bounded memory: nothing is allocated that the file's own size does not pay for. Throws Error (NotFound, BadFile,
/// Unsupported), naming file, key or tensor, and byte offset. Format: ggml/docs/gguf.md.
///
/// A model that is split (`NAME-00001-of-00003.gguf` and on) is opened by its first part: the others, which must stand
/// beside it, add their tensors; the metadata is the first part's.
class GgufFile {
public:
    explicit GgufFile(const std::filesystem::path& path);
    explicit GgufFile(std::shared_ptr<const MappedFile> file);

    /// Of the first part.
    const std::filesystem::path& path() const { return m_files.front()->path(); }
    const std::map<std::string, GgufValue, std::less<>>& metadata() const { return m_metadata; }
    /// The same in the file's order and encoding.
    const std::vector<GgufEntry>& entries() const { return m_entries; }
    std::span<const std::byte> encoded(const GgufEntry& entry) const;
    /// Whether a path names this file or one of its parts, by whatever name.
    bool isAt(const std::filesystem::path& path) const;
    const std::vector<GgufTensor>& tensors() const { return m_tensors; }
    const GgufTensor* findTensor(std::string_view name) const;

    // Typed access. A plain form gives nothing where the key is absent or its value is of another type; the required
    // forms throw Error(BadFile) naming file and key in both cases.
    const GgufValue* find(std::string_view key) const;
    std::optional<int64_t> integer(std::string_view key) const;
    std::optional<double> number(std::string_view key) const; ///< integers convert
    std::optional<bool> boolean(std::string_view key) const;
    const std::string* string(std::string_view key) const;
    const std::vector<std::string_view>* strings(std::string_view key) const;
    const std::vector<int64_t>* integers(std::string_view key) const;
    int64_t requireInteger(std::string_view key) const;
    double requireNumber(std::string_view key) const;
    const std::string& requireString(std::string_view key) const;
    const std::vector<std::string_view>& requireStrings(std::string_view key) const;

    /// A tensor as a kernel device takes it: the last dimension is columns, all others fold into rows. Keeps the
    /// mapping alive. Throws Error(Unsupported) for a type that we do not read.
    kernels::WeightSource weight(const GgufTensor& tensor) const;
    /// MappedFile::requireWhole() of every part.
    void requireWhole() const;

private:
    void addParts();
    void addTensors(std::vector<GgufTensor> tensors);

    std::vector<std::shared_ptr<const MappedFile>> m_files;
    std::map<std::string, GgufValue, std::less<>> m_metadata;
    std::vector<GgufEntry> m_entries;
    std::vector<GgufTensor> m_tensors;
    std::map<std::string, size_t, std::less<>> m_tensorIndex;
};

} // namespace cortex::engine
