// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <cstdint>

namespace cortex::kernels::bench {

/// One value head's delta rule in its chunked form (chunks of 64, as matrix products in float32), to compare the
/// recurrent form of the CPU kernels with. Keys and queries [tokens, 128] are normalised already.
struct ChunkedDelta {
    static constexpr int dim = 128; ///< of keys and values
    static constexpr int chunk = 64;

    int64_t tokens = 0; ///< a multiple of `chunk`
    const float* queries = nullptr;
    const float* keys = nullptr;
    const float* values = nullptr;
    const float* logDecay = nullptr; ///< g [tokens]
    const float* beta = nullptr; ///< [tokens]
    float* state = nullptr; ///< [dim, dim]
    float* outs = nullptr; ///< [tokens, dim]
};

/// Needs AVX-512.
void runChunkedDelta(const ChunkedDelta& task);

} // namespace cortex::kernels::bench
