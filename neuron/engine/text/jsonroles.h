// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/formats/jsonfile.h"
#include "neuron/engine/text/vocabulary.h"

namespace cortex::engine {

/// Which tokens begin and end a sequence: what `tokenizer_config.json`, `generation_config.json` and `config.json` in
/// `directory` say, where they are there, what the post_processor of `tokenizerJson` puts first, and the well-known
/// names. Throws Error(BadFile) naming the file.
TokenRoles readRoles(const JsonView& tokenizerJson, const std::filesystem::path& directory,
                     const BpeVocabulary& vocabulary);

} // namespace cortex::engine
