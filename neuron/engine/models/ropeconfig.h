// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/models/configreader.h"
#include "neuron/engine/models/rope.h"

namespace cortex::engine {

/// What follows from a model's other figures, or from its family, where a file does not say.
struct RopeDefaults {
    int headDim = 0;
    int contextLimit = 0;
    double base = 10000;
    double partial = 1; ///< rotated part of a head
};

// Rotary positions of a checkpoint. Throw Error(BadFile | Unsupported) naming file, key and cause. Whether the rotated
// dimensions fit the head is left to the caller.

/// From GGUF metadata, and rope_freqs.weight where the file has it.
RopeConfig readGgufRope(const ConfigReader& reader, const RopeDefaults& defaults);

/// From config.json: rope_parameters of transformers 5, flat or with a part for `layerType`; before it, rope_theta and
/// rope_scaling.
RopeConfig readJsonRope(const ConfigReader& reader, const RopeDefaults& defaults, std::string_view layerType);

} // namespace cortex::engine
