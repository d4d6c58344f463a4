// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/device.h"
#include "neuron/engine/models/checkpoint.h"

#include <functional>
#include <initializer_list>
#include <map>

namespace cortex::engine {

/// What the weights of a model amount to.
struct WeightAccount {
    size_t residentBytes = 0; ///< on the device, as packed
    size_t mappedBytes = 0; ///< read in place from the file's mapping
    size_t fileBytes = 0; ///< in the file's formats, or those that they are rounded to at load
    size_t bytesPerToken = 0; ///< in these formats, read for one decoded token: of looked-up embeddings one row,
                              ///< of experts those that a row goes to
    int64_t parameters = 0;
    std::map<std::string, size_t> bytesByType; ///< of products and embeddings

    /// The type of most bytes, upper case: "Q4_1".
    std::string mainType() const;
};

/// Rows of a stored matrix: `count` runs of `length` consecutive ones. The first run begins at row `first`, each next
/// one `stride` rows after the one before.
struct RowRuns {
    int64_t first = 0;
    int64_t length = 0;
    int64_t count = 1;
    int64_t stride = 0;
};

/// What happens to the entries of a vector between file and device, so that kernels know one form only.
enum class Transform {
    None,
    PlusOne, ///< norms that multiply by 1 + w, where the file holds w
    NegativeExponential, ///< −exp(A_log)
};

/// Through which a model graph gets its weights. A graph asks for all of them in one function, which is run once
/// without a device to take the account, and once to load: so the account cannot differ from what is loaded.
///
/// Shapes are checked exactly, but for extents of one, which formats add and drop at will. Everything that loads throws
/// Error (BadFile, Unsupported, OutOfMemory) naming file and tensor.
class WeightLoader {
public:
    /// Takes the account: every load returns null. `device` answers packed sizes; null: files only. `quant`: dense
    /// matrices are rounded to this type, see typeAtLoad.
    WeightLoader(const Checkpoint& checkpoint, const kernels::Device* device, std::optional<kernels::Type> quant = {});
    /// Loads. `progress` hears of the file bytes loaded so far, after each weight; it may throw to stop.
    WeightLoader(const Checkpoint& checkpoint, kernels::Device& device, std::function<void(size_t bytes)> progress,
                 std::optional<kernels::Type> quant = {});

    const Checkpoint& checkpoint() const { return m_checkpoint; }
    bool has(const TensorName& name, TensorIndex index = {}) const
    {
        return m_checkpoint.find(name, index).has_value();
    }

    /// The weight `name`, [rows, columns]. `share` is the part of all tokens that read it.
    kernels::WeightPtr matrix(const TensorName& name, TensorIndex index, int64_t rows, int64_t columns,
                              kernels::WeightUse use = kernels::WeightUse::Product, double share = 1);

    /// Some rows of the weight `name`, in the order of `runs`, as a matrix of their own. All extents of `shape` but the
    /// last one, the columns, count as rows. One run is read where it stands in the file; several are brought together.
    kernels::WeightPtr matrixRows(const TensorName& name, TensorIndex index, std::initializer_list<int64_t> shape,
                                  std::initializer_list<RowRuns> runs, double share = 1);

    /// A norm, bias or other small weight: all entries of `shape` in one row of float32.
    kernels::WeightPtr vector(const TensorName& name, TensorIndex index, std::initializer_list<int64_t> shape,
                              Transform transform = Transform::None);
    /// Null where the file has no such tensor.
    kernels::WeightPtr optionalVector(const TensorName& name, TensorIndex index, std::initializer_list<int64_t> shape);
    /// A vector that is not in the file as such: rotary frequencies.
    kernels::WeightPtr computed(std::vector<float> values);

    /// Of what was asked for so far: as planned, or, where it was loaded, as it now is.
    const WeightAccount& account() const { return m_account; }
    /// Matrices that are rounded on the way.
    int quantizedMatrices() const { return m_quantizedMatrices; }

private:
    struct Stored;
    Stored require(const TensorName& name, TensorIndex index, std::initializer_list<int64_t> shape) const;
    void quantize(Stored& stored, const TensorName& name, kernels::WeightUse use);
    kernels::WeightPtr pack(const Stored& stored, kernels::WeightUse use);
    void take(const Stored& stored, size_t packedBytes);
    void account(const kernels::WeightSource& source, kernels::WeightUse use, double share);

    const Checkpoint& m_checkpoint;
    const kernels::Device* m_planningDevice = nullptr; ///< answers packed sizes while nothing is loaded; may be null
    kernels::Device* m_device = nullptr; ///< null while nothing is loaded
    std::function<void(size_t)> m_progress;
    std::optional<kernels::Type> m_quant;
    int m_quantizedMatrices = 0;
    WeightAccount m_account;
};

} // namespace cortex::engine
