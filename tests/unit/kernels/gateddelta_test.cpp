// SPDX-License-Identifier: GPL-3.0-only
#include "fixtures.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace cortex::kernels;
using namespace cortex::kernels::test;

namespace {

/// One Gated DeltaNet layer.
struct Shape {
    int keyHeads = 2;
    int valueHeads = 2;
    int keyDim = 16;
    int valueDim = 16;
    int kernelWidth = 4;
    KeyHeadOrder order = KeyHeadOrder::Grouped;
    float epsilon = 1e-6f;

    StateLayout layout(int slots) const
    {
        return {.layers = 2,
                .slots = slots,
                .keyHeads = keyHeads,
                .valueHeads = valueHeads,
                .keyDim = keyDim,
                .valueDim = valueDim,
                .kernelWidth = kernelWidth};
    }
    size_t channels() const { return size_t(layout(1).channels()); }
    size_t width() const { return size_t(valueHeads * valueDim); }
    int keyHead(int head) const
    {
        return order == KeyHeadOrder::Grouped ? head / (valueHeads / keyHeads) : head % keyHeads;
    }
};

std::vector<Shape> variants()
{
    return {
        {},
        {.keyHeads = 1, .valueHeads = 3, .keyDim = 32, .valueDim = 48},
        {.keyHeads = 2, .valueHeads = 6, .keyDim = 24, .valueDim = 40, .order = KeyHeadOrder::Tiled},
        {.keyHeads = 3, .valueHeads = 6, .keyDim = 13, .valueDim = 7, .kernelWidth = 3, .epsilon = 1e-5f},
        {.keyHeads = 1, .valueHeads = 1, .keyDim = 128, .valueDim = 128, .order = KeyHeadOrder::Tiled},
        {.keyHeads = 2, .valueHeads = 4, .keyDim = 8, .valueDim = 100, .kernelWidth = 1},
        {.keyHeads = 1, .valueHeads = 2, .keyDim = 17, .valueDim = 33, .kernelWidth = 7},
    };
}

/// Heads that remember nearly everything beside heads that forget at once, the last one altogether.
struct Parameters {
    FileWeight convolution, decayRate, decayBias, norm;

    Parameters(const Shape& shape, Random& random)
        : convolution(random.floats(shape.channels() * size_t(shape.kernelWidth)))
        , decayRate(rates(shape, random))
        , decayBias(random.floats(size_t(shape.valueHeads), -5, 1))
        , norm(random.floats(size_t(shape.valueDim), 0.5f, 2))
    {
    }

    static std::vector<float> rates(const Shape& shape, Random& random)
    {
        std::vector<float> values;
        for (int head = 0; head < shape.valueHeads; ++head)
            values.push_back(head > 0 && head == shape.valueHeads - 1 ? -1000 : -std::exp(random.uniform(-3, 3)));
        return values;
    }
};

/// What the projections of one sequence's tokens gave.
struct Sequence {
    int rows;
    std::vector<float> mixed, gate, beta, decay;

    Sequence(const Shape& shape, int rowCount, Random& random)
        : rows(rowCount)
        , mixed(random.floats(size_t(rows) * shape.channels(), -2, 2))
        , gate(random.floats(size_t(rows) * shape.width(), -3, 3))
        , beta(random.floats(size_t(rows * shape.valueHeads), -3, 3))
        , decay(random.floats(size_t(rows * shape.valueHeads), -6, 3))
    {
    }
};

using Vector = std::vector<double>;

/// The equations of Device::gatedDelta, token by token and head by head, in double precision.
class Reference {
public:
    Reference(const Shape& shape, const Parameters& parameters, const Sequence& sequence)
        : m_shape(shape)
        , m_parameters(parameters)
        , m_sequence(sequence)
    {
    }

    Vector query(int head, int row) const
    {
        return unit(head * m_shape.keyDim, row, 1 / std::sqrt(double(m_shape.keyDim)));
    }
    Vector key(int head, int row) const { return unit((m_shape.keyHeads + head) * m_shape.keyDim, row, 1); }
    Vector value(int head, int row) const
    {
        return convolved(2 * m_shape.keyHeads * m_shape.keyDim + head * m_shape.valueDim, m_shape.valueDim, row);
    }
    double beta(int head, int row) const { return 1 / (1 + std::exp(-at(m_sequence.beta, row, head))); }
    double logDecay(int head, int row) const
    {
        const double a = at(m_sequence.decay, row, head) + double(m_parameters.decayBias.values[size_t(head)]);
        return double(m_parameters.decayRate.values[size_t(head)]) * std::log1p(std::exp(a));
    }

