// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/cpu/cpudevice.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>

namespace cortex::kernels {

namespace {

/// The largest product of the paths: rows of a group times rows of a tile.
constexpr int largestProduct = 16 * 16;

/// Activations that a worker walks again for every tile should stay in its share of the second-level cache.
constexpr int64_t passBytes = 384 << 10;

/// Less weight than this is not worth waking anybody for.
constexpr int64_t smallestChunkBytes = 16 << 10;

/// Chunks of work per worker: enough that one that is held up does not hold up the others.
constexpr int chunksPerWorker = 4;

/// The first element of an int32 tensor of this device.
int32_t* integers(const Tensor& tensor)
{
    assert(tensor.type == Type::I32);
    return reinterpret_cast<int32_t*>(static_cast<const CpuBuffer*>(tensor.buffer)->data() + tensor.offset);
}

/// Keeps the `k` greatest of `values` in `best`, in order; of equals the lower number comes first, NaN counts as least.
void selectGreatest(const float* values, int count, int32_t* best, int k)
{
    const auto rank = [values](int i) { return std::isnan(values[i]) ? -INFINITY : values[i]; };
    int kept = 0;
    for (int i = 0; i < count; ++i) {
        const float value = rank(i);
        if (kept == k && !(value > rank(best[k - 1])))
            continue;
        int at = kept < k ? kept++ : k - 1;
        for (; at > 0 && value > rank(best[at - 1]); --at)
            best[at] = best[at - 1];
        best[at] = i;
    }
}

} // namespace

void CpuDevice::routeExperts(const ExpertChoice& choice, const Tensor& logits, bool renormalise)
{
    const int experts = int(logits.columns());
    const int k = int(choice.experts.columns());
    assert(choice.experts.rows() == logits.rows() && choice.shares.rows() == logits.rows());
    assert(choice.shares.columns() == k && k <= experts && experts <= m_limits.experts);
    m_pool.forEach(logits.rows(), std::max(1, 2048 / experts), [&](int row, int worker) {
        const float* x = floats(logits) + row * rowStride(logits);
        int32_t* best = integers(choice.experts) + row * rowStride(choice.experts);
        float* shares = floats(choice.shares) + row * rowStride(choice.shares);
        float* all = m_scratch[size_t(worker)].shares;
        // The order of the shares is that of the logits, which do not underflow.
        selectGreatest(x, experts, best, k);
        m_path.softmax(all, x, experts);
        float sum = 0;
        for (int j = 0; j < k; ++j)
            sum += shares[j] = all[best[j]];
        if (renormalise)
            for (int j = 0; j < k; ++j)
                shares[j] /= sum;
    });
}

/// The group that sorted pair `place` of `expert` falls into.
CpuDevice::Group CpuDevice::groupAt(int expert, int place) const
{
    return groupOf(place, m_experts.begins[expert], m_experts.begins[expert + 1]);
}

/// Where `pairs` rows of so many columns lie in these formats.
CpuDevice::Activations CpuDevice::expertActivations(Formats formats, int64_t columns, int64_t pairs) const
{
    Activations out;
    out.columns = columns;
    std::byte* units = m_experts.units;
    for (ActivationFormat format : activationFormats) {
        if (!formats.has(format))
            continue;
        out.units[size_t(format)] = units;
        units += size_t(pairs * (columns / unitColumns(format))) * unitBytes(format);
    }
    assert(units - m_experts.units <= pairs * columns * int64_t(sizeof(float)));
    return out;
}

/// Counting sort: pairs of one expert keep the order of their rows.
void CpuDevice::sortByExpert(const ExpertChoice& choice, int experts)
{
    const int64_t rows = choice.experts.rows(), k = choice.experts.columns();
    int32_t* begins = m_experts.begins;
    std::fill(begins, begins + experts + 1, 0);
    const auto expertOf = [&](int64_t row, int64_t j) {
        const int32_t expert = integers(choice.experts)[row * rowStride(choice.experts) + j];
        assert(expert >= 0 && expert < experts);
        return expert;
    };
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t j = 0; j < k; ++j)
            ++begins[expertOf(row, j) + 1];
    for (int expert = 0; expert < experts; ++expert)
        begins[expert + 1] += begins[expert];
    for (int64_t row = 0; row < rows; ++row) {
        for (int64_t j = 0; j < k; ++j) {
            const int32_t place = begins[expertOf(row, j)]++;
            m_experts.pairs[place] = int32_t(row * k + j);
            m_experts.places[row * k + j] = place;
        }
    }
    // Each begin has moved on to its end, which is where the next expert begins.
    std::copy_backward(begins, begins + experts, begins + experts + 1);
    begins[0] = 0;
}

/// Normalises and quantizes each row once, for its first expert, and copies what came out to the others.
void CpuDevice::arrangeInput(const LinearInput& input, const ExpertChoice& choice, const Activations& out)
{
    const int64_t columns = input.x.columns();
    const int k = int(choice.experts.columns());
    m_pool.forEach(input.x.rows(), std::max<int64_t>(1, 8192 / columns), [&](int row, int worker) {
        const float* x = floats(input.x) + row * rowStride(input.x);
        if (input.norm) {
            float* normalized = m_scratch[size_t(worker)].row;
            m_path.normalize(normalized, x, cpu(*input.norm).floats(), columns, input.epsilon);
            x = normalized;
        }
        const int32_t* experts = integers(choice.experts) + row * rowStride(choice.experts);
        const int32_t* places = m_experts.places + row * k;
        const Group first = groupAt(experts[0], places[0]);
        arrangeRow(x, out, first, places[0]);
        for (int j = 1; j < k; ++j)
            out.copy(first, places[0], groupAt(experts[j], places[j]), places[j]);
    });
}

