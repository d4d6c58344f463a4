// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/cpu/cpudevice.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>

namespace cortex::kernels {

namespace {

/// Rows that make a chunk of work worth handing to another thread.
int64_t rowsPerChunk(int64_t columns)
{
    return std::max<int64_t>(1, 8192 / std::max<int64_t>(1, columns));
}

} // namespace

void CpuDevice::embed(const Tensor& out, const Weight& table, const Batch& batch, float scale)
{
    const CpuWeight& weight = cpu(table);
    const CpuBatch& rows = cpu(batch);
    assert(out.rows() == rows.rows() && out.columns() == weight.columns());
    m_pool.forEach(rows.rows(), rowsPerChunk(8 * out.columns()), [&](int row, int) {
        float* destination = floats(out) + row * rowStride(out);
        weight.expandRow(rows.token(row), destination);
        if (scale != 1)
            for (int64_t column = 0; column < out.columns(); ++column)
                destination[column] *= scale;
    });
}

void CpuDevice::rmsNorm(const Tensor& out, const Tensor& x, const Weight& weight, float epsilon)
{
    assert(out.rows() == x.rows() && out.columns() == x.columns() && weight.columns() * weight.rows() == x.columns());
    m_pool.forEach(x.rows(), rowsPerChunk(x.columns()), [&](int row, int) {
        m_path.normalize(floats(out) + row * rowStride(out), floats(x) + row * rowStride(x), cpu(weight).floats(),
                         x.columns(), epsilon);
    });
}

void CpuDevice::gateSigmoid(const Tensor& x, const Tensor& gate)
{
    assert(x.rows() == gate.rows() && (gate.columns() == x.columns() || gate.columns() == 1));
    m_pool.forEach(x.rows(), rowsPerChunk(x.columns()), [&](int row, int) {
        float* out = floats(x) + row * rowStride(x);
        const float* g = floats(gate) + row * rowStride(gate);
        if (gate.columns() == x.columns()) {
            m_path.gateSigmoid(out, g, x.columns());
            return;
        }
        const float factor = 1 / (1 + std::exp(-*g));
        for (int64_t column = 0; column < x.columns(); ++column)
            out[column] *= factor;
    });
}

void CpuDevice::add(const Tensor& x, const Tensor& y)
{
    assert(x.rows() == y.rows() && x.columns() == y.columns());
    m_pool.forEach(x.rows(), rowsPerChunk(x.columns()), [&](int row, int) {
        m_path.add(floats(x) + row * rowStride(x), floats(y) + row * rowStride(y), x.columns());
    });
}

void CpuDevice::gatherOutputs(const Tensor& out, const Tensor& x, const Batch& batch)
{
    const CpuBatch& rows = cpu(batch);
    assert(out.rows() == rows.outputs() && out.columns() == x.columns());
    for (int output = 0; output < rows.outputs(); ++output)
        std::memcpy(floats(out) + output * rowStride(out), floats(x) + rows.outputRow(output) * rowStride(x),
                    size_t(x.columns()) * sizeof(float));
}

} // namespace cortex::kernels