    /// Normalises and gates o [valueDim] of a head and stores it in `out` [rows, width].
    void finish(Vector& out, int head, int row, const Vector& o) const
    {
        double squares = 0;
        for (double x : o)
            squares += x * x;
        const double factor = 1 / std::sqrt(squares / m_shape.valueDim + double(m_shape.epsilon));
        for (int d = 0; d < m_shape.valueDim; ++d) {
            const size_t column = size_t(row) * m_shape.width() + size_t(head * m_shape.valueDim + d);
            const double z = double(m_sequence.gate[column]);
            out[column] = double(m_parameters.norm.values[size_t(d)]) * o[size_t(d)] * factor * z / (1 + std::exp(-z));
        }
    }

    /// The recurrent form.
    Vector recurrent() const
    {
        Vector out(size_t(m_sequence.rows) * m_shape.width());
        const size_t keys = size_t(m_shape.keyDim), values = size_t(m_shape.valueDim);
        for (int head = 0; head < m_shape.valueHeads; ++head) {
            Vector s(keys * values);
            for (int row = 0; row < m_sequence.rows; ++row) {
                const Vector q = query(m_shape.keyHead(head), row), k = key(m_shape.keyHead(head), row);
                const Vector v = value(head, row);
                for (double& x : s)
                    x *= std::exp(logDecay(head, row));
                Vector o(values);
                for (size_t d = 0; d < values; ++d) {
                    double recalled = 0;
                    for (size_t i = 0; i < keys; ++i)
                        recalled += s[i * values + d] * k[i];
                    for (size_t i = 0; i < keys; ++i) {
                        s[i * values + d] += k[i] * beta(head, row) * (v[d] - recalled);
                        o[d] += s[i * values + d] * q[i];
                    }
                }
                finish(out, head, row, o);
            }
        }
        return out;
    }

    /// The chunked form of the first `rows` tokens, `chunk` at a time: within a chunk, the triangular system of
    /// (I + A) Ṽ = diag(β) (V − (K ⊙ e^G) S), A = strictly lower part of diag(β) (K Kᵀ ⊙ Γ), Γ_ij = e^(G_i − G_j).
    Vector chunked(int rows, int chunk) const
    {
        Vector out(size_t(rows) * m_shape.width());
        for (int head = 0; head < m_shape.valueHeads; ++head) {
            Vector s(size_t(m_shape.keyDim * m_shape.valueDim));
            for (int first = 0; first < rows; first += chunk)
                runChunk(out, s, head, first, std::min(chunk, rows - first));
        }
        return out;
    }

private:
    double at(const std::vector<float>& values, int row, int head) const
    {
        return double(values[size_t(row * m_shape.valueHeads + head)]);
    }

    Vector convolved(int channel, int count, int row) const
    {
        Vector out;
        for (int c = channel; c < channel + count; ++c) {
            double sum = 0;
            for (int tap = 0; tap < m_shape.kernelWidth; ++tap) {
                const int from = row + tap - (m_shape.kernelWidth - 1);
                if (from >= 0)
                    sum += double(m_sequence.mixed[size_t(from) * m_shape.channels() + size_t(c)])
                        * double(m_parameters.convolution.values[size_t(c * m_shape.kernelWidth + tap)]);
            }
            out.push_back(sum / (1 + std::exp(-sum)));
        }
        return out;
    }

    Vector unit(int channel, int row, double length) const
    {
        Vector x = convolved(channel, m_shape.keyDim, row);
        const double squares = std::inner_product(x.begin(), x.end(), x.begin(), 0.0);
        for (double& value : x)
            value *= length / std::sqrt(squares + 1e-6);
        return x;
    }

