// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/daemon/openai/toolcall.h"

#include <variant>
#include <vector>

namespace cortex::neuron {

struct ReasoningText {
    std::string text;
};
struct ContentText {
    std::string text;
};
/// A stretch of a model's output.
using OutputPiece = std::variant<ReasoningText, ContentText, ToolCall>;

/// Splits the output of a chat model, as it streams, into what it thought, what it says, and what it wants called:
///
///     <think> reasoning </think> content <tool_call> a call </tool_call> …
///
/// Reasoning stands at the beginning or nowhere; the tag that opens it may be the prompt's last word already. White
/// space around the tags is dropped. What only looks like a call is content, as it was written. Text is handed on as
/// soon as it can no longer become a tag; a call when it is complete. How the text is cut changes nothing, but that of
/// very long runs of white space some may come through.
class OutputParser {
public:
    /// `inReasoning`: the prompt ended with the opening tag. `tools`: of the request; null: calls are not looked for.
    OutputParser(bool inReasoning, Json tools)
        : m_inReasoning(inReasoning)
        , m_tools(std::move(tools))
    {
    }
    /// `text` is whole UTF-8, and so is every piece.
    std::vector<OutputPiece> push(std::string_view text);
    /// What was held back. The output has ended.
    std::vector<OutputPiece> finish();

private:
    enum class State { Start, Reasoning, Content, Call };
    using Pieces = std::vector<OutputPiece>;
    bool step(Pieces& pieces); ///< false: more text is needed
    bool readStart();
    bool readReasoning(Pieces& pieces);
    bool readContent(Pieces& pieces);
    bool readCall(Pieces& pieces);
    bool dropSpace();
    template <class Text>
    void handOn(Pieces& pieces, size_t bytes);

    State m_state = State::Start;
    bool m_inReasoning;
    bool m_dropSpace = false; ///< white space that comes next is no text
    Json m_tools;
    std::string m_held; ///< not handed on yet
    std::string m_spaceBeforeCall; ///< taken off the content, given back if there is no call
    ToolCallScanner m_scanner;
};

/// Whether a rendered prompt ends with the tag that opens reasoning.
bool opensReasoning(std::string_view prompt);

} // namespace cortex::neuron
