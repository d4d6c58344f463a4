// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/models/attentionlayers.h"
#include "neuron/engine/models/decoderends.h"
#include "neuron/engine/models/families.h"
#include "neuron/engine/models/gemma3config.h"
#include "neuron/engine/models/tensornames.h"

#include <algorithm>
#include <cmath>

namespace cortex::engine {

namespace {

/// Gemma 3. With h the hidden states, which begin as √hidden · E[tokens], for each layer:
///
///     h += rms(attention(rms(h)))       q, k normalised per head, then rotated; window layers have a base of their own
///     h += rms(mlp(rms(h)))             gelu
///
/// Norms multiply by 1 + w.
class Gemma3Graph final : public ModelGraph {
public:
    explicit Gemma3Graph(Gemma3Config config)
        : m_config(std::move(config))
        , m_shape(shapeOf(m_config.decoder))
        , m_ends(m_config.decoder, std::sqrt(float(m_config.decoder.hiddenSize)))
        , m_attention(m_config.decoder.attention)
        , m_mlp(m_config.mlp)
    {
        m_shape.widestInput = std::max(m_shape.widestInput, m_mlp.widestInput());
    }

    const ModelShape& shape() const override { return m_shape; }

    void loadWeights(WeightLoader& loader) override
    {
        m_ends.load(loader);
        m_attention.loadShared(loader);
        m_mlp.startLoading();
        m_norms.clear();
        for (int i = 0; i < m_config.decoder.layers; ++i) {
            const auto norm = [&](const TensorName& name) {
                return loader.vector(name, i, {m_config.decoder.hiddenSize}, m_config.decoder.normTransform);
            };
            Norms norms;
            norms.attention = norm(names::AttentionNorm);
            m_attention.load(loader, i, m_config.reaches[size_t(i)]);
            norms.attended = norm(names::PostAttentionNorm);
            norms.feedForward = norm(names::PreFeedForwardNorm);
            m_mlp.load(loader, i);
            norms.fedForward = norm(names::PostFeedForwardNorm);
            m_norms.push_back(std::move(norms));
        }
    }

    void placeActivations(ActivationLayout& layout, const StepLimits& limits) override
    {
        m_ends.placeHidden(layout, limits);
        const size_t position = layout.position();
        m_branch = layout.place({limits.rows, m_config.decoder.hiddenSize});
        const size_t parts = layout.position();
        m_attention.place(layout, limits);
        layout.goBack(parts);
        m_mlp.place(layout, limits);
        layout.goBack(position);
        m_ends.placeLogits(layout, limits);
    }

    kernels::Tensor forward(kernels::Device& device, const kernels::Batch& batch, const SequenceMemory& memory) override
    {
        const float epsilon = m_config.decoder.normEpsilon;
        const kernels::Tensor h = m_ends.embed(device, batch);
        const kernels::Tensor branch = m_branch.first(batch.rows());
        const auto addNormalised = [&](const kernels::WeightPtr& norm) {
            device.rmsNorm(branch, branch, *norm, epsilon);
            device.add(h, branch);
        };
        for (int i = 0; i < m_config.decoder.layers; ++i) {
            const Norms& norms = m_norms[size_t(i)];
            m_attention.forward(device, i, {h, norms.attention.get(), epsilon}, {branch, false}, batch, memory.cache);
            addNormalised(norms.attended);
            m_mlp.forward(device, i, {h, norms.feedForward.get(), epsilon}, {branch, false});
            addNormalised(norms.fedForward);
        }
        return m_ends.logits(device, h, batch);
    }

private:
    /// Before and after attention and feed-forward; each [hidden].
    struct Norms {
        kernels::WeightPtr attention, attended, feedForward, fedForward;
    };

    Gemma3Config m_config;
    ModelShape m_shape;
    DecoderEnds m_ends;
    AttentionLayers m_attention;
    MlpLayers m_mlp;
    std::vector<Norms> m_norms; ///< of each layer
    kernels::Tensor m_branch; ///< [rows, hidden]
};

} // namespace

std::unique_ptr<ModelGraph> createGemma3(const Checkpoint& checkpoint)
{
    return std::make_unique<Gemma3Graph>(readGemma3Config(checkpoint));
}

} // namespace cortex::engine
