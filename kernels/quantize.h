// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/blockformat.h"
#include "kernels/types.h"

namespace cortex::kernels {

/// Rounds `count` float32 values (a multiple of the block) to `type`, any but I32, in file format. Deterministic: the
/// same bytes on every machine and for every split into calls. Values must be finite.
///
/// F16, BF16 round to nearest even. Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 and MXFP4 take the scale from the block's extremes and
/// are bit-exact with the `gguf` Python package. The K types and IQ4 search: per group of 16 or 32 values the scale
/// (and minimum) of least squared error over a range of candidates, errors being weighted by the values' size, then the
/// scales are rounded, and last the codes to the rounded scales.
void quantize(Type type, const float* source, void* destination, int64_t count);

/// One block, taken apart; `type` is a block type.
RowBlock quantizeBlock(Type type, const float* source);

/// Whether all of them are numbers, neither infinite nor NaN.
bool allFinite(const float* values, int64_t count);

} // namespace cortex::kernels
