// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/models/mixturelayers.h"

#include "neuron/engine/error.h"
#include "neuron/engine/models/tensornames.h"

#include <algorithm>

namespace cortex::engine {

using kernels::LinearOutput;
using kernels::Tensor;

namespace {

/// Kernels take the experts of a layer to be alike; those that stand one by one need not be. Null while nothing is
/// loaded.
void requireOneType(const Checkpoint& checkpoint, int layer, std::span<const kernels::WeightPtr> gates,
                    std::span<const kernels::WeightPtr> ups, std::span<const kernels::WeightPtr> downs)
{
    const auto alike = [](std::span<const kernels::WeightPtr> experts) {
        return std::all_of(experts.begin(), experts.end(),
                           [&](const auto& expert) { return expert->type() == experts.front()->type(); });
    };
    if (!gates.front())
        return;
    const auto quantized = [](const kernels::WeightPtr& weight) { return traits(weight->type()).isQuantized(); };
    if (!alike(gates) || !alike(ups) || !alike(downs) || quantized(gates.front()) != quantized(ups.front()))
        throw Error(ErrorKind::Unsupported,
                    checkpoint.path().string() + ": the experts of layer " + std::to_string(layer)
                        + " are of different types; convert them to one");
}

} // namespace

void MixtureLayers::load(WeightLoader& loader, int number)
{
    Layer layer;
    layer.router = loader.matrix(names::Router, number, m_config.experts, m_config.hiddenSize);
    for (int expert = 0; expert < m_config.experts; ++expert)
        loadExpert(loader, number, expert, layer);
    requireOneType(loader.checkpoint(), number, layer.gates, layer.ups, layer.downs);
    if (m_config.sharedSize > 0)
        loadShared(loader, number, layer);
    m_layers.push_back(std::move(layer));
}

void MixtureLayers::loadExpert(WeightLoader& loader, int number, int expert, Layer& layer) const
{
    const int64_t experts = m_config.experts, inner = m_config.expertSize, hidden = m_config.hiddenSize;
    const double share = double(m_config.expertsPerRow) / double(experts);
    // One tensor for all experts: expert by expert, in it gates before ups.
    const auto rowsOf = [&](const TensorName& name, int64_t rows, int64_t columns, int64_t first, int64_t length) {
        return loader.matrixRows(name, number, {experts, rows, columns}, {{expert * rows + first, length}}, share);
    };
    const auto one = [&](const TensorName& name, int64_t rows, int64_t columns) {
        return loader.matrix(name, {number, expert}, rows, columns, kernels::WeightUse::Product, share);
    };
    if (loader.has(names::ExpertGatesUps, number)) {
        layer.gates.push_back(rowsOf(names::ExpertGatesUps, 2 * inner, hidden, 0, inner));
        layer.ups.push_back(rowsOf(names::ExpertGatesUps, 2 * inner, hidden, inner, inner));
    } else if (loader.has(names::ExpertGates, number)) {
        layer.gates.push_back(rowsOf(names::ExpertGates, inner, hidden, 0, inner));
        layer.ups.push_back(rowsOf(names::ExpertUps, inner, hidden, 0, inner));
    } else {
        layer.gates.push_back(one(names::ExpertGate, inner, hidden));
        layer.ups.push_back(one(names::ExpertUp, inner, hidden));
    }
    layer.downs.push_back(loader.has(names::ExpertDowns, number) ? rowsOf(names::ExpertDowns, hidden, inner, 0, hidden)
                                                                 : one(names::ExpertDown, hidden, inner));
}

void MixtureLayers::loadShared(WeightLoader& loader, int number, Layer& layer) const
{
    const int64_t inner = m_config.sharedSize, hidden = m_config.hiddenSize;
    layer.share = loader.matrix(names::SharedExpertShare, number, 1, hidden);
    layer.sharedGate = loader.matrix(names::SharedExpertGate, number, inner, hidden);
    layer.sharedUp = loader.matrix(names::SharedExpertUp, number, inner, hidden);
    layer.sharedDown = loader.matrix(names::SharedExpertDown, number, hidden, inner);
}

void MixtureLayers::place(ActivationLayout& layout, const StepLimits& limits)
{
    const int64_t rows = limits.rows, choices = m_config.expertsPerRow;
    m_input = layout.place({rows, m_config.hiddenSize});
    m_routing = layout.place({rows, m_config.experts});
    m_experts = layout.place({rows, choices}, kernels::Type::I32);
    m_shares = layout.place({rows, choices});
    m_inner = layout.place({rows * choices, m_config.expertSize});
    if (m_config.sharedSize > 0) {
        m_share = layout.place({rows, 1});
        m_sharedInner = layout.place({rows, m_config.sharedSize});
    }
}

void MixtureLayers::forward(kernels::Device& device, int index, const kernels::LinearInput& input,
                            const Tensor& out) const
{
    const Layer& layer = m_layers[size_t(index)];
    const int64_t rows = input.x.rows();
    // Normalised apart, because `out` is where the input comes from and it is read to the end.
    const Tensor x = m_input.first(rows);
    device.rmsNorm(x, input.x, *input.norm, input.epsilon);

    const LinearOutput outputs[] = {
        {layer.router.get(), m_routing.first(rows), nullptr, false},
        {layer.share.get(), layer.share ? m_share.first(rows) : Tensor(), nullptr, false},
    };
    device.linear({x}, std::span(outputs).first(layer.share ? 2 : 1));

    const kernels::ExpertChoice choice{m_experts.first(rows), m_shares.first(rows)};
    device.routeExperts(choice, m_routing.first(rows), m_config.renormalise);
    device.expertFeedForward({x}, {layer.gates, layer.ups, layer.downs}, choice, kernels::Activation::Silu,
                             m_inner.first(rows * m_config.expertsPerRow), out);
    if (layer.share)
        addShared(device, layer, x, out);
}

/// The gate scales the inner activations, which is the same as scaling the result.
void MixtureLayers::addShared(kernels::Device& device, const Layer& layer, const Tensor& x, const Tensor& out) const
{
    const Tensor inner = m_sharedInner.first(x.rows());
    device.gatedLinear({x}, *layer.sharedGate, *layer.sharedUp, kernels::Activation::Silu, inner);
    device.gateSigmoid(inner, m_share.first(x.rows()));
    const LinearOutput output{layer.sharedDown.get(), out, nullptr, true};
    device.linear({inner}, {&output, 1});
}

} // namespace cortex::engine
