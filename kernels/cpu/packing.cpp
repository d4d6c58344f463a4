// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/cpu/packing.h"

#include "kernels/blockformat.h"
#include "kernels/cpu/codetraits.h"

#include <cassert>
#include <cstring>

namespace cortex::kernels {

namespace {

/// Moves values into a tile that was zeroed.
struct Store {
    using Byte = uint8_t;
    using Block = const RowBlock;

    static void bits(uint8_t& packed, int at, int width, uint8_t value, int from)
    {
        packed = uint8_t(packed | (value >> from & ((1 << width) - 1)) << at);
    }
    static void half(uint8_t* packed, uint16_t value) { std::memcpy(packed, &value, 2); }
};

/// Moves values out of a tile into a RowBlock that was zeroed.
struct Load {
    using Byte = const uint8_t;
    using Block = RowBlock;

    static void bits(uint8_t packed, int at, int width, uint8_t& value, int from)
    {
        value = uint8_t(value | (packed >> at & ((1 << width) - 1)) << from);
    }
    static void half(const uint8_t* packed, uint16_t& value) { std::memcpy(&value, packed, 2); }
};

/// One row of a tile of a block type: the layout that packing.h describes, written once for both directions.
template <class Access>
class TileRow {
public:
    using Byte = typename Access::Byte;
    using Block = typename Access::Block;

    TileRow(Type type, int tileRows, int lane)
        : m_code(codeTraits(type))
        , m_rows(size_t(tileRows))
        , m_lane(size_t(lane))
    {
    }

    /// `codes`: the block's in the tile, `scales`: likewise, of the 256 columns where there are such.
    void move(Byte* codes, Byte* scales, Block& block) const
    {
        const size_t parts = m_code.superBlocks ? 8 : 1;
        for (size_t part = 0; part < parts; ++part)
            moveCodes(codes + part * size_t(m_code.quantBytes) * m_rows, block.codes + 32 * part);
        if (m_code.exponents) {
            Access::bits(scales[m_lane], 0, 8, block.scales[0], 0);
            return;
        }
        Access::half(scales + 2 * m_lane, block.scale);
        if (m_code.minimums)
            Access::half(scales + 2 * (m_rows + m_lane), block.minimum);
        if (m_code.superBlocks)
            moveByteScales(scales + (m_code.minimums ? 4 : 2) * m_rows + m_lane, block);
    }

private:
    template <class Code>
    void moveCodes(Byte* packed, Code* codes) const
    {
        const size_t registerBytes = 4 * m_rows;
        for (size_t column = 0; column < 32; ++column) {
            const size_t j = column / 4;
            Byte* byte = packed + 4 * m_lane + column % 4;
            if (m_code.bits == 8) {
                Access::bits(byte[j * registerBytes], 0, 8, codes[column], 0);
                continue;
            }
            if (m_code.bits < 4) {
                Access::bits(byte[j / 4 * registerBytes], int(j % 4 * 2), 2, codes[column], 0);
                if (m_code.bits == 3)
                    Access::bits(byte[2 * registerBytes], int(j), 1, codes[column], 2);
                continue;
            }
            Access::bits(byte[j % 4 * registerBytes], j < 4 ? 0 : 4, 4, codes[column], 0);
            if (m_code.bits == 5)
                Access::bits(byte[4 * registerBytes], int(j), 1, codes[column], 4);
            else if (m_code.bits == 6)
                Access::bits(byte[(4 + j / 4) * registerBytes], int(j % 4 * 2), 2, codes[column], 4);
        }
    }

    void moveByteScales(Byte* packed, Block& block) const
    {
        if (m_code.halfScales) {
            const int bits = m_code.minimums ? 4 : 8;
            for (size_t half = 0; half < 16; ++half, packed += m_rows) {
                Access::bits(*packed, 0, bits, block.scales[half], 0);
                if (m_code.minimums)
                    Access::bits(*packed, 4, 4, block.minimums[half], 0);
            }
            return;
        }
        for (size_t part = 0; part < 8; ++part) {
            Access::bits(*packed, 0, 8, block.scales[part], 0);
            packed += m_rows;
            if (m_code.minimums) {
                Access::bits(*packed, 0, 8, block.minimums[part], 0);
                packed += m_rows;
            }
        }
    }

