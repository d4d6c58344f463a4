// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/formats/mappedfile.h"
#include "neuron/engine/text/tokenizer.h"

namespace cortex::engine {

/// As tokenizerFromJson of a path, from a file that is already there.
std::shared_ptr<const Tokenizer> tokenizerFromJson(const MappedFile& file);

} // namespace cortex::engine
