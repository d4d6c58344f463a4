// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/models/weightloader.h"

#include "kernels/quantize.h"
#include "neuron/engine/error.h"
#include "neuron/engine/models/fp8weight.h"
#include "neuron/engine/quantize/quantmix.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cctype>
#include <cmath>
#include <cstring>

namespace cortex::engine {

using kernels::WeightPtr;
using kernels::WeightSource;
using kernels::WeightUse;

/// A tensor that was found and is of the shape that was asked for.
struct WeightLoader::Stored {
    std::string what; ///< for messages
    WeightSource source;
    bool inFile = true; ///< `source` lies in the file's mapping, not in memory of its own
};

namespace {

std::string shapeText(const std::vector<int64_t>& shape)
{
    std::string text = "[";
    for (int64_t extent : shape)
        text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
    return text + "]";
}

std::vector<int64_t> withoutOnes(std::vector<int64_t> shape)
{
    std::erase(shape, 1);
    return shape;
}

size_t bytesOf(const WeightSource& source)
{
    return size_t(source.rows) * kernels::rowBytes(source.type, source.columns);
}

/// `bytes` of memory as a source's data and owner.
std::byte* ownMemory(WeightSource& source, size_t bytes)
{
    const auto memory = std::make_shared<std::vector<std::byte>>(bytes);
    source.data = memory->data();
    source.owner = memory;
    return memory->data();
}

/// The stored row of every row of `runs`.
std::vector<int64_t> rowsOf(std::initializer_list<RowRuns> runs)
{
    std::vector<int64_t> rows;
    for (const RowRuns& run : runs)
        for (int64_t i = 0; i < run.count; ++i)
            for (int64_t row = 0; row < run.length; ++row)
                rows.push_back(run.first + i * run.stride + row);
    return rows;
}

/// The rows of `runs`, where they are more than one run, in memory of their own.
WeightSource gathered(const WeightSource& stored, std::initializer_list<RowRuns> runs, int64_t rows)
{
    WeightSource source = stored;
    source.rows = rows;
    if (stored.readRow) {
        source.readRow = [read = stored.readRow, order = rowsOf(runs)](int64_t row, float* values) {
            read(order[size_t(row)], values);
        };
        return source;
    }
    const size_t rowBytes = kernels::rowBytes(stored.type, stored.columns);
    std::byte* to = ownMemory(source, size_t(rows) * rowBytes);
    for (const RowRuns& run : runs) {
        for (int64_t i = 0; i < run.count; ++i) {
            const auto* from =
                static_cast<const std::byte*>(stored.data) + size_t(run.first + i * run.stride) * rowBytes;
            std::memcpy(to, from, size_t(run.length) * rowBytes);
            to += size_t(run.length) * rowBytes;
        }
    }
    return source;
}

WeightSource transformed(const WeightSource& stored, Transform transform)
{
    WeightSource source = stored;
    source.type = kernels::Type::F32;
    auto* values = reinterpret_cast<float*>(ownMemory(source, size_t(stored.columns) * sizeof(float)));
    kernels::dequantize(stored.type, stored.data, values, stored.columns);
    for (float& value : std::span(values, size_t(stored.columns)))
        value = transform == Transform::PlusOne ? 1 + value : -std::exp(value);
    return source;
}

/// Rows of a source that is rounded; one that holds what is no number becomes zeros and is noticed in `finite`.
WeightSource watched(WeightSource source, std::atomic<bool>& finite)
{
    source.readRow = [&finite, columns = source.columns, read = std::move(source.readRow)](int64_t row, float* values) {
        read(row, values);
        if (kernels::allFinite(values, columns))
            return;
        std::fill_n(values, columns, 0.0f);
        finite = false;
    };
    return source;
}

} // namespace

std::string WeightAccount::mainType() const
{
    const auto largest = std::max_element(bytesByType.begin(), bytesByType.end(),
                                          [](const auto& a, const auto& b) { return a.second < b.second; });
    std::string name = largest == bytesByType.end() ? std::string() : largest->first;
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return char(std::toupper(c)); });
    return name;
}