    void runChunk(Vector& out, Vector& s, int head, int first, int rows) const
    {
        const size_t keys = size_t(m_shape.keyDim), values = size_t(m_shape.valueDim);
        const int keyHead = m_shape.keyHead(head);
        std::vector<Vector> q, k, written;
        Vector sums;
        for (int i = 0; i < rows; ++i) {
            q.push_back(query(keyHead, first + i));
            k.push_back(key(keyHead, first + i));
            sums.push_back((i > 0 ? sums.back() : 0) + logDecay(head, first + i));
            // Row i of Ṽ by forward substitution.
            Vector row = value(head, first + i);
            for (size_t d = 0; d < values; ++d)
                for (size_t a = 0; a < keys; ++a)
                    row[d] -= std::exp(sums.back()) * k.back()[a] * s[a * values + d];
            for (int j = 0; j < i; ++j) {
                const double share = std::inner_product(k.back().begin(), k.back().end(), k[size_t(j)].begin(), 0.0)
                    * std::exp(sums.back() - sums[size_t(j)]);
                for (size_t d = 0; d < values; ++d)
                    row[d] -= share * written[size_t(j)][d];
            }
            for (double& x : row)
                x *= beta(head, first + i);
            written.push_back(row);

            Vector o(values);
            for (size_t d = 0; d < values; ++d)
                for (size_t a = 0; a < keys; ++a)
                    o[d] += std::exp(sums.back()) * q.back()[a] * s[a * values + d];
            for (int j = 0; j <= i; ++j) {
                const double share = std::inner_product(q.back().begin(), q.back().end(), k[size_t(j)].begin(), 0.0)
                    * std::exp(sums.back() - sums[size_t(j)]);
                for (size_t d = 0; d < values; ++d)
                    o[d] += share * written[size_t(j)][d];
            }
            finish(out, head, first + i, o);
        }
        for (size_t a = 0; a < keys; ++a)
            for (size_t d = 0; d < values; ++d) {
                s[a * values + d] *= std::exp(sums.back());
                for (size_t j = 0; j < size_t(rows); ++j)
                    s[a * values + d] += k[j][a] * std::exp(sums.back() - sums[j]) * written[j][d];
            }
    }

    const Shape& m_shape;
    const Parameters& m_parameters;
    const Sequence& m_sequence;
};

/// The layer on a device: runs steps that mix pieces of sequences.
class DeviceMixer {
public:
    struct Piece {
        int sequence, slot, first, rows;
    };

    DeviceMixer(Device& device, const Shape& shape, const Parameters& parameters, int slots)
        : m_device(device)
        , m_shape(shape)
        , m_convolution(device.loadWeight(parameters.convolution.source(), WeightUse::Vector))
        , m_decayRate(device.loadWeight(parameters.decayRate.source(), WeightUse::Vector))
        , m_decayBias(device.loadWeight(parameters.decayBias.source(), WeightUse::Vector))
        , m_norm(device.loadWeight(parameters.norm.source(), WeightUse::Vector))
        , m_pool(device.createStatePool(shape.layout(slots)))
        , m_batch(device.createBatch({.rows = 512, .sequences = slots, .blocksPerSequence = 1}))
        , m_tables(size_t(slots))
    {
        CHECK(m_pool->bytes() == device.statePoolBytes(shape.layout(slots)));
    }

    Device& device() { return m_device; }
    StatePool& pool() { return *m_pool; }

    /// Outputs of the pieces' rows, one after another.
    std::vector<float> step(const std::vector<Sequence>& sequences, const std::vector<Piece>& pieces, int layer = 1)
    {
        std::vector<float> mixed, gate, beta, decay;
        std::vector<BatchSequence> plan;
        int rows = 0;
        for (const Piece& piece : pieces) {
            const Sequence& s = sequences[size_t(piece.sequence)];
            const auto append = [&piece](std::vector<float>& to, const std::vector<float>& from, size_t width) {
                const auto begin = from.begin() + piece.first * long(width);
                to.insert(to.end(), begin, begin + piece.rows * long(width));
            };
            append(mixed, s.mixed, m_shape.channels());
            append(gate, s.gate, m_shape.width());
            append(beta, s.beta, size_t(m_shape.valueHeads));
            append(decay, s.decay, size_t(m_shape.valueHeads));
            plan.push_back({piece.slot, rows, piece.rows, piece.first});
            rows += piece.rows;
        }
        const std::vector<int32_t> tokens(static_cast<size_t>(rows));
        m_batch->set({tokens, plan, m_tables, {}});
        const DeviceTensor x(m_device, {rows, int64_t(m_shape.channels())}, mixed);
        const DeviceTensor z(m_device, {rows, int64_t(m_shape.width())}, gate);
        const DeviceTensor b(m_device, {rows, m_shape.valueHeads}, beta);
        const DeviceTensor a(m_device, {rows, m_shape.valueHeads}, decay);
        const DeviceTensor out(m_device, {rows, int64_t(m_shape.width())});
        m_device.gatedDelta(
            out.tensor(), {x.tensor(), z.tensor(), b.tensor(), a.tensor()},
            {m_convolution.get(), m_decayRate.get(), m_decayBias.get(), m_norm.get(), m_shape.epsilon, m_shape.order},
            *m_pool, layer, *m_batch);
        return out.values();
    }

