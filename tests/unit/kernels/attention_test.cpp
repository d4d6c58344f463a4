// SPDX-License-Identifier: GPL-3.0-only
#include "fixtures.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace cortex::kernels;
using namespace cortex::kernels::test;

namespace {

/// One attention layer as a model would run it: prepareHeads, then attention.
struct Layer {
    int heads = 6;
    int kvHeads = 2;
    int headDim = 32;
    int rotary = 32; ///< dimensions that rotate
    RopePairing pairing = RopePairing::HalfSplit;
    bool norms = false;
    int window = 0;
    Type cacheType = Type::F16;
    int blockTokens = 16;
    float magnitude = 1;

    float scale() const { return 1 / std::sqrt(float(headDim)); }
    int queryWidth() const { return heads * headDim; }
    int keyWidth() const { return kvHeads * headDim; }
};

/// Projected rows of one sequence.
struct Sequence {
    int rows;
    std::vector<float> q, k, v;

    Sequence(const Layer& layer, int rowCount, Random& random)
        : rows(rowCount)
        , q(random.floats(size_t(rows * layer.queryWidth()), -2, 2))
        , k(random.floats(size_t(rows * layer.keyWidth()), -2, 2))
        , v(random.floats(size_t(rows * layer.keyWidth())))
    {
    }
};

struct Parameters {
    FileWeight frequencies, queryNorm, keyNorm;

    Parameters(const Layer& layer, Random& random)
        : frequencies(makeFrequencies(layer))
        , queryNorm(random.floats(size_t(layer.headDim), 0.5f, 2))
        , keyNorm(random.floats(size_t(layer.headDim), 0.5f, 2))
    {
    }

    static std::vector<float> makeFrequencies(const Layer& layer)
    {
        std::vector<float> values;
        for (int i = 0; i < layer.rotary / 2; ++i)
            values.push_back(float(std::pow(10000.0, -2.0 * i / layer.rotary)));
        return values;
    }
};

/// The same layer on a device: runs steps that mix pieces of sequences.
class DeviceLayer {
public:
    struct Piece {
        int sequence, first, rows;
    };

    DeviceLayer(Device& device, const Layer& layer, const Parameters& parameters, int sequences, int tokensPerSequence)
        : m_device(device)
        , m_layer(layer)
        , m_blocks((tokensPerSequence + layer.blockTokens - 1) / layer.blockTokens)
        , m_frequencies(device.loadWeight(parameters.frequencies.source(), WeightUse::Vector))
        , m_queryNorm(device.loadWeight(parameters.queryNorm.source(), WeightUse::Vector))
        , m_keyNorm(device.loadWeight(parameters.keyNorm.source(), WeightUse::Vector))
    {
        KvLayout layout{.layers = 2,
                        .blocks = sequences * m_blocks,
                        .blockTokens = layer.blockTokens,
                        .heads = layer.kvHeads,
                        .headDim = layer.headDim,
                        .type = layer.cacheType};
        m_pool = device.createKvPool(layout);
        CHECK(m_pool->bytes() == device.kvPoolBytes(layout));
        m_batch = device.createBatch({.rows = 512, .sequences = sequences, .blocksPerSequence = m_blocks});
        // Blocks of the sequences interleave, in descending order.
        for (int sequence = 0; sequence < sequences; ++sequence)
            for (int block = 0; block < m_blocks; ++block)
                m_tables.push_back((m_blocks - 1 - block) * sequences + sequence);
    }

