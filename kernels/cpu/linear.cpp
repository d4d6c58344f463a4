// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/cpu/cpudevice.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>

namespace cortex::kernels {

namespace {

/// The largest product of the paths: rows of a group times rows of a tile.
constexpr int largestProduct = 16 * 16;

/// Activations that a worker walks again for every tile should stay in its share of the second-level cache.
constexpr int64_t passBytes = 384 << 10;

/// A product of few rows waits for its weights: it takes them in pieces as long as they can be without a worker that is
/// held up holding up the others, and short enough at last that all end at the same time. Bytes times rows.
constexpr int64_t smallestPieceBytes = 64 << 10;
constexpr int64_t largestPieceBytes = 512 << 10;

/// Tiles that a product of one group of rows reads from one weight before it turns to the next: memory is slow to
/// follow who changes between streams.
constexpr int64_t tilesPerTurn = 8;

/// Work that makes a chunk of rows to be prepared worth handing to another thread, in elements.
constexpr int64_t chunkElements = 2048;

/// Pieces per worker, at least, of a product of more rows, and tiles per piece, at most: a piece's tiles stay in the
/// second-level cache while all rows pass by.
constexpr int64_t piecesPerWorker = 12;
constexpr int64_t largestPiece = 4;

} // namespace

int64_t CpuDevice::Formats::rowBytes(int64_t columns) const
{
    size_t largest = 1;
    for (ActivationFormat format : activationFormats)
        if (has(format))
            largest = std::max(largest, size_t(columns / unitColumns(format)) * unitBytes(format));
    return int64_t(largest);
}

CpuDevice::Activations CpuDevice::Activations::only(Formats formats, int64_t withColumns) const
{
    Activations some = *this;
    some.columns = withColumns;
    for (ActivationFormat format : activationFormats)
        if (!formats.has(format))
            some.units[size_t(format)] = nullptr;
    return some;
}

std::byte* CpuDevice::Activations::at(ActivationFormat format, int64_t firstRow, int64_t place) const
{
    return units[size_t(format)] + size_t(firstRow * (columns / unitColumns(format)) + place) * unitBytes(format);
}

void CpuDevice::Activations::copy(Group from, int64_t row, Group to, int64_t copy) const
{
    for (ActivationFormat format : activationFormats) {
        if (!units[size_t(format)])
            continue;
        const std::byte* source = at(format, from.first, row - from.first);
        std::byte* destination = at(format, to.first, copy - to.first);
        const auto copyUnits = [&](size_t bytes) {
            for (int64_t i = 0; i < columns / unitColumns(format); ++i)
                std::memcpy(destination + size_t(i * to.rows) * bytes, source + size_t(i * from.rows) * bytes, bytes);
        };
        if (format == ActivationFormat::Dense)
            copyUnits(sizeof(float)); // a constant: no call for every column
        else
            copyUnits(unitBytes(format));
    }
}

/// The group that `row` of the rows begin … end − 1 falls into.
CpuDevice::Group CpuDevice::groupOf(int64_t row, int64_t begin, int64_t end) const
{
    int64_t first = begin + (row - begin) / m_path.largestGroup * m_path.largestGroup;
    int rows = rowGroup(end - first, m_path.largestGroup);
    for (; row >= first + rows; rows = rowGroup(end - first, m_path.largestGroup))
        first += rows;
    return {first, rows};
}

/// Quantizes one row and puts it where it belongs in its group.
void CpuDevice::arrangeRow(const float* x, const Activations& out, Group group, int64_t row) const
{
    for (ActivationFormat format : activationFormats) {
        if (!out.units[size_t(format)])
            continue;
        std::byte* units = out.at(format, group.first, row - group.first);
        if (format != ActivationFormat::Dense) {
            m_path.quantize(format, units, group.rows, x, out.columns);
            continue;
        }
        auto* dense = reinterpret_cast<float*>(units);
        for (int64_t column = 0; column < out.columns; ++column)
            dense[column * group.rows] = x[column];
    }
}

void CpuDevice::prepareRow(const LinearInput& input, int64_t row, const Activations& out, float* scratch) const
{
    const float* x = floats(input.x) + row * rowStride(input.x);
    if (input.norm) {
        m_path.normalize(scratch, x, cpu(*input.norm).floats(), out.columns, input.epsilon);
        x = scratch;
    }
    arrangeRow(x, out, groupOf(row, 0, input.x.rows()), row);
}

CpuDevice::Activations CpuDevice::prepareRows(const LinearInput& input, Formats formats)
{
    const Activations out = m_activations.only(formats, input.x.columns());
    m_pool.forEach(input.x.rows(), std::max<int64_t>(1, chunkElements / out.columns),
                   [&](int row, int worker) { prepareRow(input, row, out, m_scratch[size_t(worker)].row); });
    return out;
}

/// One row is prepared by every worker for itself: cheaper than waiting for whoever prepares it for all.
CpuDevice::Activations CpuDevice::prepareSingle(const LinearInput& input, Formats formats, int worker)
{
    Scratch& scratch = m_scratch[size_t(worker)];
    const Activations out = scratch.single.only(formats, input.x.columns());
    if (scratch.preparedFor != m_operation) {
        prepareRow(input, 0, out, scratch.row);
        scratch.preparedFor = m_operation;
    }
    return out;
}

/// Calls consume(tile, endTile, group, activations) for every tile in 0 … tiles − 1 and every group of rows:
/// for up to tilesPerTurn tiles at once where there is but one group, else one by one.
template <class Consume>
void CpuDevice::forTiles(const LinearInput& input, Formats formats, int64_t tiles, int64_t tileBytes,
                         const Consume& consume)
{
    const int64_t rows = input.x.rows();
    const int64_t columns = input.x.columns();
    assert(rows <= m_limits.rows && columns <= m_limits.columns);
    if (rows == 0)
        return;
    const Activations shared = rows > 1 ? prepareRows(input, formats) : Activations();
    ++m_operation;

    const int64_t rowBytes = formats.rowBytes(columns);
    const int64_t stretch = m_path.largestGroup;
    const int64_t pass = std::max(stretch, passBytes / rowBytes / stretch * stretch);
    const int64_t turn = rows == rowGroup(rows, m_path.largestGroup) ? tilesPerTurn : 1;
    int64_t smallest = std::clamp<int64_t>(tiles / (piecesPerWorker * m_pool.size()), 1, largestPiece);
    int64_t largest = smallest;
    if (rows <= m_path.largestGroup) {
        smallest = std::max<int64_t>(1, smallestPieceBytes / (rows * tileBytes));
        largest = std::max<int64_t>(1, largestPieceBytes / (rows * tileBytes));
    }
    m_pool.forPieces(tiles, smallest, largest, [&](int64_t firstTile, int64_t endTile, int worker) {
        const Activations activations = rows > 1 ? shared : prepareSingle(input, formats, worker);
        for (int64_t first = 0; first < rows; first += pass) {
            const int64_t end = std::min(first + pass, rows);
            for (int64_t tile = firstTile; tile < endTile; tile += turn) {
                for (int64_t row = first; row < end;) {
                    const Group group{row, rowGroup(end - row, m_path.largestGroup)};
                    consume(tile, std::min(tile + turn, endTile), group, activations);
                    row += group.rows;
                }
            }
        }
    });
}

/// sums [tiles][rows, tileRows] = the products of neighbouring tiles with a group of rows.
void CpuDevice::multiplyTiles(const CpuWeight& weight, int64_t tile, int64_t tiles, Group group,
                              const Activations& activations, float* sums) const
{
    const CpuPath::Product product = m_path.product(weight.type(), std::countr_zero(unsigned(group.rows)));
    const std::byte* rows = activations.at(m_path.format(weight.type()), group.first);
    for (int64_t i = 0; i < tiles; ++i)
        product(weight.tile(tile + i), weight.columns(), rows, sums + i * group.rows * m_path.tileRows);
}

/// Asks for the memory that storeTiles is to write: products are long enough to bring it.
void CpuDevice::askForOutput(const Tensor& out, int64_t tile, int64_t tiles, Group group) const
{
    constexpr int64_t line = 64 / sizeof(float);
    const int64_t begin = tile * m_path.tileRows;
    const int64_t end = std::min(begin + tiles * m_path.tileRows, out.columns());
    for (int64_t row = group.first; row < group.first + group.rows; ++row)
        for (int64_t column = begin; column < end; column += line)
            __builtin_prefetch(floats(out) + row * rowStride(out) + column, 1);
}

/// Adds up what LinearOutput asks for, of the products of neighbouring tiles.
void CpuDevice::storeTiles(const LinearOutput& output, const float* sums, int64_t tile, int64_t tiles,
                           Group group) const
{
    const int64_t column = tile * m_path.tileRows;
    const int width = int(std::min<int64_t>(tiles * m_path.tileRows, output.weight->rows() - column));
    const int64_t stride = rowStride(output.out);
    m_path.store(floats(output.out) + group.first * stride + column, stride, sums, group.rows, width,
                 output.bias ? cpu(*output.bias).floats() + column : nullptr, output.accumulate);
}

void CpuDevice::linear(const LinearInput& input, std::span<const LinearOutput> outputs)
{
    Formats formats;
    int64_t tiles = 0;
    size_t bytes = 0;
    for (const LinearOutput& output : outputs) {
        const CpuWeight& weight = cpu(*output.weight);
        assert(weight.isPacked() && weight.columns() == input.x.columns());
        assert(output.out.rows() == input.x.rows() && output.out.columns() == weight.rows());
        formats.add(m_path.format(weight.type()));
        tiles += weight.tiles();
        bytes += weight.residentBytes();
    }
    if (tiles == 0)
        return;
    forTiles(input, formats, tiles, int64_t(bytes) / tiles,
             [&](int64_t tile, int64_t endTile, Group group, const Activations& activations) {
                 const LinearOutput* output = outputs.data();
                 while (tile < endTile) {
                     const int64_t own = cpu(*output->weight).tiles();
                     if (const int64_t count = std::min(own, endTile) - tile; count > 0) {
                         alignas(64) float sums[tilesPerTurn * largestProduct];
                         askForOutput(output->out, tile, count, group);
                         multiplyTiles(cpu(*output->weight), tile, count, group, activations, sums);
                         storeTiles(*output, sums, tile, count, group);
                         tile += count;
                     }
                     tile -= own;
                     endTile -= own;
                     ++output;
                 }
             });
}

void CpuDevice::gatedLinear(const LinearInput& input, const Weight& gate, const Weight& up, Activation activation,
                            const Tensor& out)
{
    const CpuWeight& g = cpu(gate);
    const CpuWeight& u = cpu(up);
    assert(g.isPacked() && u.isPacked() && g.columns() == input.x.columns() && u.columns() == g.columns());
    assert(g.rows() == u.rows() && out.columns() == g.rows() && out.rows() == input.x.rows());
    Formats formats;
    formats.add(m_path.format(g.type()));
    formats.add(m_path.format(u.type()));
    const int64_t tileBytes = int64_t(g.residentBytes() + u.residentBytes()) / g.tiles();
    forTiles(input, formats, g.tiles(), tileBytes,
             [&](int64_t tile, int64_t endTile, Group group, const Activations& activations) {
                 alignas(64) float gated[tilesPerTurn * largestProduct], raised[tilesPerTurn * largestProduct];
                 askForOutput(out, tile, endTile - tile, group);
                 multiplyTiles(g, tile, endTile - tile, group, activations, gated);
                 multiplyTiles(u, tile, endTile - tile, group, activations, raised);
                 m_path.gate(activation, gated, gated, raised, (endTile - tile) * group.rows * m_path.tileRows);
                 storeTiles({&gate, out, nullptr, false}, gated, tile, endTile - tile, group);
             });
}

} // namespace cortex::kernels
