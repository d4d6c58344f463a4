// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/models/fp8weight.h"

#include "neuron/engine/error.h"

#include <algorithm>

namespace cortex::engine {

namespace {

constexpr int64_t defaultBlock = 128;

/// Scales of one matrix, or of several that are stacked, `rows` each.
struct Scales {
    std::vector<float> values; ///< [stacked, blockRows, blockColumns]
    int64_t rows = 1;
    int64_t rowsPerBlock = 1;
    int64_t columnsPerBlock = 1;
    int64_t blockRows = 1;
    int64_t blockColumns = 1;

    /// Those of a row, one for each block of columns.
    const float* of(int64_t row) const
    {
        const int64_t block = row / rows * blockRows + row % rows / rowsPerBlock;
        return values.data() + block * blockColumns;
    }
};

[[noreturn]] void failShape(const Checkpoint& checkpoint, const CheckpointTensor& scales,
                            const CheckpointTensor& tensor)
{
    throw Error(ErrorKind::BadFile,
                checkpoint.path().string() + ": tensor \"" + scales.name + "\" has not the shape of the scales of \""
                    + tensor.name + "\"; fetch the model again");
}

std::vector<float> readValues(const Checkpoint& checkpoint, const CheckpointTensor& tensor)
{
    const kernels::WeightSource source = checkpoint.weight(tensor);
    std::vector<float> values(size_t(source.rows * source.columns));
    kernels::dequantize(source.type, source.data, values.data(), source.rows * source.columns);
    return values;
}

/// quantization_config.weight_block_size: rows and columns.
std::pair<int64_t, int64_t> blockSize(const Checkpoint& checkpoint)
{
    const nlohmann::json* config = checkpoint.config();
    const auto settings = config ? config->find("quantization_config") : nlohmann::json::const_iterator();
    if (!config || settings == config->end() || !settings->is_object() || !settings->contains("weight_block_size"))
        return {defaultBlock, defaultBlock};
    const nlohmann::json& size = (*settings)["weight_block_size"];
    const auto isExtent = [](const nlohmann::json& value) {
        return value.is_number_integer() && value > 0 && value <= (int64_t(1) << 31);
    };
    if (!size.is_array() || size.size() != 2 || !isExtent(size[0]) || !isExtent(size[1]))
        throw Error(ErrorKind::BadFile,
                    (checkpoint.path() / "config.json").string()
                        + ": quantization_config.weight_block_size is not a pair of positive integers");
    return {size[0].get<int64_t>(), size[1].get<int64_t>()};
}

Scales blockScales(const Checkpoint& checkpoint, const CheckpointTensor& tensor, const CheckpointTensor& stored)
{
    const auto [blockRows, blockColumns] = blockSize(checkpoint);
    Scales scales;
    scales.rowsPerBlock = blockRows;
    scales.columnsPerBlock = blockColumns;
    std::vector<int64_t> expected = tensor.shape;
    if (expected.size() < 2)
        failShape(checkpoint, stored, tensor);
    int64_t& rows = expected[expected.size() - 2];
    int64_t& columns = expected.back();
    scales.rows = rows;
    rows = scales.blockRows = (rows + blockRows - 1) / blockRows;
    columns = scales.blockColumns = (columns + blockColumns - 1) / blockColumns;
    if (stored.shape != expected)
        failShape(checkpoint, stored, tensor);
    scales.values = readValues(checkpoint, stored);
    return scales;
}

/// One scale for the whole, or one per row.
Scales plainScales(const Checkpoint& checkpoint, const CheckpointTensor& tensor, const CheckpointTensor& stored,
                   const kernels::WeightSource& codes)
{
    Scales scales;
    scales.columnsPerBlock = codes.columns;
    scales.values = readValues(checkpoint, stored);
    const auto count = int64_t(scales.values.size());
    if (count != 1 && count != codes.rows)
        failShape(checkpoint, stored, tensor);
    scales.rows = codes.rows;
    scales.blockRows = count;
    scales.rowsPerBlock = count == 1 ? codes.rows : 1;
    return scales;
}

} // namespace

kernels::WeightSource scaledFp8(const Checkpoint& checkpoint, const CheckpointTensor& tensor,
                                const kernels::WeightSource& codes)
{
    Scales scales;
    if (const auto blocks = checkpoint.findBeside(tensor, "_scale_inv"))
        scales = blockScales(checkpoint, tensor, *blocks);
    else if (const auto plain = checkpoint.findBeside(tensor, "_scale"))
        scales = plainScales(checkpoint, tensor, *plain, codes);
    else
        return codes;

    kernels::WeightSource source = codes;
    source.data = nullptr;
    source.readRow = [codes, scales = std::move(scales)](int64_t row, float* values) {
        const auto* bytes = static_cast<const std::byte*>(codes.data) + row * codes.columns;
        kernels::dequantize(codes.type, bytes, values, codes.columns);
        const float* rowScales = scales.of(row);
        for (int64_t column = 0; column < codes.columns; ++column)
            values[column] *= rowScales[column / scales.columnsPerBlock];
    };
    return source;
}

} // namespace cortex::engine