    /// Outputs of the pieces' rows, one after another.
    std::vector<float> step(const std::vector<Sequence>& sequences, const std::vector<Piece>& pieces)
    {
        std::vector<float> q, k, v;
        std::vector<BatchSequence> plan;
        int rows = 0;
        const auto append = [](std::vector<float>& to, const std::vector<float>& from, int first, int count,
                               int width) {
            to.insert(to.end(), from.begin() + first * width, from.begin() + (first + count) * width);
        };
        for (const Piece& piece : pieces) {
            const Sequence& s = sequences[size_t(piece.sequence)];
            append(q, s.q, piece.first, piece.rows, m_layer.queryWidth());
            append(k, s.k, piece.first, piece.rows, m_layer.keyWidth());
            append(v, s.v, piece.first, piece.rows, m_layer.keyWidth());
            plan.push_back({piece.sequence, rows, piece.rows, piece.first});
            rows += piece.rows;
        }
        const std::vector<int32_t> tokens(static_cast<size_t>(rows));
        m_batch->set({tokens, plan, m_tables, {}});
        const DeviceTensor queries(m_device, {rows, m_layer.heads, m_layer.headDim}, q);
        const DeviceTensor keys(m_device, {rows, m_layer.kvHeads, m_layer.headDim}, k);
        const DeviceTensor values(m_device, {rows, m_layer.kvHeads, m_layer.headDim}, v);
        const DeviceTensor out(m_device, {rows, m_layer.heads, m_layer.headDim});
        HeadPreparation preparation{.epsilon = 1e-6f,
                                    .rope = {m_frequencies.get(), m_layer.pairing, m_layer.magnitude}};
        if (m_layer.norms) {
            preparation.queryNorm = m_queryNorm.get();
            preparation.keyNorm = m_keyNorm.get();
        }
        m_device.prepareHeads(queries.tensor(), keys.tensor(), values.tensor(), preparation, *m_pool, 1, *m_batch);
        m_device.attention(out.tensor(), queries.tensor(), *m_pool, 1, {m_layer.scale(), m_layer.window}, *m_batch);
        return out.values();
    }

private:
    Device& m_device;
    Layer m_layer;
    int m_blocks;
    WeightPtr m_frequencies, m_queryNorm, m_keyNorm;
    std::unique_ptr<KvPool> m_pool;
    std::unique_ptr<Batch> m_batch;
    std::vector<int32_t> m_tables;
};

/// A head as prepareHeads should leave it, in double precision.
std::vector<double> preparedHead(const Layer& layer, const Parameters& parameters, const FileWeight& norm,
                                 const float* source, int position)
{
    std::vector<double> head(source, source + layer.headDim);
    if (layer.norms) {
        double sum = 0;
        for (double x : head)
            sum += x * x;
        for (size_t d = 0; d < head.size(); ++d)
            head[d] *= double(norm.values[d]) / std::sqrt(sum / layer.headDim + 1e-6);
    }
    const int pairs = layer.rotary / 2;
    for (int i = 0; i < pairs; ++i) {
        const bool half = layer.pairing == RopePairing::HalfSplit;
        double& a = head[size_t(half ? i : 2 * i)];
        double& b = head[size_t(half ? i + pairs : 2 * i + 1)];
        const double angle = position * double(parameters.frequencies.values[size_t(i)]);
        const double c = double(layer.magnitude) * std::cos(angle), s = double(layer.magnitude) * std::sin(angle);
        const double rotated = a * c - b * s;
        b = a * s + b * c;
        a = rotated;
    }
    return head;
}

/// The whole sequence's outputs in double precision.
std::vector<double> reference(const Layer& layer, const Parameters& parameters, const Sequence& sequence)
{
    std::vector<double> out(size_t(sequence.rows * layer.queryWidth()));
    const int group = layer.heads / layer.kvHeads;
    for (int kvHead = 0; kvHead < layer.kvHeads; ++kvHead) {
        std::vector<std::vector<double>> keys;
        for (int row = 0; row < sequence.rows; ++row)
            keys.push_back(preparedHead(layer, parameters, parameters.keyNorm,
                                        sequence.k.data() + row * layer.keyWidth() + kvHead * layer.headDim, row));
        for (int row = 0; row < sequence.rows; ++row)
            for (int head = kvHead * group; head < (kvHead + 1) * group; ++head) {
                const std::vector<double> q =
                    preparedHead(layer, parameters, parameters.queryNorm,
                                 sequence.q.data() + row * layer.queryWidth() + head * layer.headDim, row);
                double* result = out.data() + row * layer.queryWidth() + head * layer.headDim;
                double weights = 0;
                for (int p = layer.window ? std::max(0, row - layer.window + 1) : 0; p <= row; ++p) {
                    double score = 0;
                    for (size_t d = 0; d < q.size(); ++d)
                        score += q[d] * keys[size_t(p)][d];
                    const double weight = std::exp(score * double(layer.scale()));
                    weights += weight;
                    for (int d = 0; d < layer.headDim; ++d)
                        result[d] +=
                            weight * double(sequence.v[size_t(p * layer.keyWidth() + kvHead * layer.headDim + d)]);
                }
                for (int d = 0; d < layer.headDim; ++d)
                    result[d] /= weights;
            }
    }
    return out;
}

WorkspaceLimits limitsFor(const Layer& layer)
{
    return {.rows = 512, .columns = 64, .heads = layer.heads, .headDim = layer.headDim, .contextTokens = 1536};
}

std::vector<Layer> variants()
{
    return {
        {},
        {.heads = 9, .kvHeads = 3, .headDim = 64, .rotary = 64, .pairing = RopePairing::Interleaved},
        {.heads = 4,
         .kvHeads = 4,
         .headDim = 40,
         .rotary = 20,
         .norms = true,
         .cacheType = Type::F32,
         .blockTokens = 24},
        {.heads = 8, .kvHeads = 1, .window = 37, .cacheType = Type::BF16, .blockTokens = 32},
        {.window = 100, .cacheType = Type::F32, .blockTokens = 128, .magnitude = 1.2f},
        {.heads = 13, .kvHeads = 1, .rotary = 8, .pairing = RopePairing::Interleaved, .blockTokens = 48},
    };
}

} // namespace

