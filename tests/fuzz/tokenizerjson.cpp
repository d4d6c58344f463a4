// SPDX-License-Identifier: GPL-3.0-only
// tokenizer.json: refused with an Error, or a tokenizer whose ids are within its vocabulary.
#include "exercise.h"
#include "neuron/engine/error.h"
#include "neuron/engine/text/jsontokenizer.h"

using namespace cortex;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    try {
        // A folder that does not exist: no file beside it takes part.
        const auto file =
            engine::MappedFile::fromBytes("/nowhere/tokenizer.json", std::as_bytes(std::span(data, size)));
        fuzz::exercise(engine::tokenizerFromJson(*file));
    } catch (const engine::Error&) {
    }
    return 0;
}
