// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/device.h"
#include "neuron/engine/models/checkpoint.h"

#include <functional>
#include <map>

namespace cortex::engine {

/// What the weights of a model amount to.
struct WeightAccount {
    size_t residentBytes = 0; ///< on the device, as packed
    size_t mappedBytes = 0; ///< read in place from the file's mapping
    size_t fileBytes = 0; ///< in the file's formats
    size_t bytesPerToken = 0; ///< in the file's formats, read for one decoded token: all but looked-up embeddings
    int64_t parameters = 0;
    std::map<std::string, size_t> bytesByType; ///< of products and embeddings

    /// The type of most bytes, upper case: "Q4_1".
    std::string mainType() const;
};

/// Through which a model graph gets its weights. A graph asks for all of them in one function, which is run once
/// without a device to take the account, and once to load: so the account cannot differ from what is loaded.
class WeightLoader {
public:
    /// Takes the account: every load returns null. `device` answers packed sizes; null: files only.
    WeightLoader(const Checkpoint& checkpoint, const kernels::Device* device);
    /// Loads. `progress` hears of the file bytes loaded so far, after each weight; it may throw to stop.
    WeightLoader(const Checkpoint& checkpoint, kernels::Device& device, std::function<void(size_t bytes)> progress);

    /// The weight `name`, which must have exactly the shape rows × columns. Throws Error (BadFile, Unsupported,
    /// OutOfMemory) naming file and tensor.
    kernels::WeightPtr matrix(const TensorName& name, int layer, int64_t rows, int64_t columns, kernels::WeightUse use);
    /// A norm or bias of `columns` entries.
    kernels::WeightPtr vector(const TensorName& name, int layer, int64_t columns);
    /// Null where the file has no such tensor.
    kernels::WeightPtr optionalVector(const TensorName& name, int layer, int64_t columns);
    bool has(const TensorName& name, int layer = -1) const { return m_checkpoint.find(name, layer).has_value(); }
    /// A vector that is not in the file as such: rotary frequencies.
    kernels::WeightPtr computed(std::vector<float> values);

    const WeightAccount& account() const { return m_account; }

private:
    kernels::WeightPtr load(const TensorName& name, int layer, int64_t rows, int64_t columns, kernels::WeightUse use);
    kernels::WeightPtr place(const kernels::WeightSource& source, kernels::WeightUse use, const std::string& what);
    kernels::WeightPtr pack(const kernels::WeightSource& source, kernels::WeightUse use, const std::string& what);

    const Checkpoint& m_checkpoint;
    const kernels::Device* m_planningDevice = nullptr;
    kernels::Device* m_device = nullptr;
    std::function<void(size_t)> m_progress;
    WeightAccount m_account;
};

} // namespace cortex::engine