TEST_CASE("attention over a prompt matches the reference")
{
    for (const Layer& layer : variants()) {
        CAPTURE(layer.heads);
        CAPTURE(layer.blockTokens);
        CAPTURE(layer.window);
        Random random(5);
        const Parameters parameters(layer, random);
        const std::vector<Sequence> sequences{{layer, 150, random}};
        const std::vector<double> expected = reference(layer, parameters, sequences[0]);
        const double tolerance = layer.cacheType == Type::F32 ? 1e-6 : 1e-3;
        for (const auto& device : allDevices(limitsFor(layer))) {
            INFO(describe(*device));
            DeviceLayer onDevice(*device, layer, parameters, 1, 150);
            CHECK(relativeError(onDevice.step(sequences, {{0, 0, 150}}), expected) < tolerance);
        }
    }
}

TEST_CASE("a row's attention does not depend on chunks, company or threads")
{
    for (const Layer& layer : variants()) {
        CAPTURE(layer.heads);
        CAPTURE(layer.blockTokens);
        CAPTURE(layer.window);
        Random random(6);
        const Parameters parameters(layer, random);
        std::vector<Sequence> sequences;
        for (int rows : {170, 3, 90, 70})
            sequences.emplace_back(layer, rows, random);
        const size_t width = size_t(layer.queryWidth());
        const auto same = [width](const std::vector<float>& step, size_t at, size_t count,
                                  const std::vector<float>& whole, size_t from) {
            return std::equal(step.begin() + long(at * width), step.begin() + long((at + count) * width),
                              whole.begin() + long(from * width));
        };
        for (const std::string& path : allPaths()) {
            INFO(path);
            const auto one = createDevice(1, path), three = createDevice(3, path);
            one->reserveWorkspace(limitsFor(layer));
            three->reserveWorkspace(limitsFor(layer));

            std::vector<std::vector<float>> alone;
            for (int s = 0; s < 4; ++s)
                alone.push_back(DeviceLayer(*three, layer, parameters, 4, 170)
                                    .step(sequences, {{s, 0, sequences[size_t(s)].rows}}));

            DeviceLayer single(*one, layer, parameters, 4, 170);
            CHECK(single.step(sequences, {{0, 0, 170}}) == alone[0]);

            // Other chunks, other company, decode rows among prompts.
            DeviceLayer mixed(*three, layer, parameters, 4, 170);
            std::vector<float> step = mixed.step(sequences, {{2, 0, 64}, {0, 0, 101}, {1, 0, 1}});
            CHECK(same(step, 0, 64, alone[2], 0));
            CHECK(same(step, 64, 101, alone[0], 0));
            CHECK(same(step, 165, 1, alone[1], 0));
            step = mixed.step(sequences, {{0, 101, 1}, {1, 1, 1}, {2, 64, 5}, {3, 0, 70}});
            CHECK(same(step, 0, 1, alone[0], 101));
            CHECK(same(step, 1, 1, alone[1], 1));
            CHECK(same(step, 2, 5, alone[2], 64));
            CHECK(same(step, 7, 70, alone[3], 0));
            step = mixed.step(sequences, {{2, 69, 21}, {0, 102, 68}});
            CHECK(same(step, 0, 21, alone[2], 69));
            CHECK(same(step, 21, 68, alone[0], 102));
        }
    }
}

TEST_CASE("workers that share the spans of one sequence leave its bits alone")
{
    const Layer layers[] = {{}, {.heads = 3, .kvHeads = 1, .headDim = 40, .rotary = 20, .window = 300}};
    for (const Layer& layer : layers) {
        CAPTURE(layer.window);
        Random random(7);
        const Parameters parameters(layer, random);
        constexpr int rows = 700;
        const std::vector<Sequence> sequences{{layer, rows, random}, {layer, rows, random}};
        const size_t width = size_t(layer.queryWidth());
        for (const std::string& path : allPaths()) {
            INFO(path);
            const auto one = createDevice(1, path), three = createDevice(3, path);
            one->reserveWorkspace(limitsFor(layer));
            three->reserveWorkspace(limitsFor(layer));
            DeviceLayer whole(*one, layer, parameters, 2, rows), cut(*three, layer, parameters, 2, rows);
            whole.step(sequences, {{0, 0, 500}});
            const std::vector<float> expected = whole.step(sequences, {{0, 500, 200}});
            cut.step(sequences, {{0, 0, 500}});
            // Few tasks: one row, some rows, a row beside another sequence's.
            const std::vector<std::vector<DeviceLayer::Piece>> steps{
                {{0, 500, 1}}, {{0, 501, 3}}, {{0, 504, 1}, {1, 0, 1}}, {{0, 505, 194}}, {{0, 699, 1}}};
            for (const std::vector<DeviceLayer::Piece>& step : steps) {
                const std::vector<float> out = cut.step(sequences, step);
                const size_t count = size_t(step[0].rows) * width;
                CHECK(std::equal(out.begin(), out.begin() + long(count),
                                 expected.begin() + long(size_t(step[0].first - 500) * width)));
            }
        }
    }
}

