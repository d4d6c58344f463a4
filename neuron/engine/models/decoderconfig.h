// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/device.h"
#include "neuron/engine/models/configreader.h"
#include "neuron/engine/models/modelgraph.h"
#include "neuron/engine/models/ropeconfig.h"
#include "neuron/engine/models/weightloader.h"

namespace cortex::engine {

// Far beyond any known model, and small enough that no product of them overflows.
namespace limits {
inline constexpr int Layers = 1024;
inline constexpr int Heads = 1024;
inline constexpr int HeadDim = 1024;
inline constexpr int Width = 1 << 18;
inline constexpr int FeedForward = 1 << 20;
inline constexpr int Vocabulary = 1 << 22;
inline constexpr int Context = 1 << 26;
inline constexpr int Experts = 1 << 14;
inline constexpr int KernelWidth = 64;
} // namespace limits

/// How far attention sees, and how it knows where: one kind of a model's attention layers.
struct AttentionReach {
    RopeConfig rope;
    int window = 0; ///< positions seen, a token's own among them; 0: all
};

/// What AttentionLayers compute.
struct AttentionConfig {
    int hiddenSize = 0;
    int heads = 0;
    int kvHeads = 0;
    int headDim = 0;
    float scale = 0; ///< multiplies q·k
    float normEpsilon = 0;
    Transform normTransform = Transform::None; ///< of the norms per head
    bool headNorms = false; ///< queries and keys are normalised, head by head
    bool outputGate = false; ///< query projections hold [query | gate] for each head
    kernels::RopePairing ropePairing = kernels::RopePairing::HalfSplit;
    std::vector<AttentionReach> reaches;
};

/// What a family's reader takes where config.json is silent; 0: the key must be there. Transformers' defaults.
struct DecoderDefaults {
    int heads = 0;
    int kvHeads = 0; ///< 0: as many as heads
    int headDim = 0; ///< 0: hidden size / heads
    int vocabularySize = 0;
    int contextLimit = 2048;
    bool tiedEmbeddings = false;
};

/// Figures that every decoder has, checked.
struct DecoderConfig {
    int layers = 0;
    int hiddenSize = 0;
    int vocabularySize = 0;
    int contextLimit = 0;
    float normEpsilon = 0;
    Transform normTransform = Transform::None; ///< of all norms of hidden states
    bool tiedEmbeddings = false; ///< the output projection is the embedding
    AttentionConfig attention; ///< without reaches, which the families read
};

/// `offsetNorms`: the family multiplies by 1 + w, and safetensors hold w (GGUF's converter has added the 1). Refuses
/// what no family here supports. Throws Error(BadFile | Unsupported) naming file, key and cause.
DecoderConfig readDecoderConfig(const ConfigReader& reader, const DecoderDefaults& defaults, bool offsetNorms);

/// What the figures say of a model of attention layers only, without feed-forward.
ModelShape shapeOf(const DecoderConfig& config);

/// Refuses config.json where `key` names another activation than `supported`.
void requireActivation(const ConfigReader& reader, std::string_view key, std::string_view supported);

/// Inner width of the dense feed-forward layers.
int readFeedForwardSize(const ConfigReader& reader);

/// How positions are rotated in layers of `layerType` ("full_attention"), which matters where config.json has figures
/// for each type. `partial` is the rotated part of a head where neither format says.
RopeConfig readRope(const ConfigReader& reader, const DecoderConfig& config, std::string_view layerType,
                    double base = 10000, double partial = 1);
/// Checked as readRope does: rotary positions of `config`, of which the figures were found elsewhere.
RopeConfig plainRope(const DecoderConfig& config, double base);

/// Whether each layer is of `type` by config.json's layer_types, of which all must be among `known`; nothing where it
/// does not say.
std::optional<std::vector<bool>> readLayerTypes(const ConfigReader& reader, const DecoderConfig& config,
                                                std::string_view type, std::initializer_list<std::string_view> known);

/// Sliding windows as Qwen2 and Qwen3 have them, of config.json alone: which layers have one, and how wide.
struct SlidingWindows {
    int window = 0; ///< 0: no layer has one
    std::vector<bool> layers;
};
SlidingWindows readSlidingWindows(const ConfigReader& reader, const DecoderConfig& config);

/// The reaches of a model whose layers differ in `windows` alone: adds them to `config`, and gives each layer's.
std::vector<int> addReaches(DecoderConfig& config, const RopeConfig& rope, const SlidingWindows& windows);

} // namespace cortex::engine
