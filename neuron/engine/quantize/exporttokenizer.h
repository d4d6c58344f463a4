// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/formats/ggufwriter.h"
#include "neuron/engine/models/checkpoint.h"

namespace cortex::engine {

/// Adds the tokenizer.* keys of a safetensors checkpoint: its tokenizer.json (byte-level BPE of a split that GGUF has a
/// name for, or of the SentencePiece kind), the special ids and the chat template. `vocabulary` is the model's: ids
/// beyond the tokenizer's become unused tokens. Without a tokenizer.json the file says that it has none. Throws
/// Error(Unsupported | BadFile).
void exportTokenizer(const Checkpoint& checkpoint, int vocabulary, GgufWriter& writer);

} // namespace cortex::engine
