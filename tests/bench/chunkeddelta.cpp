// SPDX-License-Identifier: GPL-3.0-only
#include "chunkeddelta.h"

#include "kernels/cpu/products.h"
#include "kernels/cpu/vectoravx512.h"

#include <algorithm>
#include <cmath>

namespace cortex::kernels::bench {

namespace {

using V = VectorAvx512;
constexpr int dim = ChunkedDelta::dim;
constexpr int chunk = ChunkedDelta::chunk;

/// c [m, n] (=, or += when `accumulate`) a · b, with a(i, l) at a[i · rowStep + l · columnStep] for i < m, l < k;
/// b [k, n] and c are row-major. m is a multiple of 4, n of 64.
void multiply(int m, int n, int k, const float* a, int rowStep, int columnStep, const float* b, float* c,
              bool accumulate)
{
    for (int column = 0; column < n; column += 64) {
        for (int row = 0; row < m; row += 4) {
            V::F sums[4][4];
            CORTEX_UNROLL
            for (int i = 0; i < 4; ++i)
                CORTEX_UNROLL
            for (int v = 0; v < 4; ++v)
                sums[i][v] = accumulate ? V::load(c + (row + i) * n + column + 16 * v) : V::set(0);
            const float* left = a + row * rowStep;
            const float* right = b + column;
            for (int l = 0; l < k; ++l, left += columnStep, right += n) {
                CORTEX_UNROLL
                for (int i = 0; i < 4; ++i)
                    CORTEX_UNROLL
                for (int v = 0; v < 4; ++v)
                    sums[i][v] = V::fma(V::set(left[i * rowStep]), V::load(right + 16 * v), sums[i][v]);
            }
            CORTEX_UNROLL
            for (int i = 0; i < 4; ++i)
                CORTEX_UNROLL
            for (int v = 0; v < 4; ++v)
                V::store(c + (row + i) * n + column + 16 * v, sums[i][v]);
        }
    }
}

void runChunk(const ChunkedDelta& task, int64_t first)
{
    alignas(64) static thread_local float transposed[dim * chunk], scores[chunk * chunk], written[chunk * dim];
    const float* q = task.queries + first * dim;
    const float* k = task.keys + first * dim;
    const float* beta = task.beta + first;
    float* out = task.outs + first * dim;
    float sums[chunk], decays[chunk];
    for (int i = 0; i < chunk; ++i) {
        sums[i] = (i > 0 ? sums[i - 1] : 0) + task.logDecay[first + i];
        decays[i] = std::exp(sums[i]);
    }
    for (int row = 0; row < chunk; row += 16)
        for (int i = 0; i < dim; ++i)
            for (int j = row; j < row + 16; ++j)
                transposed[i * chunk + j] = k[j * dim + i];
    const auto fade = [&](int i, int j) { return std::exp(sums[i] - sums[j]); };
    static thread_local float fading[chunk * chunk];
    for (int i = 0; i < chunk; ++i)
        for (int j = 0; j <= i; ++j)
            fading[i * chunk + j] = fade(i, j);

    // Ṽ = diag(β) (V − (K ⊙ e^G) S) − A Ṽ, by blocks of four rows.
    multiply(chunk, dim, dim, k, dim, 1, task.state, written, false);
    for (int i = 0; i < chunk; ++i)
        for (int d = 0; d < dim; ++d)
            written[i * dim + d] = beta[i] * (task.values[(first + i) * dim + d] - decays[i] * written[i * dim + d]);
    multiply(chunk, chunk, dim, k, dim, 1, transposed, scores, false);
    for (int i = 0; i < chunk; ++i)
        for (int j = 0; j < i; ++j)
            scores[i * chunk + j] *= -beta[i] * fading[i * chunk + j];
    for (int row = 0; row < chunk; row += 4) {
        if (row > 0)
            multiply(4, dim, row, scores + row * chunk, chunk, 1, written, written + row * dim, true);
        for (int i = row + 1; i < row + 4; ++i)
            for (int j = row; j < i; ++j)
                for (int d = 0; d < dim; ++d)
                    written[i * dim + d] += scores[i * chunk + j] * written[j * dim + d];
    }
    // O = (Q ⊙ e^G) S + (Q Kᵀ ⊙ Γ) Ṽ
    multiply(chunk, dim, dim, q, dim, 1, task.state, out, false);
    for (int i = 0; i < chunk; ++i)
        for (int d = 0; d < dim; ++d)
            out[i * dim + d] *= decays[i];
    multiply(chunk, chunk, dim, q, dim, 1, transposed, scores, false);
    for (int i = 0; i < chunk; ++i)
        for (int j = 0; j < chunk; ++j)
            scores[i * chunk + j] = j <= i ? scores[i * chunk + j] * fading[i * chunk + j] : 0;
    for (int row = 0; row < chunk; row += 4)
        multiply(4, dim, row + 4, scores + row * chunk, chunk, 1, written, out + row * dim, true);
    // S ← e^G S + (K ⊙ e^(G_C − G))ᵀ Ṽ
    for (int i = 0; i < dim * dim; ++i)
        task.state[i] *= decays[chunk - 1];
    for (int j = 0; j < chunk; ++j)
        for (int d = 0; d < dim; ++d)
            written[j * dim + d] *= fading[(chunk - 1) * chunk + j];
    multiply(dim, dim, chunk, k, 1, dim, written, task.state, true);
}

} // namespace

void runChunkedDelta(const ChunkedDelta& task)
{
    for (int64_t first = 0; first < task.tokens; first += chunk)
        runChunk(task, first);
}

} // namespace cortex::kernels::bench
