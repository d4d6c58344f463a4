// SPDX-License-Identifier: GPL-3.0-only
// Arbitrary bytes as a chat template: compiled, and rendered with a small conversation. Anything but text or an Error
// is a finding.
#include "neuron/engine/error.h"
#include "neuron/engine/template/chattemplate.h"

#include <cstddef>
#include <cstdint>

using namespace cortex::engine;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    static const TemplateContext context = TemplateContext::parse(R"({
        "messages": [{"role": "user", "content": "größe 😀"},
                     {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {"a": [1, 2.5, null]}}}]}],
        "tools": [{"function": {"name": "f", "parameters": {"type": "object"}}}],
        "add_generation_prompt": true, "bos_token": "<s>", "n": 3, "x": [3, 1, 2], "s": "a b", "d": {"k": "v"}})");
    using namespace std::chrono;
    constexpr local_seconds now = local_days{year{2026} / July / 4} + hours{9};
    try {
        const ChatTemplate compiled(std::string(reinterpret_cast<const char*>(data), size), "fuzz");
        compiled.render(context, now);
    } catch (const Error&) {
        // Refused with a message, as it should be.
    }
    return 0;
}
