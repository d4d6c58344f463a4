// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/types.h"

#include <cstddef>

namespace cortex::kernels {

/// How a weight of R-row tiles lies in memory. A tile holds R = CpuPath::tileRows consecutive rows (the last tile is
/// filled up with zeros) side by side, one row per vector lane, so that a product needs no sum across lanes:
///
/// Dense types: [columns][R] elements.
///
/// Block types: block after block, so that a product reads one stream of memory. First the scales, per 32 columns
///   Q4_0, Q5_0, Q8_0, IQ4_NL  d [R] float16;
///   Q4_1, Q5_1                d [R], m [R] float16;
///   MXFP4                     exponent [R] bytes;
/// or per 256 columns
///   Q4_K, Q5_K  d [R], dmin [R] float16, then for each of the eight parts scale [R], minimum [R] bytes;
///   Q2_K        d [R], dmin [R] float16, then for each part [2][R] bytes, of the first and last sixteen columns: the
///               scale in the low, the minimum in the high four bits;
///   Q3_K, Q6_K  d [R] float16, then for each part scales [2][R] signed bytes, of the first and last sixteen columns;
///   IQ4_XS      d [R] float16, then for each part scale [R] signed bytes;
/// then the codes, per 32 columns
///   low four bits  [4][R][4] bytes: byte (j, r, k) holds column 4j + k of row r below and column 16 + 4j + k above;
///   fifth bit      [R][4] bytes (Q5_*): bit j of byte (r, k) belongs to column 4j + k;
///   six bits       [2][3][R][4] bytes (Q6_K): byte (h, j, r, k) holds column 16h + 4j + k of row r below, and above it
///                  bits 2j and 2j + 1 of column 16h + 12 + k, so that three of four registers want a mask and no more;
///   Q8_0           [8][R][4] bytes: byte (j, r, k) is column 4j + k of row r;
///   two bits       [2][R][4] bytes (Q2_K, Q3_K): bits 2i, 2i + 1 of byte (h, r, k) belong to column 16h + 4i + k;
///   third bit      [R][4] bytes (Q3_K): as the fifth bit above.
///
/// This takes the bytes that the file takes, but for the types whose six-bit scales become bytes: 4 bytes more per 256
/// columns for Q3_K, Q4_K and Q5_K, 2 for IQ4_XS. A tile is rounded up to 64 bytes.
class Packing {
public:
    Packing(Type type, int64_t rows, int64_t columns, int tileRows);

    int64_t tiles() const { return m_tiles; }
    size_t tileBytes() const { return m_tileBytes; }
    size_t bytes() const { return size_t(m_tiles) * m_tileBytes; }

    /// Fills tile `tile` at `destination` from the whole weight in file format.
    void pack(int64_t tile, const std::byte* source, std::byte* destination) const;

    /// Expands one row of a packed weight, as dequantize would from the file.
    void expandRow(const std::byte* packed, int64_t row, float* destination) const;

private:
    void packDense(int64_t tile, const std::byte* source, std::byte* destination) const;
    void packBlocks(int64_t tile, const std::byte* source, std::byte* destination) const;

    Type m_type;
    int64_t m_rows;
    int64_t m_columns;
    int m_tileRows;
    int64_t m_tiles;
    size_t m_blockBytes; ///< of a (super-)block of all rows of a tile
    size_t m_tileBytes;
};

} // namespace cortex::kernels
