// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/quantize/exporttensors.h"

#include "neuron/engine/error.h"
#include "neuron/engine/models/fp8weight.h"
#include "neuron/engine/models/tensornames.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace cortex::engine {

namespace {

using kernels::Type;
using kernels::WeightSource;
using Order = std::vector<int64_t>; ///< place i gets what was at place order[i]

/// A matrix of the checkpoint, or made from some: its size, and where its rows come from.
struct Matrix {
    Type type;
    int64_t rows;
    int64_t columns;
    std::function<WeightSource()> open;
};

std::function<void(int64_t, float*)> rowReader(const WeightSource& source)
{
    if (source.readRow)
        return source.readRow;
    return [source](int64_t row, float* values) {
        const size_t bytes = kernels::rowBytes(source.type, source.columns);
        kernels::dequantize(source.type, static_cast<const std::byte*>(source.data) + size_t(row) * bytes, values,
                            source.columns);
    };
}

Matrix withRows(Matrix matrix, Order order)
{
    matrix.rows = int64_t(order.size());
    matrix.open = [open = std::move(matrix.open), order = std::move(order)] {
        WeightSource out = open();
        out.readRow = [read = rowReader(out), order](int64_t row, float* values) { read(order[size_t(row)], values); };
        out.rows = int64_t(order.size());
        out.data = nullptr;
        return out;
    };
    return matrix;
}

Matrix withColumns(Matrix matrix, Order order)
{
    matrix.open = [open = std::move(matrix.open), order = std::move(order)] {
        WeightSource out = open();
        out.readRow = [read = rowReader(out), order](int64_t row, float* values) {
            std::vector<float> before(order.size());
            read(row, before.data());
            for (size_t i = 0; i < order.size(); ++i)
                values[i] = before[size_t(order[i])];
        };
        out.data = nullptr;
        return out;
    };
    return matrix;
}

/// Rows first … first + count − 1 of a source, which is shared: readers of FP8 hold the scales of all rows.
WeightSource slice(const std::shared_ptr<const WeightSource>& source, int64_t first, int64_t count)
{
    WeightSource out{source->type, count, source->columns, nullptr, source};
    if (source->readRow)
        out.readRow = [source, first](int64_t row, float* values) { source->readRow(first + row, values); };
    else
        out.data = static_cast<const std::byte*>(source->data)
            + size_t(first) * kernels::rowBytes(source->type, source->columns);
    return out;
}

/// Rows of heads of `headDim`, of which the first half pairs with the second: each beside its partner.
Order interleaved(int64_t rows, int64_t headDim)
{
    Order order;
    for (int64_t row = 0; row < rows; ++row) {
        const int64_t within = row % headDim;
        order.push_back(row - within + within % 2 * (headDim / 2) + within / 2);
    }
    return order;
}

/// `before` places as they are, then value heads of `size` places each: from those of key head 0, of key head 1, … to
/// the first of each key head, the second of each, ….
Order tiled(const kernels::StateLayout& heads, int64_t before, int64_t size)
{
    Order order(static_cast<size_t>(before));
    std::iota(order.begin(), order.end(), 0);
    const int64_t each = heads.valueHeads / heads.keyHeads;
    for (int64_t head = 0; head < heads.valueHeads; ++head) {
        const int64_t was = head % heads.keyHeads * each + head / heads.keyHeads;
        for (int64_t i = 0; i < size; ++i)
            order.push_back(before + was * size + i);
    }
    return order;
}

/// Rows of a projection that packs, for each key head, query, key, the values of its value heads and their gates: all
/// queries, all keys, all values; or, where `gates`, all gates.
Order unpacked(const kernels::StateLayout& heads, bool gates)
{
    const int64_t keys = heads.keyDim, values = heads.valueHeads / heads.keyHeads * int64_t(heads.valueDim);
    const int64_t group = 2 * (keys + values);
    Order order;
    const auto take = [&](int64_t first, int64_t count) {
        for (int64_t head = 0; head < heads.keyHeads; ++head)
            for (int64_t i = 0; i < count; ++i)
                order.push_back(head * group + first + i);
    };
    if (gates) {
        take(2 * keys + values, values);
    } else {
        take(0, keys);
        take(keys, keys);
        take(2 * keys, values);
    }
    return order;
}

/// Numbers of a small tensor in float32.
std::vector<float> numbersOf(const Matrix& matrix)
{
    std::vector<float> numbers(size_t(matrix.rows * matrix.columns));
    const WeightSource source = matrix.open();
    const auto read = rowReader(source);
    for (int64_t row = 0; row < matrix.rows; ++row)
        read(row, numbers.data() + row * matrix.columns);
    return numbers;
}

class Exporter {
public:
    Exporter(const Checkpoint& checkpoint, const ModelShape& shape, const ExportFamily& family)
        : m_checkpoint(checkpoint)
        , m_shape(shape)
        , m_family(family)
    {
    }

