// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/formats/ggufwriter.h"
#include "neuron/engine/formats/jsonfile.h"

namespace cortex::engine {

/// Adds a vocabulary of the SentencePiece kind (BPE with byte fallback, spaces as "▁") of tokenizer.json: entries with
/// scores that stand for the merge rules (see mergeScores), types, the unknown token, and whether texts begin with a
/// space. What GGUF's readers do with added tokens and spaces is SentencePiece's own way, also where tokenizer.json has
/// a Metaspace step, which puts no space before a text that begins with one, nor (of scheme "first") behind an added
/// token. Throws Error(Unsupported) for other steps, and for rules that scores cannot stand for.
void exportSentencePiece(const JsonView& root, int vocabulary, GgufWriter& writer);

} // namespace cortex::engine
