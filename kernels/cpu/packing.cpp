// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/cpu/packing.h"

#include "kernels/blockformat.h"
#include "kernels/cpu/codetraits.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace cortex::kernels {

namespace {

uint32_t readWord(const uint8_t* source)
{
    uint32_t word;
    std::memcpy(&word, source, sizeof word);
    return word;
}

void writeWord(uint8_t* destination, uint32_t word)
{
    std::memcpy(destination, &word, sizeof word);
}

/// Bits from … from + width − 1 of each of four bytes, at bit `at` of each.
constexpr uint32_t moveBits(uint32_t bytes, int from, int width, int at)
{
    return (bytes >> from & ((1u << width) - 1) * 0x01010101u) << at;
}

/// Moves values into a tile.
struct Store {
    using Byte = uint8_t;
    using Block = const RowBlock;

    /// `width` bits of four neighbouring codes, at bit `from` of the codes and at bit `at` of the packed word.
    static void bits(uint32_t& word, int at, int width, uint32_t& codes, int from)
    {
        word |= moveBits(codes, from, width, at);
    }
    static void fetchCodes(uint32_t& four, const uint8_t* codes) { four = readWord(codes); }
    static void returnCodes(uint32_t, const uint8_t*) { }
    static void fetchPacked(uint32_t&, const uint8_t*) { }
    static void returnPacked(uint32_t word, uint8_t* packed) { writeWord(packed, word); }

    static void half(uint8_t* packed, uint16_t value) { std::memcpy(packed, &value, 2); }
    static void byte(uint8_t& packed, uint8_t value) { packed = value; }
    static void nibbles(uint8_t& packed, uint8_t low, uint8_t high) { packed = uint8_t(low | high << 4); }
};

/// Moves values out of a tile.
struct Load {
    using Byte = const uint8_t;
    using Block = RowBlock;

    static void bits(uint32_t& word, int at, int width, uint32_t& codes, int from)
    {
        codes |= moveBits(word, at, width, from);
    }
    static void fetchCodes(uint32_t&, const uint8_t*) { }
    static void returnCodes(uint32_t four, uint8_t* codes) { writeWord(codes, four); }
    static void fetchPacked(uint32_t& word, const uint8_t* packed) { word = readWord(packed); }
    static void returnPacked(uint32_t, const uint8_t*) { }

    static void half(const uint8_t* packed, uint16_t& value) { std::memcpy(&value, packed, 2); }
    static void byte(uint8_t packed, uint8_t& value) { value = packed; }
    static void nibbles(uint8_t packed, uint8_t& low, uint8_t& high)
    {
        low = packed & 15;
        high = packed >> 4;
    }
};

/// One row of a tile of a block type: the layout that packing.h describes, written once for both directions.
template <class Access, Type type>
class TileRow {
public:
    using Byte = typename Access::Byte;
    using Block = typename Access::Block;

    TileRow(int tileRows, int lane)
        : m_rows(size_t(tileRows))
        , m_lane(size_t(lane))
    {
    }

    /// `packed`: the block in the tile, its scales first.
    void move(Byte* packed, Block& block) const
    {
        moveScales(packed, block);
        Byte* codes = packed + size_t(code.scaleBytes) * m_rows + 4 * m_lane;
        for (size_t part = 0; part < (code.superBlocks ? 8 : 1); ++part)
            moveCodes(codes + part * size_t(code.quantBytes) * m_rows, block.codes + 32 * part);
    }

private:
    static constexpr CodeTraits code = codeTraits(type);

    /// Of 32 columns, four at a time, through this row's words of the registers.
    template <class Codes>
    void moveCodes(Byte* packed, Codes* codes) const
    {
        constexpr int words = code.quantBytes / 4;
        uint32_t word[words] = {};
        for (int i = 0; i < words; ++i)
            Access::fetchPacked(word[i], packed + size_t(i) * 4 * m_rows);
        for (int j = 0; j < 8; ++j) {
            uint32_t four = 0;
            Access::fetchCodes(four, codes + 4 * j);
            if constexpr (code.bits == 8) {
                Access::bits(word[j], 0, 8, four, 0);
            } else if constexpr (code.bits < 4) {
                Access::bits(word[j / 4], j % 4 * 2, 2, four, 0);
                if constexpr (code.bits == 3)
                    Access::bits(word[2], j, 1, four, 2);
            } else if constexpr (code.bits == 6) {
                const int first = j / 4 * 3;
                if (j % 4 < 3)
                    Access::bits(word[first + j % 4], 0, 6, four, 0);
                else
                    for (int i = 0; i < 3; ++i)
                        Access::bits(word[first + i], 6, 2, four, 2 * i);
            } else {
                Access::bits(word[j % 4], j < 4 ? 0 : 4, 4, four, 0);
                if constexpr (code.bits == 5)
                    Access::bits(word[4], j, 1, four, 4);
            }
            Access::returnCodes(four, codes + 4 * j);
        }
        for (int i = 0; i < words; ++i)
            Access::returnPacked(word[i], packed + size_t(i) * 4 * m_rows);
    }

    void moveScales(Byte* packed, Block& block) const
    {
        if constexpr (code.exponents) {
            Access::byte(packed[m_lane], block.scales[0]);
        } else {
            Access::half(packed + 2 * m_lane, block.scale);
            if constexpr (code.minimums)
                Access::half(packed + 2 * (m_rows + m_lane), block.minimum);
            if constexpr (code.superBlocks)
                moveByteScales(packed + (code.minimums ? 4 : 2) * m_rows + m_lane, block);
        }
    }