    std::vector<ExportTensor> run(bool tied)
    {
        matrix(names::TokenEmbedding, {});
        if (!tied)
            matrix(names::Output, {});
        norm(names::OutputNorm, {});
        for (int layer = 0; layer < m_shape.layers; ++layer) {
            norm(names::AttentionNorm, layer);
            if (m_family.delta != ExportFamily::Delta::None && isRecurrent(m_checkpoint, layer))
                delta(layer);
            else
                attention(layer);
            innerNorms(layer);
            if (m_family.experts)
                mixture(layer);
            else
                for (const TensorName& name : {names::Gate, names::Up, names::Down})
                    matrix(name, layer);
        }
        return std::move(m_tensors);
    }

private:
    void innerNorms(int layer)
    {
        if (m_family.normsBehind) {
            norm(names::PostAttentionNorm, layer);
            norm(names::PreFeedForwardNorm, layer);
            norm(names::PostFeedForwardNorm, layer);
        } else {
            norm(m_family.delta == ExportFamily::Delta::None ? names::FeedForwardNorm : names::PostAttentionNorm,
                 layer);
        }
    }

    void attention(int layer)
    {
        for (const TensorName& name : {names::Query, names::Key}) {
            if (m_family.interleavedPairs)
                reordered(name, layer, interleaved(read(name, layer).rows, m_shape.headDim));
            else
                matrix(name, layer);
        }
        matrix(names::Value, layer);
        matrix(names::AttentionOutput, layer);
        if (m_checkpoint.find(names::AttentionOutputBias, layer))
            refuse(names::AttentionOutputBias, layer, "this bias cannot be written as GGUF");
        for (const TensorName& name : {names::QueryBias, names::KeyBias, names::ValueBias}) {
            if (!m_checkpoint.find(name, layer))
                continue;
            if (m_family.interleavedPairs)
                refuse(name, layer, "biases of this architecture cannot be written as GGUF");
            vector(name, layer);
        }
        for (const TensorName& name : {names::QueryNorm, names::KeyNorm})
            if (m_checkpoint.find(name, layer))
                norm(name, layer);
    }

    void delta(int layer)
    {
        const bool tiles = m_family.delta == ExportFamily::Delta::Tiled;
        const kernels::StateLayout& heads = m_shape.state;
        const int64_t keys = int64_t(2) * heads.keyHeads * heads.keyDim;
        const auto order = [&](int64_t before, int64_t size) { return tiles ? tiled(heads, before, size) : Order(); };
        tiles ? separateProjections(layer, keys) : packedProjections(layer);
        values(names::DeltaConvolution, layer, order(keys, heads.valueDim), nullptr);
        values(names::DeltaDecayRate, layer, order(0, 1), [](float rate) { return -std::exp(rate); });
        values(names::DeltaDecayBias, layer, order(0, 1), nullptr);
        vector(names::DeltaNorm, layer);
        if (!tiles)
            return matrix(names::DeltaOutput, layer);
        const Matrix output = read(names::DeltaOutput, layer);
        const Order columns = tiled(heads, 0, heads.valueDim);
        requireSize(names::DeltaOutput, layer, output.columns, columns.size());
        matrix(names::DeltaOutput, layer, withColumns(output, columns));
    }

