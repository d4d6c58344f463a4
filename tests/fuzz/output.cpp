// SPDX-License-Identifier: GPL-3.0-only
// A model's output: the same text in any pieces gives the same reasoning, content and tool calls.
#include "neuron/daemon/openai/outputparser.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

using namespace cortex::neuron;

namespace {

/// Everything that was found, white space apart: of long runs of it, more comes through the finer the pieces are.
struct Found {
    std::string reasoning, content, calls;
    bool operator==(const Found&) const = default;

    void add(const std::vector<OutputPiece>& pieces)
    {
        for (const OutputPiece& piece : pieces) {
            if (const auto* call = std::get_if<ToolCall>(&piece))
                calls += call->name + '(' + call->arguments + ')';
            else if (const auto* thought = std::get_if<ReasoningText>(&piece))
                addText(reasoning, thought->text);
            else
                addText(content, std::get<ContentText>(piece).text);
        }
    }

private:
    static void addText(std::string& to, const std::string& text)
    {
        std::copy_if(text.begin(), text.end(), std::back_inserter(to),
                     [](char c) { return std::string_view(" \t\r\n").find(c) == std::string_view::npos; });
    }
};

Found parseAll(std::string_view text, size_t step, bool inReasoning)
{
    static const Json tools = Json::parse(R"([{"function": {"name": "f", "parameters": {"properties":
        {"n": {"type": "integer"}, "o": {"type": "object"}, "s": {"type": "string"}}}}}])");
    OutputParser parser(inReasoning, tools);
    Found found;
    for (size_t at = 0; at < text.size(); at += step)
        found.add(parser.push(text.substr(at, step)));
    found.add(parser.finish());
    return found;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    for (const bool inReasoning : {false, true}) {
        const Found whole = parseAll(text, size + 1, inReasoning);
        if (!(parseAll(text, 1, inReasoning) == whole && parseAll(text, 7, inReasoning) == whole))
            std::abort();
    }
    return 0;
}
