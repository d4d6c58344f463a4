// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/formats/ggufwriter.h"
#include "neuron/engine/models/ropeconfig.h"
#include "neuron/engine/quantize/exporttensors.h"

namespace cortex::engine {

/// Throws Error(Unsupported): the checkpoint cannot be written for `cause`, and what can be done instead.
[[noreturn]] void refuseExport(const Checkpoint& checkpoint, const std::string& cause);

/// How positions are rotated in layers that see everything, of config.json.
RopeConfig exportedRope(const Checkpoint& checkpoint, const ExportFamily& family, const ModelShape& shape);

/// Adds the general.* keys and those of the architecture, as llama.cpp's converter writes them. `type` is that of most
/// matrices. Throws Error(Unsupported) for what the format has no keys for, so that a reader would compute something
/// else: sliding windows but Gemma's, layers at no fixed interval, rope scaling other than linear, llama3 and plain
/// yarn, expert shares that do not add up to one, an attention scale of the checkpoint's own.
void exportMetadata(const Checkpoint& checkpoint, const ExportFamily& family, const ModelShape& shape,
                    const RopeConfig& rope, kernels::Type type, GgufWriter& writer);

} // namespace cortex::engine