TEST_CASE("far keys and values are told well enough, and the same whatever the split")
{
    // Keys with an outlier, as models have them: rounded as they are, it would leave few bits to the other dimensions.
    const Layer layers[] = {{.heads = 8, .kvHeads = 1, .headDim = 128, .rotary = 128},
                            {.heads = 3, .kvHeads = 1, .headDim = 80, .rotary = 20, .window = 1200}};
    for (const Layer& layer : layers) {
        CAPTURE(layer.headDim);
        Random random(8);
        const Parameters parameters(layer, random);
        constexpr int rows = 1400;
        std::vector<Sequence> sequences{{layer, rows, random}};
        for (int row = 0; row < rows; ++row)
            for (int head = 0; head < layer.kvHeads; ++head)
                sequences[0].k[size_t((row * layer.kvHeads + head) * layer.headDim + layer.headDim - 1)] = 20;
        const std::vector<double> expected = reference(layer, parameters, sequences[0]);
        const size_t width = size_t(layer.queryWidth());
        for (const std::string& path : allPaths()) {
            INFO(path);
            const auto one = createDevice(1, path), three = createDevice(3, path);
            one->reserveWorkspace(limitsFor(layer));
            three->reserveWorkspace(limitsFor(layer));
            DeviceLayer whole(*one, layer, parameters, 1, rows), cut(*three, layer, parameters, 1, rows);
            std::vector<float> out;
            for (int first = 0; first < rows; first += 512) {
                const std::vector<float> step = whole.step(sequences, {{0, first, std::min(512, rows - first)}});
                out.insert(out.end(), step.begin(), step.end());
            }
            const long far = 512 * long(width); // the first row that finds keys two spans behind its own
            CHECK(relativeError({out.begin(), out.begin() + far}, {expected.begin(), expected.begin() + far}) < 1e-3);
            // Bytes of eight bits where instructions sum their products in int32, else of seven.
            const double bound = path == "avx512-vnni" || path == "dots" ? 2e-2 : 4e-2;
            CHECK(relativeError({out.begin() + far, out.end()}, {expected.begin() + far, expected.end()}) < bound);

            // Steps across the position where the first span becomes far, row by row and not.
            int first = 0;
            for (int count : {500, 10, 1, 1, 1, 3, 240, 11, 1, 1, 500, 118, 12, 1}) {
                const std::vector<float> step = cut.step(sequences, {{0, first, count}});
                CHECK(std::equal(step.begin(), step.end(), out.begin() + long(size_t(first) * width)));
                first += count;
            }
            CHECK(first == rows);
        }
    }
}

TEST_CASE("what a window hides counts nothing, however large it is")
{
    const Layer layer{.heads = 2, .kvHeads = 1, .window = 600};
    Random random(9);
    const Parameters parameters(layer, random);
    constexpr int rows = 900, hidden = 200, first = hidden + 600; // of the rows that see nothing of the hidden ones
    const Sequence plain(layer, rows, random);
    Sequence large = plain;
    for (int i = 0; i < hidden * layer.keyWidth(); ++i)
        large.v[size_t(i)] *= 1e36f;
    for (const std::string& path : allPaths()) {
        INFO(path);
        const auto device = createDevice(1, path);
        device->reserveWorkspace(limitsFor(layer));
        const auto outputs = [&](const Sequence& sequence) {
            DeviceLayer onDevice(*device, layer, parameters, 1, rows);
            onDevice.step({sequence}, {{0, 0, 512}});
            return onDevice.step({sequence}, {{0, 512, rows - 512}});
        };
        const std::vector<float> expected = outputs(plain), actual = outputs(large);
        const long from = (first - 512) * long(layer.queryWidth());
        CHECK(std::equal(expected.begin() + from, expected.end(), actual.begin() + from));
    }
}
