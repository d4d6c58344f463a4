// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/cpu/cpudevice.h"

#include <algorithm>
#include <bit>
#include <cassert>

namespace cortex::kernels {

namespace {

/// The largest product of the paths: rows of a group times rows of a tile.
constexpr int largestProduct = 8 * 16;

/// Activations that a worker walks again for every tile should stay in its share of the second-level cache.
constexpr int64_t passBytes = 384 << 10;

/// Less weight than this is not worth waking anybody for.
constexpr int64_t smallestChunkBytes = 16 << 10;

/// Chunks of work per worker: enough that one that is held up does not hold up the others.
constexpr int chunksPerWorker = 4;

/// Adds up what LinearOutput asks for, for `rows` rows of one tile.
void storeTile(const LinearOutput& output, const float* sums, int tileRows, int64_t tile, int64_t firstRow, int rows)
{
    const int64_t column = tile * tileRows;
    const int width = int(std::min<int64_t>(tileRows, output.weight->rows() - column));
    const int64_t stride = rowStride(output.out);
    const float* bias = output.bias ? cpu(*output.bias).floats() + column : nullptr;
    for (int row = 0; row < rows; ++row, sums += tileRows) {
        float* out = floats(output.out) + (firstRow + row) * stride + column;
        for (int i = 0; i < width; ++i) {
            const float value = bias ? sums[i] + bias[i] : sums[i];
            out[i] = output.accumulate ? out[i] + value : value;
        }
    }
}

} // namespace

const void* CpuDevice::Activations::group(Type type, int64_t firstRow) const
{
    if (traits(type).isQuantized())
        return quantized + firstRow * (columns / 32);
    return dense + firstRow * columns;
}

/// Normalises, quantizes and arranges the groups of rows in firstRow … firstRow + rows − 1.
void CpuDevice::prepareGroups(const LinearInput& input, int64_t firstRow, int64_t rows, const Activations& out,
                              float* scratch)
{
    const int64_t columns = input.x.columns();
    for (int64_t row = firstRow; row < firstRow + rows;) {
        const int group = rowGroup(firstRow + rows - row, m_path.largestGroup);
        for (int t = 0; t < group; ++t) {
            const float* x = floats(input.x) + (row + t) * rowStride(input.x);
            if (input.norm) {
                m_path.normalize(scratch, x, cpu(*input.norm).floats(), columns, input.epsilon);
                x = scratch;
            }
            if (out.quantized)
                m_path.quantize(out.quantized + row * (columns / 32) + t, group, x, columns);
            if (out.dense)
                for (int64_t column = 0; column < columns; ++column)
                    out.dense[row * columns + column * group + t] = x[column];
        }
        row += group;
    }
}

CpuDevice::Activations CpuDevice::prepareRows(const LinearInput& input, bool quantized, bool dense)
{
    Activations out = m_activations;
    out.columns = input.x.columns();
    if (!quantized)
        out.quantized = nullptr;
    if (!dense)
        out.dense = nullptr;
    const int64_t rows = input.x.rows();
    const int64_t stretch = m_path.largestGroup;
    m_pool.forEach((rows + stretch - 1) / stretch, 1, [&](int index, int worker) {
        const int64_t first = index * stretch;
        prepareGroups(input, first, std::min(stretch, rows - first), out, m_scratch[size_t(worker)].row);
    });
    return out;
}

/// One row is prepared by every worker for itself: cheaper than waiting for whoever prepares it for all.
CpuDevice::Activations CpuDevice::prepareSingle(const LinearInput& input, bool quantized, bool dense, int worker)
{
    Scratch& scratch = m_scratch[size_t(worker)];
    Activations out = scratch.single;
    out.columns = input.x.columns();
    if (!quantized)
        out.quantized = nullptr;
    if (!dense)
        out.dense = nullptr;
    if (scratch.preparedFor != m_operation) {
        prepareGroups(input, 0, 1, out, scratch.row);
        scratch.preparedFor = m_operation;
    }
    return out;
}

/// Calls consume(tile, firstRow, rows, activations) for every tile in 0 … tiles − 1 and every group of rows.
template <class Consume>
void CpuDevice::forTiles(const LinearInput& input, bool quantized, bool dense, int64_t tiles, int64_t tileBytes,
                         const Consume& consume)
{
    const int64_t rows = input.x.rows();
    const int64_t columns = input.x.columns();
    assert(rows <= m_limits.rows && columns <= m_limits.columns);
    assert(!quantized || columns % 32 == 0);
    if (rows == 0)
        return;
    const Activations shared = rows > 1 ? prepareRows(input, quantized, dense) : Activations();
    ++m_operation;

    const int64_t rowBytes =
        std::max<int64_t>(1, dense ? columns * 4 : columns * int64_t(sizeof(ActivationBlock)) / 32);
    const int64_t stretch = m_path.largestGroup;
    const int64_t pass = std::max(stretch, passBytes / rowBytes / stretch * stretch);
    const int64_t grain = rows > 1 ? 1 : std::max<int64_t>(1, smallestChunkBytes / tileBytes);
    const int64_t chunks = std::min<int64_t>((tiles + grain - 1) / grain, chunksPerWorker * m_pool.size());
    m_pool.run(int(chunks), [&](int chunk, int worker) {
        const Activations activations = rows > 1 ? shared : prepareSingle(input, quantized, dense, worker);
        for (int64_t first = 0; first < rows; first += pass) {
            const int64_t end = std::min(first + pass, rows);
            for (int64_t tile = tiles * chunk / chunks; tile < tiles * (chunk + 1) / chunks; ++tile) {
                for (int64_t row = first; row < end;) {
                    const int group = rowGroup(end - row, m_path.largestGroup);
                    consume(tile, row, group, activations);
                    row += group;
                }
            }
        }
    });
}

void CpuDevice::linear(const LinearInput& input, std::span<const LinearOutput> outputs)
{
    bool quantized = false, dense = false;
    int64_t tiles = 0;
    size_t bytes = 0;
    for (const LinearOutput& output : outputs) {
        const CpuWeight& weight = cpu(*output.weight);
        assert(weight.isPacked() && weight.columns() == input.x.columns());
        assert(output.out.rows() == input.x.rows() && output.out.columns() == weight.rows());
        (traits(weight.type()).isQuantized() ? quantized : dense) = true;
        tiles += weight.tiles();
        bytes += weight.residentBytes();
    }
    if (tiles == 0)
        return;
    forTiles(input, quantized, dense, tiles, int64_t(bytes) / tiles,
             [&](int64_t tile, int64_t firstRow, int rows, const Activations& activations) {
                 const LinearOutput* output = outputs.data();
                 for (; tile >= cpu(*output->weight).tiles(); ++output)
                     tile -= cpu(*output->weight).tiles();
                 const CpuWeight& weight = cpu(*output->weight);
                 alignas(64) float sums[largestProduct];
                 m_path.product(weight.type(), std::countr_zero(unsigned(rows)))(
                     weight.tile(tile), weight.columns(), activations.group(weight.type(), firstRow), sums);
                 storeTile(*output, sums, m_path.tileRows, tile, firstRow, rows);
             });
}

void CpuDevice::gatedLinear(const LinearInput& input, const Weight& gate, const Weight& up, Activation activation,
                            const Tensor& out)
{
    const CpuWeight& g = cpu(gate);
    const CpuWeight& u = cpu(up);
    assert(g.isPacked() && u.isPacked() && g.columns() == input.x.columns() && u.columns() == g.columns());
    assert(g.rows() == u.rows() && out.columns() == g.rows() && out.rows() == input.x.rows());
    const bool quantized = traits(g.type()).isQuantized() || traits(u.type()).isQuantized();
    const bool dense = !traits(g.type()).isQuantized() || !traits(u.type()).isQuantized();
    const int64_t tileBytes = int64_t(g.residentBytes() + u.residentBytes()) / g.tiles();
    forTiles(input, quantized, dense, g.tiles(), tileBytes,
             [&](int64_t tile, int64_t firstRow, int rows, const Activations& activations) {
                 alignas(64) float gated[largestProduct], raised[largestProduct];
                 const auto multiply = [&](const CpuWeight& weight, float* sums) {
                     m_path.product(weight.type(), std::countr_zero(unsigned(rows)))(
                         weight.tile(tile), weight.columns(), activations.group(weight.type(), firstRow), sums);
                 };
                 multiply(g, gated);
                 multiply(u, raised);
                 m_path.gate(activation, gated, gated, raised, int64_t(rows) * m_path.tileRows);
                 storeTile({&gate, out, nullptr, false}, gated, m_path.tileRows, tile, firstRow, rows);
             });
}

} // namespace cortex::kernels
