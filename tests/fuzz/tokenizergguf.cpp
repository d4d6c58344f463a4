// SPDX-License-Identifier: GPL-3.0-only
// A tokenizer from GGUF metadata: refused with an Error, or one whose ids are within its vocabulary.
#include "exercise.h"
#include "neuron/engine/error.h"
#include "neuron/engine/formats/gguf.h"

using namespace cortex;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    try {
        const engine::GgufFile file(engine::MappedFile::fromBytes("fuzz.gguf", std::as_bytes(std::span(data, size))));
        fuzz::exercise(engine::tokenizerFromGguf(file));
    } catch (const engine::Error&) {
    }
    return 0;
}