    void moveByteScales(Byte* packed, Block& block) const
    {
        for (size_t i = 0; i < (code.halfScales ? 16 : 8); ++i, packed += m_rows) {
            if constexpr (code.halfScales && code.minimums) {
                Access::nibbles(*packed, block.scales[i], block.minimums[i]);
                continue;
            }
            Access::byte(*packed, block.scales[i]);
            if constexpr (code.minimums) {
                packed += m_rows;
                Access::byte(*packed, block.minimums[i]);
            }
        }
    }

    size_t m_rows;
    size_t m_lane;
};

/// Calls `work` with a block type that is known to the compiler.
template <class Work>
void withBlockType(Type type, const Work& work)
{
    switch (type) {
    case Type::Q4_0:
        return work.template operator()<Type::Q4_0>();
    case Type::Q4_1:
        return work.template operator()<Type::Q4_1>();
    case Type::Q5_0:
        return work.template operator()<Type::Q5_0>();
    case Type::Q5_1:
        return work.template operator()<Type::Q5_1>();
    case Type::Q8_0:
        return work.template operator()<Type::Q8_0>();
    case Type::Q4_K:
        return work.template operator()<Type::Q4_K>();
    case Type::Q5_K:
        return work.template operator()<Type::Q5_K>();
    case Type::Q6_K:
        return work.template operator()<Type::Q6_K>();
    case Type::Q2_K:
        return work.template operator()<Type::Q2_K>();
    case Type::Q3_K:
        return work.template operator()<Type::Q3_K>();
    case Type::IQ4_NL:
        return work.template operator()<Type::IQ4_NL>();
    case Type::IQ4_XS:
        return work.template operator()<Type::IQ4_XS>();
    case Type::MXFP4:
        return work.template operator()<Type::MXFP4>();
    default:
        assert(false && "not a block type");
    }
}

/// Bytes that one row takes of a (super-)block in a tile; of an element for dense types.
size_t packedBytes(Type type)
{
    const TypeTraits& t = traits(type);
    const CodeTraits code = codeTraits(type);
    return t.isQuantized() ? size_t(t.blockElements / 32 * code.quantBytes + code.scaleBytes) : size_t(t.blockBytes);
}

/// `rows` of elements of so many bytes become columns of `stride` elements, of which the first `rows` are filled.
template <size_t element>
void transpose(const std::byte* source, int64_t rows, int64_t columns, std::byte* destination, int64_t stride)
{
    constexpr int64_t stretch = 32; // columns of all rows that stay in the first-level cache
    for (int64_t begin = 0; begin < columns; begin += stretch)
        for (int64_t row = 0; row < rows; ++row)
            for (int64_t column = begin; column < std::min(begin + stretch, columns); ++column)
                std::memcpy(destination + size_t(column * stride + row) * element,
                            source + size_t(row * columns + column) * element, element);
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
    // Zeros where nothing is packed: for rows beyond the last, and behind the last block.
    const size_t used = size_t(m_columns / traits(m_type).blockElements) * m_blockBytes;
    const size_t kept = (tile + 1) * m_tileRows <= m_rows ? used : 0;
    std::memset(destination + kept, 0, m_tileBytes - kept);
    if (traits(m_type).isQuantized())
        packBlocks(tile, source, destination);
    else
        packDense(tile, source, destination);
}

void Packing::packDense(int64_t tile, const std::byte* source, std::byte* destination) const
{
    const int64_t lanes = std::min<int64_t>(m_tileRows, m_rows - tile * m_tileRows);
    const std::byte* rows = source + size_t(tile * m_tileRows) * rowBytes(m_type, m_columns);
    assert(traits(m_type).blockBytes == 2 || traits(m_type).blockBytes == 4);
    if (traits(m_type).blockBytes == 2)
        transpose<2>(rows, lanes, m_columns, destination, m_tileRows);
    else
        transpose<4>(rows, lanes, m_columns, destination, m_tileRows);
}

void Packing::packBlocks(int64_t tile, const std::byte* source, std::byte* destination) const
{
    const TypeTraits& t = traits(m_type);
    const size_t stride = rowBytes(m_type, m_columns);
    const int lanes = int(std::min<int64_t>(m_tileRows, m_rows - tile * m_tileRows));
    const auto* blocks = reinterpret_cast<const uint8_t*>(source) + size_t(tile * m_tileRows) * stride;
    auto* packed = reinterpret_cast<uint8_t*>(destination);
    withBlockType(m_type, [&]<Type type> {
        for (int64_t i = 0; i < m_columns / t.blockElements; ++i, blocks += t.blockBytes, packed += m_blockBytes)
            for (int lane = 0; lane < lanes; ++lane)
                TileRow<Store, type>(m_tileRows, lane).move(packed, readBlock(type, blocks + size_t(lane) * stride));
    });
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
    const auto* blocks = reinterpret_cast<const uint8_t*>(tile);
    withBlockType(m_type, [&]<Type type> {
        const TileRow<Load, type> source(m_tileRows, lane);
        for (int64_t i = 0; i < m_columns / t.blockElements; ++i, blocks += m_blockBytes) {
            RowBlock block;
            source.move(blocks, block);
            expandBlock(type, block, destination + i * t.blockElements);
        }
    });
}

} // namespace cortex::kernels
