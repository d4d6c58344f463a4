// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/cpu/cpudevice.h"

#include <algorithm>
#include <bit>
#include <cassert>

namespace cortex::kernels {

namespace {

/// The largest product of the paths: rows of a group times rows of a tile.
constexpr int largestProduct = 16 * 16;

/// Activations that a worker walks again for every tile should stay in its share of the second-level cache.
constexpr int64_t passBytes = 384 << 10;

/// A product of one row takes weights in pieces of about this size: long enough to be worth claiming, short enough that
/// all workers end at the same time.
constexpr int64_t pieceBytes = 16 << 10;

/// Pieces per worker, at least, of a product of many rows, and tiles per piece, at most: a piece's tiles stay in the
/// second-level cache while all rows pass by.
constexpr int64_t piecesPerWorker = 12;
constexpr int64_t largestPiece = 4;

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
    const int64_t grain = rows > 1 ? std::clamp<int64_t>(tiles / (piecesPerWorker * m_pool.size()), 1, largestPiece)
                                   : std::max<int64_t>(1, pieceBytes / tileBytes);
    m_pool.forPieces(tiles, grain, [&](int64_t firstTile, int64_t endTile, int worker) {
        const Activations activations = rows > 1 ? shared : prepareSingle(input, quantized, dense, worker);
        for (int64_t first = 0; first < rows; first += pass) {
            const int64_t end = std::min(first + pass, rows);
            for (int64_t tile = firstTile; tile < endTile; ++tile) {
                for (int64_t row = first; row < end;) {
                    const int group = rowGroup(end - row, m_path.largestGroup);
                    consume(tile, row, group, activations);
                    row += group;
                }
            }
        }
    });
}

/// Adds up what LinearOutput asks for, for `rows` rows of one tile.
void CpuDevice::storeTile(const LinearOutput& output, const float* sums, int64_t tile, int64_t firstRow, int rows) const
{
    const int64_t column = tile * m_path.tileRows;
    const int width = int(std::min<int64_t>(m_path.tileRows, output.weight->rows() - column));
    const int64_t stride = rowStride(output.out);
    m_path.store(floats(output.out) + firstRow * stride + column, stride, sums, rows, width,
                 output.bias ? cpu(*output.bias).floats() + column : nullptr, output.accumulate);
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
                 storeTile(*output, sums, tile, firstRow, rows);
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
                 storeTile({&gate, out, nullptr, false}, gated, tile, firstRow, rows);
             });
}

} // namespace cortex::kernels