WeightLoader::WeightLoader(const Checkpoint& checkpoint, const kernels::Device* device,
                           std::optional<kernels::Type> quant)
    : m_checkpoint(checkpoint)
    , m_planningDevice(device)
    , m_quant(quant)
{
}

WeightLoader::WeightLoader(const Checkpoint& checkpoint, kernels::Device& device, std::function<void(size_t)> progress,
                           std::optional<kernels::Type> quant)
    : m_checkpoint(checkpoint)
    , m_device(&device)
    , m_progress(std::move(progress))
    , m_quant(quant)
{
}

WeightPtr WeightLoader::matrix(const TensorName& name, TensorIndex index, int64_t rows, int64_t columns, WeightUse use,
                               double share)
{
    Stored stored = require(name, index, {rows, columns});
    if (use == WeightUse::Embedding && stored.source.type == kernels::Type::F8_E4M3)
        throw Error(ErrorKind::Unsupported,
                    stored.what + " is an embedding in FP8, which no known model has; fetch the model again");
    quantize(stored, name, use);
    account(stored.source, use, share);
    return pack(stored, use);
}

WeightPtr WeightLoader::matrixRows(const TensorName& name, TensorIndex index, std::initializer_list<int64_t> shape,
                                   std::initializer_list<RowRuns> runs, double share)
{
    Stored stored = require(name, index, shape);
    int64_t rows = 0;
    for (const RowRuns& run : runs) {
        assert(run.first + (run.count - 1) * run.stride + run.length <= stored.source.rows);
        rows += run.count * run.length;
    }
    if (runs.size() == 1 && runs.begin()->count == 1 && !stored.source.readRow) {
        const size_t skipped =
            size_t(runs.begin()->first) * kernels::rowBytes(stored.source.type, stored.source.columns);
        stored.source.data = static_cast<const std::byte*>(stored.source.data) + skipped;
        stored.source.rows = rows;
    } else {
        stored.inFile = false;
        if (m_device)
            stored.source = gathered(stored.source, runs, rows);
        stored.source.rows = rows;
    }
    quantize(stored, name, WeightUse::Product);
    account(stored.source, WeightUse::Product, share);
    return pack(stored, WeightUse::Product);
}

WeightPtr WeightLoader::vector(const TensorName& name, TensorIndex index, std::initializer_list<int64_t> shape,
                               Transform transform)
{
    Stored stored = require(name, index, shape);
    if (stored.source.type == kernels::Type::F8_E4M3)
        throw Error(ErrorKind::Unsupported,
                    stored.what + " is a vector of FP8, which no known model has; fetch the model again");
    stored.source.columns *= stored.source.rows;
    stored.source.rows = 1;
    account(stored.source, WeightUse::Vector, 1);
    if (m_device && transform != Transform::None)
        stored.source = transformed(stored.source, transform);
    return pack(stored, WeightUse::Vector);
}

WeightPtr WeightLoader::optionalVector(const TensorName& name, TensorIndex index, std::initializer_list<int64_t> shape)
{
    return has(name, index) ? vector(name, index, shape) : nullptr;
}

WeightPtr WeightLoader::computed(std::vector<float> values)
{
    const auto owner = std::make_shared<const std::vector<float>>(std::move(values));
    return pack({"rotary frequencies", {kernels::Type::F32, 1, int64_t(owner->size()), owner->data(), owner}, false},
                WeightUse::Vector);
}

