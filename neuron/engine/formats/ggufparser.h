// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/formats/gguf.h"

namespace cortex::engine {

/// What the header of one GGUF file says; every tensor lies within the file. `file` of the tensors is left at 0.
struct GgufHeader {
    std::map<std::string, GgufValue, std::less<>> metadata;
    std::vector<GgufEntry> entries; ///< of the metadata, in the file's order
    std::vector<GgufTensor> tensors;
};

/// Reads and checks a header. Throws Error(BadFile | Unsupported) as GgufFile does.
GgufHeader parseGguf(const MappedFile& file);

} // namespace cortex::engine