    void separateProjections(int layer, int64_t keys)
    {
        const kernels::StateLayout& heads = m_shape.state;
        reordered(names::DeltaMixed, layer, tiled(heads, keys, heads.valueDim));
        reordered(names::DeltaGate, layer, tiled(heads, 0, heads.valueDim));
        reordered(names::DeltaBeta, layer, tiled(heads, 0, 1));
        reordered(names::DeltaDecay, layer, tiled(heads, 0, 1));
    }

    void packedProjections(int layer)
    {
        const Matrix packed = read(names::DeltaMixedGate, layer);
        const Order mixed = unpacked(m_shape.state, false), gates = unpacked(m_shape.state, true);
        requireSize(names::DeltaMixedGate, layer, packed.rows, mixed.size() + gates.size());
        matrix(names::DeltaMixed, layer, withRows(packed, mixed));
        matrix(names::DeltaGate, layer, withRows(packed, gates));
        matrix(names::DeltaBetaDecay, layer);
    }

    void mixture(int layer)
    {
        if (!m_checkpoint.find(names::Router, layer))
            refuse(names::Router, layer, "is missing; layers without experts among such cannot be written as GGUF");
        values(names::Router, layer, {}, nullptr);
        experts(names::ExpertGates, names::ExpertGatesUps, 0, 2, names::ExpertGate, layer);
        experts(names::ExpertUps, names::ExpertGatesUps, 1, 2, names::ExpertUp, layer);
        experts(names::ExpertDowns, names::ExpertDowns, 0, 1, names::ExpertDown, layer);
        if (!m_family.sharedExpert)
            return;
        values(names::SharedExpertShare, layer, {}, nullptr);
        for (const TensorName& name : {names::SharedExpertGate, names::SharedExpertUp, names::SharedExpertDown})
            matrix(name, layer);
    }

    /// One tensor of all experts: part `part` of `parts` of each in the tensor `fused`, or else of `single` ones.
    void experts(const TensorName& name, const TensorName& fused, int64_t part, int64_t parts, const TensorName& single,
                 int layer)
    {
        const int64_t count = m_shape.experts;
        if (m_checkpoint.find(fused, layer)) {
            const Matrix all = read(fused, layer);
            const int64_t each = all.rows / count, rows = each / parts;
            add(name, layer, all.type, {count, rows, all.columns}, [=, open = all.open] {
                std::vector<WeightSource> pieces;
                const auto source = std::make_shared<const WeightSource>(open());
                for (int64_t expert = 0; expert < count; ++expert)
                    pieces.push_back(slice(source, expert * each + part * rows, rows));
                return pieces;
            });
            return;
        }
        std::vector<Matrix> list;
        for (int expert = 0; expert < count; ++expert) {
            list.push_back(read(single, {layer, expert}));
            const Matrix &first = list.front(), &last = list.back();
            if (last.type != first.type || last.rows != first.rows || last.columns != first.columns)
                refuse(single, {layer, expert}, "is of another type or shape than that of the first expert");
        }
        const Matrix first = list.front();
        add(name, layer, first.type, {count, first.rows, first.columns}, [list = std::move(list)] {
            std::vector<WeightSource> pieces;
            for (const Matrix& expert : list)
                pieces.push_back(expert.open());
            return pieces;
        });
    }

    [[noreturn]] void refuse(const TensorName& name, TensorIndex index, const std::string& cause) const
    {
        throw Error(ErrorKind::Unsupported,
                    m_checkpoint.path().string() + ": tensor \"" + m_checkpoint.spell(name, index) + "\": " + cause);
    }

