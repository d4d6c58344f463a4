// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/formats/jsonfile.h"
#include "neuron/engine/text/normalizer.h"
#include "neuron/engine/text/pretokenizer.h"
#include "neuron/engine/text/tokendecoder.h"

namespace cortex::engine {

// The parts of a tokenizer.json that are lists of steps. All throw Error(BadFile | Unsupported) that names file, place
// and cause; steps that we lack are refused by name.

/// "normalizer"
Normalizer readNormalizer(const JsonView& normalizer);

struct JsonPreTokenizer {
    PreTokenizer preTokenizer;
    bool byteLevel = false; ///< whether it ends in the step that makes bytes of the words
};

/// "pre_tokenizer"
JsonPreTokenizer readPreTokenizer(const JsonView& preTokenizer);

/// "decoder"
TokenDecoder readDecoder(const JsonView& decoder);

// What they share:

[[noreturn]] void refuseStep(const JsonView& part);

/// A "pattern": {"String": …} or {"Regex": …}.
Regex readPattern(const JsonView& pattern);

/// A string that is one character.
const std::string& readCharacter(const JsonView& value);

/// A step of type Replace, and by how much it may at most lengthen a text.
struct JsonReplace {
    ReplaceStep step;
    size_t growth;
};
JsonReplace readReplace(const JsonView& part);

} // namespace cortex::engine