WeightLoader::Stored WeightLoader::require(const TensorName& name, TensorIndex index,
                                           std::initializer_list<int64_t> shape) const
{
    const std::optional<CheckpointTensor> tensor = m_checkpoint.find(name, index);
    Stored stored;
    stored.what = m_checkpoint.path().string() + ": tensor \"" + m_checkpoint.spell(name, index) + "\"";
    if (!tensor)
        throw Error(ErrorKind::BadFile, stored.what + " is missing");
    const bool fits = withoutOnes(tensor->shape) == withoutOnes(shape)
        && (shape.size() == 1 || (!tensor->shape.empty() && tensor->shape.back() == *(shape.end() - 1)));
    if (!fits)
        throw Error(ErrorKind::BadFile,
                    stored.what + " has the shape " + shapeText(tensor->shape) + ", the configuration wants "
                        + shapeText(shape));
    if (!tensor->type)
        throw Error(ErrorKind::Unsupported,
                    stored.what + " is of " + tensor->typeName
                        + ", which is not supported; choose a file in another quantization");
    stored.source = m_checkpoint.weight(*tensor);
    if (stored.source.type == kernels::Type::F8_E4M3)
        stored.source = scaledFp8(m_checkpoint, *tensor, stored.source);
    return stored;
}

/// Has the device round a matrix to the type that it should get: by m_quant, and always one that is FP8.
void WeightLoader::quantize(Stored& stored, const TensorName& name, WeightUse use)
{
    WeightSource& source = stored.source;
    std::optional<kernels::Type> type;
    if (m_quant)
        type = typeAtLoad(*m_quant, name.gguf, source.type, source.columns, use);
    if (!type && source.type == kernels::Type::F8_E4M3)
        type = kernels::Type::BF16;
    if (!type || *type == source.type)
        return;
    m_quantizedMatrices += m_quant ? 1 : 0;
    if (!source.readRow)
        source.readRow = [dense = source](int64_t row, float* values) {
            const size_t rowBytes = kernels::rowBytes(dense.type, dense.columns);
            kernels::dequantize(dense.type, static_cast<const std::byte*>(dense.data) + size_t(row) * rowBytes, values,
                                dense.columns);
        };
    source.type = *type;
    source.data = nullptr;
    stored.inFile = false;
}

void WeightLoader::account(const WeightSource& source, WeightUse use, double share)
{
    const size_t bytes = bytesOf(source);
    m_account.fileBytes += bytes;
    m_account.bytesPerToken += use == WeightUse::Embedding ? kernels::rowBytes(source.type, source.columns)
                                                           : size_t(std::llround(double(bytes) * share));
    m_account.parameters += source.rows * source.columns;
    if (use != WeightUse::Vector)
        m_account.bytesByType[std::string(kernels::traits(source.type).name)] += bytes;
}

WeightPtr WeightLoader::pack(const Stored& stored, WeightUse use)
{
    const WeightSource& source = stored.source;
    if (!m_device) {
        if (m_planningDevice)
            take(stored, m_planningDevice->weightBytes(source.type, source.rows, source.columns, use));
        return nullptr;
    }
    try {
        std::atomic<bool> finite = true;
        WeightPtr weight = m_device->loadWeight(source.readRow ? watched(source, finite) : source, use);
        if (!finite)
            throw Error(ErrorKind::BadFile,
                        stored.what + " holds infinities or NaN; the model is damaged, fetch it again");
        take(stored, weight->residentBytes());
        if (m_progress)
            m_progress(m_account.fileBytes);
        return weight;
    } catch (const kernels::OutOfMemory& failure) {
        throw Error(ErrorKind::OutOfMemory,
                    stored.what + " does not fit: " + std::to_string(failure.neededBytes >> 20) + " MiB needed, "
                        + std::to_string(failure.freeBytes >> 20) + " MiB free");
    }
}

/// A weight that the device has not packed is read where it stands: in the file's mapping, or in memory of its own.
void WeightLoader::take(const Stored& stored, size_t packedBytes)
{
    if (packedBytes > 0)
        m_account.residentBytes += packedBytes;
    else
        (stored.inFile ? m_account.mappedBytes : m_account.residentBytes) += bytesOf(stored.source);
}

} // namespace cortex::engine