    Matrix read(const TensorName& name, TensorIndex index) const
    {
        const std::optional<CheckpointTensor> tensor = m_checkpoint.find(name, index);
        if (!tensor)
            refuse(name, index, "is missing; such a packing cannot be written as GGUF");
        if (!tensor->type || tensor->shape.empty())
            refuse(name, index, "is of a type that cannot be written as GGUF");
        const bool fp8 = *tensor->type == Type::F8_E4M3;
        const int64_t rows =
            std::accumulate(tensor->shape.begin(), tensor->shape.end() - 1, int64_t(1), std::multiplies<>());
        const auto open = [checkpoint = &m_checkpoint, stored = *tensor, fp8] {
            WeightSource source = checkpoint->weight(stored);
            if (!fp8)
                return source;
            source = scaledFp8(*checkpoint, stored, source);
            source.readRow = rowReader(source);
            source.type = Type::BF16;
            source.data = nullptr;
            return source;
        };
        return {fp8 ? Type::BF16 : *tensor->type, rows, tensor->shape.back(), open};
    }

    /// Where a checkpoint has weights in two packings, the graph has looked at one of them only.
    void requireSize(const TensorName& name, TensorIndex index, int64_t size, size_t expected) const
    {
        if (size != int64_t(expected))
            refuse(name, index,
                   "is " + std::to_string(size) + " wide, the configuration wants " + std::to_string(expected));
    }

    void reordered(const TensorName& name, TensorIndex index, const Order& order)
    {
        const Matrix stored = read(name, index);
        requireSize(name, index, stored.rows, order.size());
        matrix(name, index, withRows(stored, order));
    }

    void matrix(const TensorName& name, TensorIndex index) { matrix(name, index, read(name, index)); }
    void matrix(const TensorName& name, TensorIndex index, const Matrix& matrix)
    {
        add(name, index, matrix.type, {matrix.rows, matrix.columns},
            [open = matrix.open] { return std::vector{open()}; });
    }

    void vector(const TensorName& name, TensorIndex index) { values(name, index, {}, nullptr); }
    void norm(const TensorName& name, TensorIndex index)
    {
        values(name, index, {}, m_family.offsetNorms ? +[](float weight) { return 1 + weight; } : nullptr);
    }

    /// In float32, with the rows (of a vector: the elements) in another order where one is given.
    void values(const TensorName& name, TensorIndex index, const Order& order, float (*change)(float))
    {
        const Matrix stored = read(name, index);
        const bool vector = m_checkpoint.find(name, index)->shape.size() == 1;
        const int64_t places = vector ? stored.columns : stored.rows, width = vector ? 1 : stored.columns;
        if (!order.empty())
            requireSize(name, index, places, order.size());
        const std::vector<int64_t> shape =
            vector ? std::vector{stored.columns} : std::vector{stored.rows, stored.columns};
        add(name, index, Type::F32, shape, [=] {
            const auto numbers = std::make_shared<std::vector<float>>(numbersOf(stored));
            if (change)
                std::ranges::transform(*numbers, numbers->begin(), change);
            if (!order.empty()) {
                const std::vector<float> before = *numbers;
                for (int64_t i = 0; i < places; ++i)
                    std::copy_n(before.begin() + order[size_t(i)] * width, width, numbers->begin() + i * width);
            }
            return std::vector{WeightSource{Type::F32, stored.rows, stored.columns, numbers->data(), numbers}};
        });
    }

    void add(const TensorName& name, TensorIndex index, Type type, std::vector<int64_t> shape,
             std::function<std::vector<WeightSource>()> open)
    {
        std::string spelled(name.gguf);
        if (const size_t place = spelled.find("{}"); place != std::string::npos)
            spelled.replace(place, 2, std::to_string(index.layer));
        m_tensors.push_back({spelled, type, std::move(shape), std::move(open)});
    }

    const Checkpoint& m_checkpoint;
    const ModelShape& m_shape;
    const ExportFamily& m_family;
    std::vector<ExportTensor> m_tensors;
};

} // namespace

std::vector<ExportTensor> exportTensors(const Checkpoint& checkpoint, const ModelShape& shape,
                                        const ExportFamily& family, bool tied)
{
    return Exporter(checkpoint, shape, family).run(tied);
}

bool isRecurrent(const Checkpoint& checkpoint, int layer)
{
    return checkpoint.find(names::DeltaNorm, layer).has_value();
}

} // namespace cortex::engine
