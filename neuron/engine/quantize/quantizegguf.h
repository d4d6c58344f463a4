// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/quantize/quantmix.h"

#include <functional>
#include <map>

namespace cortex::engine {

/// What quantizeGguf did.
struct QuantizeResult {
    size_t bytesBefore = 0; ///< of the tensors
    size_t bytesAfter = 0;
    std::map<std::string, int> tensorsByType; ///< afterwards
};

/// Writes `source` to `destination` in another mix: all metadata as it was, general.file_type changed, one file where
/// there were parts. Tensors that are quantized already are expanded first, and copied where they have the type that
/// they should get. Takes a few MiB beside the files' own mapping.
///
/// `progress` gets the fraction done and the tensor's name; false stops. `threads` 0: one per core. Throws Error: for a
/// destination that is the source, tensors of types that are not read, values that are no numbers (Unsupported), and
/// what GgufWriter throws. Then nothing is left at `destination` that was not there before.
QuantizeResult quantizeGguf(const GgufFile& source, const std::filesystem::path& destination, const QuantMix& mix,
                            int threads,
                            const std::function<bool(double fraction, const std::string& tensor)>& progress);

} // namespace cortex::engine