    /// One sequence's outputs when its rows come in pieces of these lengths.
    std::vector<float> inPieces(const std::vector<Sequence>& sequences, const std::vector<int>& lengths, int slot = 0)
    {
        std::vector<float> out;
        int first = 0;
        for (int length : lengths) {
            const std::vector<float> rows = step(sequences, {{0, slot, first, length}});
            out.insert(out.end(), rows.begin(), rows.end());
            first += length;
        }
        return out;
    }

private:
    Device& m_device;
    Shape m_shape;
    WeightPtr m_convolution, m_decayRate, m_decayBias, m_norm;
    std::unique_ptr<StatePool> m_pool;
    std::unique_ptr<Batch> m_batch;
    std::vector<int32_t> m_tables;
};

WorkspaceLimits limitsFor(const Shape& shape)
{
    return {.rows = 512, .columns = 64, .heads = 1, .headDim = 16, .contextTokens = 512, .state = shape.layout(1)};
}

std::vector<float> rowsOf(const std::vector<float>& values, size_t first, size_t count, size_t width)
{
    const auto begin = values.begin() + long(first * width);
    return {begin, begin + long(count * width)};
}

} // namespace

TEST_CASE("gatedDelta matches the recurrent form in double precision")
{
    for (const Shape& shape : variants()) {
        CAPTURE(shape.keyDim);
        CAPTURE(shape.valueDim);
        Random random(21);
        const Parameters parameters(shape, random);
        const std::vector<Sequence> sequences{{shape, 150, random}};
        const Vector expected = Reference(shape, parameters, sequences[0]).recurrent();
        for (const auto& device : allDevices(limitsFor(shape))) {
            INFO(describe(*device));
            DeviceMixer mixer(*device, shape, parameters, 1);
            CHECK(relativeError(mixer.step(sequences, {{0, 0, 0, 150}}), expected) < 5e-6);
        }
    }
}

TEST_CASE("gatedDelta matches the chunked form at every length")
{
    const Shape shape{.keyHeads = 1, .valueHeads = 2, .keyDim = 16, .valueDim = 8};
    Random random(22);
    const Parameters parameters(shape, random);
    const std::vector<Sequence> sequences{{shape, 200, random}};
    const Reference reference(shape, parameters, sequences[0]);
    std::vector<Vector> chunked;
    for (int length = 1; length <= 200; ++length)
        chunked.push_back(reference.chunked(length, 64));
    for (const auto& device : allDevices(limitsFor(shape))) {
        INFO(describe(*device));
        DeviceMixer mixer(*device, shape, parameters, 1);
        double largest = 0;
        for (int length = 1; length <= 200; ++length)
            largest = std::max(largest,
                               relativeError(mixer.step(sequences, {{0, 0, 0, length}}), chunked[size_t(length - 1)]));
        CHECK(largest < 5e-6);
    }
}

TEST_CASE("however a prompt is cut, gatedDelta gives the same bits")
{
    const std::vector<std::vector<int>> splits{{1, 149},
                                               {149, 1},
                                               {63, 87},
                                               {64, 86},
                                               {65, 85},
                                               {1, 63, 64, 22},
                                               {17, 47, 86},
                                               {2, 1, 3, 144},
                                               {1, 1, 1, 1, 1, 145},
                                               {100, 2, 2, 2, 44},
                                               std::vector<int>(150, 1)};
    for (const Shape& shape : variants()) {
        CAPTURE(shape.keyDim);
        CAPTURE(shape.valueDim);
        Random random(23);
        const Parameters parameters(shape, random);
        const std::vector<Sequence> sequences{{shape, 150, random}};
        for (const std::string& path : allPaths()) {
            INFO(path);
            const auto one = createDevice(1, path), three = createDevice(3, path);
            one->reserveWorkspace(limitsFor(shape));
            three->reserveWorkspace(limitsFor(shape));
            DeviceMixer single(*one, shape, parameters, 1), mixer(*three, shape, parameters, 2);
            const std::vector<float> whole = single.step(sequences, {{0, 0, 0, 150}});
            // Every split begins a new sequence in a slot that another one has just left.
            for (const std::vector<int>& lengths : splits)
                CHECK(mixer.inPieces(sequences, lengths, 1) == whole);
        }
    }
}

