// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/types.h"

#include <array>
#include <functional>
#include <memory>

namespace cortex::kernels {

/// A piece of device memory. Only its device may look inside; a model graph moves data with Device::upload,
/// Device::download and Device::copy. Freed with the handle, on the device's thread.
class Buffer {
public:
    virtual ~Buffer() = default;
    virtual size_t bytes() const = 0;
};

/// A view of device memory: row-major, the last dimension is contiguous. Owns nothing; cheap to copy.
/// `shape` and `strides` count elements; unused leading dimensions are 1. Shapes in comments are written [rows, columns].
struct Tensor {
    Buffer* buffer = nullptr;
    size_t offset = 0; ///< bytes into the buffer
    Type type = Type::F32;
    int rank = 0;
    std::array<int64_t, 4> shape{1, 1, 1, 1};
    std::array<int64_t, 4> strides{0, 0, 0, 0};

    explicit operator bool() const { return buffer != nullptr; }
    int64_t rows() const { return rank < 2 ? 1 : shape[size_t(rank - 2)]; }
    int64_t columns() const { return rank < 1 ? 0 : shape[size_t(rank - 1)]; }
    int64_t elements() const;

    /// A contiguous view at `offset` of `buffer`.
    static Tensor view(Buffer& buffer, Type type, std::initializer_list<int64_t> shape, size_t offset = 0);

    /// The first `count` entries of the first dimension.
    Tensor first(int64_t count) const;
};

/// What a weight is for; decides its packing.
enum class WeightUse {
    Product,   ///< right-hand side of Device::linear
    Embedding, ///< rows looked up by Device::embed
    Both,      ///< tied embedding: looked up and multiplied with
    Vector,    ///< norm weights, biases: becomes float32
};

/// A weight as it stands in a file: `rows` output features of `columns` inputs, in file format, contiguous.
/// `data` stays valid while `owner` lives; a device that gains nothing by packing keeps `owner` and reads in place.
/// Or, of a weight that its file holds in another form: `readRow`, from which the device rounds row by row to `type`
/// (kernels/quantize.h) while it packs.
struct WeightSource {
    Type type = Type::F32;
    int64_t rows = 0;
    int64_t columns = 0;
    const void* data = nullptr;
    std::shared_ptr<const void> owner;
    /// Fills `values` [columns] with a row, all finite; called from several threads. `data` is null then. Not for
    /// Embedding.
    std::function<void(int64_t row, float* values)> readRow = {};
};

/// A weight on a device, in the device's own packing. `rows` × `columns` as in the file; opaque to everyone else.
class Weight {
public:
    virtual ~Weight() = default;
    virtual Type type() const = 0;
    virtual int64_t rows() const = 0;
    virtual int64_t columns() const = 0;
    /// Device memory taken, as packed; 0 where the file's mapping is read in place (see mappedBytes).
    virtual size_t residentBytes() const = 0;
    /// Bytes of the file's mapping that are read in place.
    virtual size_t mappedBytes() const = 0;
};

using WeightPtr = std::unique_ptr<const Weight>;

} // namespace cortex::kernels
