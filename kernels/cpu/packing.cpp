// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/cpu/packing.h"

#include "kernels/blockformat.h"
#include "kernels/cpu/codetraits.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace cortex::kernels {

namespace {

/// Bits from … from + width − 1 of each of four bytes, at bit `at` of each.
uint32_t moveBits(uint32_t bytes, int from, int width, int at)
{
    return (bytes >> from & ((1u << width) - 1) * 0x01010101u) << at;
}

uint32_t readWord(const uint8_t* source)
{
    uint32_t word;
    std::memcpy(&word, source, sizeof word);
    return word;
}

void addToWord(uint8_t* destination, uint32_t bits)
{
    const uint32_t word = readWord(destination) | bits;
    std::memcpy(destination, &word, sizeof word);
}

/// Moves values into a tile that was zeroed.
struct Store {
    using Byte = uint8_t;
    using Block = const RowBlock;

    /// `width` bits of four neighbouring codes, at bit `from` of the codes and at bit `at` of the packed bytes.
    static void codes(uint8_t* packed, int at, int width, const uint8_t* values, int from)
    {
        addToWord(packed, moveBits(readWord(values), from, width, at));
    }
    static void bits(uint8_t& packed, int at, int width, uint8_t value)
    {
        packed = uint8_t(packed | (value & ((1 << width) - 1)) << at);
    }
    static void half(uint8_t* packed, uint16_t value) { std::memcpy(packed, &value, 2); }
};

/// Moves values out of a tile into a RowBlock that was zeroed.
struct Load {
    using Byte = const uint8_t;
    using Block = RowBlock;

    static void codes(const uint8_t* packed, int at, int width, uint8_t* values, int from)
    {
        addToWord(values, moveBits(readWord(packed), at, width, from));
    }
    static void bits(uint8_t packed, int at, int width, uint8_t& value)
    {
        value = uint8_t(value | (packed >> at & ((1 << width) - 1)));
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

    /// `packed`: the block in the tile, its scales first.
    void move(Byte* packed, Block& block) const
    {
        moveScales(packed, block);
        Byte* codes = packed + size_t(m_code.scaleBytes) * m_rows + 4 * m_lane;
        const size_t parts = m_code.superBlocks ? 8 : 1;
        for (size_t part = 0; part < parts; ++part)
            moveCodes(codes + part * size_t(m_code.quantBytes) * m_rows, block.codes + 32 * part);
    }

private:
    template <class Code>
    void moveCodes(Byte* packed, Code* codes) const
    {
        const size_t registerBytes = 4 * m_rows;
        for (size_t j = 0; j < 8; ++j, codes += 4) {
            if (m_code.bits == 8) {
                Access::codes(packed + j * registerBytes, 0, 8, codes, 0);
                continue;
            }
            if (m_code.bits < 4) {
                Access::codes(packed + j / 4 * registerBytes, int(j % 4 * 2), 2, codes, 0);
                if (m_code.bits == 3)
                    Access::codes(packed + 2 * registerBytes, int(j), 1, codes, 2);
                continue;
            }
            Access::codes(packed + j % 4 * registerBytes, j < 4 ? 0 : 4, 4, codes, 0);
            if (m_code.bits == 5)
                Access::codes(packed + 4 * registerBytes, int(j), 1, codes, 4);
            else if (m_code.bits == 6)
                Access::codes(packed + (4 + j / 4) * registerBytes, int(j % 4 * 2), 2, codes, 4);
        }
    }

    void moveScales(Byte* packed, Block& block) const
    {
        if (m_code.exponents) {
            Access::bits(packed[m_lane], 0, 8, block.scales[0]);
            return;
        }
        Access::half(packed + 2 * m_lane, block.scale);
        if (m_code.minimums)
            Access::half(packed + 2 * (m_rows + m_lane), block.minimum);
        if (m_code.superBlocks)
            moveByteScales(packed + (m_code.minimums ? 4 : 2) * m_rows + m_lane, block);
    }

    void moveByteScales(Byte* packed, Block& block) const
    {
        if (m_code.halfScales) {
            const int bits = m_code.minimums ? 4 : 8;
            for (size_t half = 0; half < 16; ++half, packed += m_rows) {
                Access::bits(*packed, 0, bits, block.scales[half]);
                if (m_code.minimums)
                    Access::bits(*packed, 4, 4, block.minimums[half]);
            }
            return;
        }
        for (size_t part = 0; part < 8; ++part) {
            Access::bits(*packed, 0, 8, block.scales[part]);
            packed += m_rows;
            if (m_code.minimums) {
                Access::bits(*packed, 0, 8, block.minimums[part]);
                packed += m_rows;
            }
        }
    }

    CodeTraits m_code;
    size_t m_rows;
    size_t m_lane;
};

/// Bytes that one row takes of a (super-)block in a tile; of an element for dense types.
size_t packedBytes(Type type)
{
    const TypeTraits& t = traits(type);
    const CodeTraits code = codeTraits(type);
    return t.isQuantized() ? size_t(t.blockElements / 32 * code.quantBytes + code.scaleBytes) : size_t(t.blockBytes);
}

} // namespace

Packing::Packing(Type type, int64_t rows, int64_t columns, int tileRows)
    : m_type(type)
    , m_rows(rows)
    , m_columns(columns)
    , m_tileRows(tileRows)
    , m_tiles((rows + tileRows - 1) / tileRows)
    , m_blockBytes(packedBytes(type) * size_t(tileRows))
    , m_tileBytes((size_t(columns / traits(type).blockElements) * m_blockBytes + 63) / 64 * 64)
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
    const size_t stride = rowBytes(m_type, m_columns);
    const int lanes = int(std::min<int64_t>(m_tileRows, m_rows - tile * m_tileRows));
    const auto* blocks = reinterpret_cast<const uint8_t*>(source) + size_t(tile * m_tileRows) * stride;
    auto* packed = reinterpret_cast<uint8_t*>(destination);
    for (int64_t i = 0; i < m_columns / t.blockElements; ++i, blocks += t.blockBytes, packed += m_blockBytes)
        for (int lane = 0; lane < lanes; ++lane)
            TileRow<Store>(m_type, m_tileRows, lane).move(packed, readBlock(m_type, blocks + size_t(lane) * stride));
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
    const auto* blocks = reinterpret_cast<const uint8_t*>(tile);
    for (int64_t i = 0; i < m_columns / t.blockElements; ++i, blocks += m_blockBytes, destination += t.blockElements) {
        RowBlock block{};
        source.move(blocks, block);
        expandBlock(m_type, block, destination);
    }
}

} // namespace cortex::kernels