/// Calls consume(expert, tile, first, rows) for every tile of every expert that was chosen and every group of its
/// pairs: each worker takes a range of tiles of all experts, so that all have the same to do however the rows were
/// spread, and experts follow in order within a range.
template <class Consume>
void CpuDevice::forExpertTiles(int experts, int64_t tiles, size_t tileBytes, int64_t rowBytes, const Consume& consume)
{
    const int64_t stretch = m_path.largestGroup;
    const int pass = int(std::max(stretch, passBytes / rowBytes / stretch * stretch));
    const int64_t pairs = m_experts.begins[experts];
    const int64_t grain = std::max<int64_t>(1, smallestChunkBytes / (int64_t(tileBytes) * std::max<int64_t>(1, pairs)));
    const int64_t chunks = std::min<int64_t>((tiles + grain - 1) / grain, chunksPerWorker * m_pool.size());
    m_pool.run(int(chunks), [&](int chunk, int) {
        for (int expert = 0; expert < experts; ++expert) {
            const int end = m_experts.begins[expert + 1];
            for (int begin = m_experts.begins[expert]; begin < end; begin += pass)
                for (int64_t tile = tiles * chunk / chunks; tile < tiles * (chunk + 1) / chunks; ++tile)
                    for (int first = begin, rows; first < std::min(end, begin + pass); first += rows) {
                        rows = rowGroup(end - first, m_path.largestGroup);
                        consume(expert, tile, first, rows);
                    }
        }
    });
}

void CpuDevice::expertFeedForward(const LinearInput& input, const ExpertWeights& weights, const ExpertChoice& choice,
                                  Activation activation, const Tensor& inner, const Tensor& out)
{
    const CpuWeight& gate = cpu(*weights.gate.front());
    const CpuWeight& up = cpu(*weights.up.front());
    const CpuWeight& down = cpu(*weights.down.front());
    const int experts = int(weights.gate.size());
    const int64_t rows = input.x.rows(), k = choice.experts.columns();
    Formats formats, innerFormats;
    formats.add(m_path.format(gate.type()));
    formats.add(m_path.format(up.type()));
    innerFormats.add(m_path.format(down.type()));
    assert(rows <= m_limits.rows && k <= m_limits.expertsPerRow && experts <= m_limits.experts);
    assert(input.x.columns() == gate.columns() && up.columns() == gate.columns() && up.rows() == gate.rows());
    assert(down.columns() == gate.rows() && down.rows() == gate.columns() && out.columns() == down.rows());
    assert(inner.rows() >= rows * k && inner.columns() == gate.rows() && out.rows() == rows);
    assert(std::max(gate.columns(), down.columns()) <= m_limits.columns);
    assert(traits(up.type()).isQuantized() == traits(gate.type()).isQuantized());
    const Activations inputs = expertActivations(formats, gate.columns(), rows * k);
    const Activations inners = expertActivations(innerFormats, down.columns(), rows * k);
    const int width = m_path.tileRows;

    sortByExpert(choice, experts);
    arrangeInput(input, choice, inputs);
    forExpertTiles(experts, gate.tiles(), (gate.residentBytes() + up.residentBytes()) / size_t(gate.tiles()),
                   formats.rowBytes(gate.columns()), [&](int expert, int64_t tile, int first, int count) {
                       alignas(64) float gated[largestProduct], raised[largestProduct];
                       multiplyTiles(cpu(*weights.gate[size_t(expert)]), tile, 1, {first, count}, inputs, gated);
                       multiplyTiles(cpu(*weights.up[size_t(expert)]), tile, 1, {first, count}, inputs, raised);
                       m_path.gate(activation, gated, gated, raised, int64_t(count) * width);
                       const int64_t column = tile * width;
                       const size_t columns = size_t(std::min<int64_t>(width, inner.columns() - column));
                       for (int row = 0; row < count; ++row)
                           std::memcpy(floats(inner) + (first + row) * rowStride(inner) + column, gated + row * width,
                                       columns * sizeof(float));
                   });
    m_pool.forEach(rows * k, std::max<int64_t>(1, 8192 / inner.columns()), [&](int place, int) {
        const int pair = m_experts.pairs[place];
        const int expert = integers(choice.experts)[pair / k * rowStride(choice.experts) + pair % k];
        arrangeRow(floats(inner) + place * rowStride(inner), inners, groupAt(expert, place), place);
    });
    forExpertTiles(experts, down.tiles(), down.residentBytes() / size_t(down.tiles()),
                   innerFormats.rowBytes(down.columns()), [&](int expert, int64_t tile, int first, int count) {
                       alignas(64) float sums[largestProduct];
                       multiplyTiles(cpu(*weights.down[size_t(expert)]), tile, 1, {first, count}, inners, sums);
                       const int64_t column = tile * width;
                       const int64_t columns = std::min<int64_t>(width, out.columns() - column);
                       for (int i = 0; i < count; ++i) {
                           const int64_t row = m_experts.pairs[first + i] / k, j = m_experts.pairs[first + i] % k;
                           const float share = floats(choice.shares)[row * rowStride(choice.shares) + j];
                           float* sum = floats(out) + row * rowStride(out) + column;
                           for (int64_t c = 0; c < columns; ++c)
                               sum[c] += share * sums[i * width + c];
                       }
                   });
}

} // namespace cortex::kernels