    CodeTraits m_code;
    size_t m_rows;
    size_t m_lane;
};

/// Bytes per row of a tile's first part; all of it for dense types.
size_t codeBytes(Type type, int64_t columns)
{
    if (!traits(type).isQuantized())
        return rowBytes(type, columns);
    return size_t(columns / 32) * size_t(codeTraits(type).quantBytes);
}

size_t scaleBytes(Type type, int64_t columns)
{
    const TypeTraits& t = traits(type);
    return t.isQuantized() ? size_t(columns / t.blockElements) * size_t(codeTraits(type).scaleBytes) : 0;
}

} // namespace

Packing::Packing(Type type, int64_t rows, int64_t columns, int tileRows)
    : m_type(type)
    , m_rows(rows)
    , m_columns(columns)
    , m_tileRows(tileRows)
    , m_tiles((rows + tileRows - 1) / tileRows)
    , m_scalesOffset(codeBytes(type, columns) * size_t(tileRows))
    , m_tileBytes((m_scalesOffset + scaleBytes(type, columns) * size_t(tileRows) + 63) / 64 * 64)
{
    assert(columns % traits(type).blockElements == 0);
}

void Packing::pack(int64_t tile, const std::byte* source, std::byte* destination) const
{
    std::memset(destination, 0, m_tileBytes);
    if (traits(m_type).isQuantized())
        packBlocks(tile, source, destination);
    else
        packDense(tile, source, destination);
}

void Packing::packDense(int64_t tile, const std::byte* source, std::byte* destination) const
{
    const size_t element = size_t(traits(m_type).blockBytes);
    for (int lane = 0; lane < m_tileRows && tile * m_tileRows + lane < m_rows; ++lane) {
        const std::byte* row = source + size_t(tile * m_tileRows + lane) * rowBytes(m_type, m_columns);
        std::byte* out = destination + size_t(lane) * element;
        for (int64_t column = 0; column < m_columns; ++column, row += element, out += element * size_t(m_tileRows))
            std::memcpy(out, row, element);
    }
}

void Packing::packBlocks(int64_t tile, const std::byte* source, std::byte* destination) const
{
    const TypeTraits& t = traits(m_type);
    auto* codes = reinterpret_cast<uint8_t*>(destination);
    for (int lane = 0; lane < m_tileRows && tile * m_tileRows + lane < m_rows; ++lane) {
        const TileRow<Store> row(m_type, m_tileRows, lane);
        const auto* block =
            reinterpret_cast<const uint8_t*>(source) + size_t(tile * m_tileRows + lane) * rowBytes(m_type, m_columns);
        for (int64_t i = 0; i < m_columns / t.blockElements; ++i, block += t.blockBytes) {
            const RowBlock parts = readBlock(m_type, block);
            row.move(codes + blockCodes(i), codes + m_scalesOffset + blockScales(i), parts);
        }
    }
}

void Packing::expandRow(const std::byte* packed, int64_t row, float* destination) const
{
    const TypeTraits& t = traits(m_type);
    const std::byte* tile = packed + size_t(row / m_tileRows) * m_tileBytes;
    const int lane = int(row % m_tileRows);
    if (!t.isQuantized()) {
        const size_t element = size_t(t.blockBytes);
        for (int64_t column = 0; column < m_columns; ++column)
            dequantize(m_type, tile + size_t(column * m_tileRows + lane) * element, destination + column, 1);
        return;
    }
    const TileRow<Load> source(m_type, m_tileRows, lane);
    const auto* codes = reinterpret_cast<const uint8_t*>(tile);
    for (int64_t i = 0; i < m_columns / t.blockElements; ++i, destination += t.blockElements) {
        RowBlock block{};
        source.move(codes + blockCodes(i), codes + m_scalesOffset + blockScales(i), block);
        expandBlock(m_type, block, destination);
    }
}

size_t Packing::blockCodes(int64_t block) const
{
    return size_t(block) * codeBytes(m_type, traits(m_type).blockElements) * size_t(m_tileRows);
}

size_t Packing::blockScales(int64_t block) const
{
    return size_t(block) * size_t(codeTraits(m_type).scaleBytes) * size_t(m_tileRows);
}

} // namespace cortex::kernels