TEST_CASE("gatedDelta of a sequence does not depend on 31 strangers in its batch")
{
    for (const Shape& shape : {variants()[0], variants()[2], variants()[6]}) {
        CAPTURE(shape.keyDim);
        Random random(24);
        const Parameters parameters(shape, random);
        std::vector<Sequence> sequences;
        for (int s = 0; s < 32; ++s)
            sequences.emplace_back(shape, random.integer(1, 60), random);
        for (const std::string& path : allPaths()) {
            INFO(path);
            const auto device = createDevice(3, path);
            device->reserveWorkspace(limitsFor(shape));
            std::vector<std::vector<float>> alone, together(32);
            DeviceMixer lonely(*device, shape, parameters, 1), mixed(*device, shape, parameters, 32);
            for (int s = 0; s < 32; ++s)
                alone.push_back(lonely.step(sequences, {{s, 0, 0, sequences[size_t(s)].rows}}));
            std::vector<int> done(32);
            for (bool more = true; more;) {
                std::vector<DeviceMixer::Piece> pieces;
                int rows = 0;
                for (int s = 0; s < 32; ++s) {
                    const int left = sequences[size_t(s)].rows - done[size_t(s)];
                    const int count = std::min(left, random.integer(0, 4) == 0 ? random.integer(1, 40) : 1);
                    if (count == 0 || rows + count > 512)
                        continue;
                    pieces.push_back({s, 31 - s, done[size_t(s)], count});
                    rows += count;
                }
                more = !pieces.empty();
                if (!more)
                    break;
                const std::vector<float> step = mixed.step(sequences, pieces);
                size_t at = 0;
                for (const DeviceMixer::Piece& piece : pieces) {
                    const std::vector<float> own = rowsOf(step, at, size_t(piece.rows), shape.width());
                    std::vector<float>& all = together[size_t(piece.sequence)];
                    all.insert(all.end(), own.begin(), own.end());
                    at += size_t(piece.rows);
                    done[size_t(piece.sequence)] += piece.rows;
                }
            }
            for (size_t s = 0; s < 32; ++s)
                CHECK(together[s] == alone[s]);
        }
    }
}

TEST_CASE("copyState takes a snapshot of all layers and brings it back")
{
    const Shape shape = variants()[1];
    Random random(25);
    const Parameters parameters(shape, random);
    const std::vector<Sequence> sequences{{shape, 40, random}, {shape, 40, random}};
    for (const auto& device : allDevices(limitsFor(shape))) {
        INFO(describe(*device));
        DeviceMixer straight(*device, shape, parameters, 1), mixer(*device, shape, parameters, 3);
        const std::vector<float> expected = straight.step(sequences, {{0, 0, 0, 40}}, 0);
        for (int layer : {0, 1})
            mixer.step(sequences, {{0, 0, 0, 25}, {1, 1, 0, 40}}, layer);
        mixer.device().copyState(mixer.pool(), 0, 2);
        // Slot 0 goes another way, then comes back to where it was.
        for (int layer : {0, 1})
            mixer.step(sequences, {{1, 0, 25, 5}}, layer);
        mixer.device().copyState(mixer.pool(), 2, 0);
        for (int layer : {0, 1}) {
            const std::vector<float> tail = rowsOf(expected, 25, 15, shape.width());
            CHECK(mixer.step(sequences, {{0, 0, 25, 15}}, layer) == tail);
            CHECK(mixer.step(sequences, {{0, 2, 25, 15}}, layer) == tail);
        }
    }
}

TEST_CASE("a pool refuses convolutions wider than the kernels can walk")
{
    StateLayout layout = Shape().layout(1);
    layout.kernelWidth = 17;
    const auto device = createCpuDevice(1);
    CHECK_THROWS_AS(device->createStatePool(layout), std::invalid_argument);
}
