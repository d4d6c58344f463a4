// SPDX-License-Identifier: GPL-3.0-only
// The GGUF reader: a file is refused with an Error, or every byte of its tensors can be read.
#include "neuron/engine/error.h"
#include "neuron/engine/formats/gguf.h"
#include "touch.h"

using namespace cortex;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    try {
        const engine::GgufFile file(engine::MappedFile::fromBytes("fuzz.gguf", std::as_bytes(std::span(data, size))));
        for (const engine::GgufTensor& tensor : file.tensors())
            if (tensor.type)
                fuzz::touch(file.weight(tensor));
    } catch (const engine::Error&) {
    }
    return 0;
}
