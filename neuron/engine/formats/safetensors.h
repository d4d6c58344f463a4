// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/tensor.h"
#include "neuron/engine/formats/mappedfile.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cortex::engine {

struct SafeTensor {
    std::string name;
    std::string dtype; ///< as the file says: "F32", "BF16", …
    std::optional<kernels::Type> type; ///< nothing where we do not read that type
    std::vector<int64_t> shape;
    size_t file = 0; ///< index of the shard
    size_t offset = 0; ///< of its first byte, from the start of the shard
    size_t bytes = 0;
};

/// A checkpoint directory: `model.safetensors`, or the shards that `model.safetensors.index.json` names, memory-mapped.
/// Header lengths, JSON, offsets, sizes and overlaps are checked at open; a shard that the index names and the folder
/// lacks is an error. Shard names may not leave the directory. Throws Error naming file, tensor and cause.
class SafetensorsFiles {
public:
    explicit SafetensorsFiles(const std::filesystem::path& directory);
    /// One file by itself.
    explicit SafetensorsFiles(std::shared_ptr<const MappedFile> file);

    const std::vector<SafeTensor>& tensors() const { return m_tensors; }
    const SafeTensor* findTensor(std::string_view name) const;
    /// As GgufFile::weight. A tensor that the file does not align to its element is copied.
    kernels::WeightSource weight(const SafeTensor& tensor) const;
    /// MappedFile::requireWhole() of every shard.
    void requireWhole() const;

private:
    void addFile(std::shared_ptr<const MappedFile> file);
    void addShards(const std::filesystem::path& index);

    std::vector<std::shared_ptr<const MappedFile>> m_files;
    std::vector<SafeTensor> m_tensors;
    std::map<std::string, size_t, std::less<>> m_index;
};

} // namespace cortex::engine
