// SPDX-License-Identifier: GPL-3.0-only
// The safetensors reader: a file is refused with an Error, or every byte of its tensors can be read.
#include "neuron/engine/error.h"
#include "neuron/engine/formats/safetensors.h"
#include "touch.h"

using namespace cortex;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    try {
        const engine::SafetensorsFiles files(
            engine::MappedFile::fromBytes("fuzz.safetensors", std::as_bytes(std::span(data, size))));
        for (const engine::SafeTensor& tensor : files.tensors())
            if (tensor.type && tensor.bytes > 0)
                fuzz::touch(files.weight(tensor));
    } catch (const engine::Error&) {
    }
    return 0;
}
