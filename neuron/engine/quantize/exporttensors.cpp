// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/quantize/exporttensors.h"

#include "neuron/engine/error.h"
#include "neuron/engine/models/fp8weight.h"
#include "neuron/engine/models/tensornames.h"

#include <cmath>
#include <numeric>

namespace cortex::engine {

namespace {

using kernels::Type;
using kernels::WeightSource;
using Order = std::vector<int64_t>; ///< place i gets what was at place order[i]

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

WeightSource withRows(const WeightSource& source, Order order)
{
    WeightSource out = source;
    out.data = nullptr;
    out.readRow = [read = rowReader(source), order = std::move(order)](int64_t row, float* values) {
        read(order[size_t(row)], values);
    };
    return out;
}

WeightSource withColumns(const WeightSource& source, Order order)
{
    WeightSource out = source;
    out.data = nullptr;
    out.readRow = [read = rowReader(source), order = std::move(order)](int64_t row, float* values) {
        std::vector<float> before(order.size());
        read(row, before.data());
        for (size_t i = 0; i < order.size(); ++i)
            values[i] = before[size_t(order[i])];
    };
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
            isRecurrent(m_checkpoint, layer) ? delta(layer) : attention(layer);
            norm(m_family.hybrid ? names::PostAttentionNorm : names::FeedForwardNorm, layer);
            for (const TensorName& name : {names::Gate, names::Up, names::Down})
                matrix(name, layer);
        }
        return std::move(m_tensors);
    }

private:
    void attention(int layer)
    {
        for (const TensorName& name : {names::Query, names::Key}) {
            WeightSource source = read(name, layer);
            if (m_family.interleavedPairs)
                source = withRows(source, interleaved(source.rows, m_shape.headDim));
            matrix(name, layer, source);
        }
        matrix(names::Value, layer);
        matrix(names::AttentionOutput, layer);
        for (const TensorName& name :
             {names::QueryBias, names::KeyBias, names::ValueBias, names::AttentionOutputBias}) {
            if (!m_checkpoint.find(name, layer))
                continue;
            if (m_family.interleavedPairs)
                throw Error(ErrorKind::Unsupported,
                            m_checkpoint.path().string() + ": tensor \"" + m_checkpoint.spell(name, layer)
                                + "\": biases of this architecture cannot be written as GGUF");
            values(name, layer, {}, {});
        }
        for (const TensorName& name : {names::QueryNorm, names::KeyNorm})
            if (m_checkpoint.find(name, layer))
                norm(name, layer);
    }

    void delta(int layer)
    {
        const kernels::StateLayout& heads = m_shape.state;
        const int64_t keys = int64_t(2) * heads.keyHeads * heads.keyDim;
        matrix(names::DeltaMixed, layer, withRows(read(names::DeltaMixed, layer), tiled(heads, keys, heads.valueDim)));
        matrix(names::DeltaGate, layer, withRows(read(names::DeltaGate, layer), tiled(heads, 0, heads.valueDim)));
        for (const TensorName& name : {names::DeltaBeta, names::DeltaDecay})
            matrix(name, layer, withRows(read(name, layer), tiled(heads, 0, 1)));
        values(names::DeltaConvolution, layer, tiled(heads, keys, heads.valueDim), {});
        values(names::DeltaDecayRate, layer, tiled(heads, 0, 1), [](float rate) { return -std::exp(rate); });
        values(names::DeltaDecayBias, layer, tiled(heads, 0, 1), {});
        values(names::DeltaNorm, layer, {}, {});
        matrix(names::DeltaOutput, layer,
               withColumns(read(names::DeltaOutput, layer), tiled(heads, 0, heads.valueDim)));
    }

    WeightSource read(const TensorName& name, TensorIndex index) const
    {
        const std::optional<CheckpointTensor> tensor = m_checkpoint.find(name, index);
        if (!tensor)
            throw Error(ErrorKind::Unsupported,
                        m_checkpoint.path().string() + ": tensor \"" + m_checkpoint.spell(name, index)
                            + "\" is missing; such a packing cannot be written as GGUF");
        WeightSource source = m_checkpoint.weight(*tensor);
        if (source.type == Type::F8_E4M3) {
            source = scaledFp8(m_checkpoint, *tensor, source);
            source.readRow = rowReader(source);
            source.type = Type::BF16;
            source.data = nullptr;
        }
        return source;
    }

    void matrix(const TensorName& name, TensorIndex index) { matrix(name, index, read(name, index)); }
    void matrix(const TensorName& name, TensorIndex index, const WeightSource& source)
    {
        add(name, index, source, {source.rows, source.columns});
    }

    void norm(const TensorName& name, TensorIndex index)
    {
        values(name, index, {}, m_family.offsetNorms ? +[](float weight) { return 1 + weight; } : nullptr);
    }

    /// In float32, with the rows (of a vector: the elements) in another order where one is given.
    void values(const TensorName& name, TensorIndex index, const Order& order, float (*change)(float))
    {
        const WeightSource stored = read(name, index);
        auto numbers = std::make_shared<std::vector<float>>(size_t(stored.rows * stored.columns));
        const auto row = rowReader(stored);
        for (int64_t i = 0; i < stored.rows; ++i)
            row(i, numbers->data() + i * stored.columns);
        if (change)
            for (float& number : *numbers)
                number = change(number);
        const int64_t places = stored.rows == 1 ? stored.columns : stored.rows;
        const int64_t width = stored.rows == 1 ? 1 : stored.columns;
        if (!order.empty()) {
            const std::vector<float> before = *numbers;
            for (int64_t i = 0; i < places; ++i)
                std::copy_n(before.begin() + order[size_t(i)] * width, width, numbers->begin() + i * width);
        }
        const std::vector<int64_t> shape =
            stored.rows == 1 ? std::vector{stored.columns} : std::vector{stored.rows, stored.columns};
        add(name, index, {Type::F32, stored.rows, stored.columns, numbers->data(), numbers}, shape);
    }

    void add(const TensorName& name, TensorIndex index, const WeightSource& source, std::vector<int64_t> shape)
    {
        std::string spelled(name.gguf);
        if (const size_t place = spelled.find("{}"); place != std::string::npos)
            spelled.replace(place, 2, std::to_string(index.layer));
        m_tensors.push_back({spelled, std::move(shape), source});
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
