// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/daemon/openai/jsonreader.h"

#include <optional>
#include <string>
#include <string_view>

/// What models write between <tool_call> and </tool_call>. Two dialects, told apart by how the text begins:
///
///     {"name": "f", "arguments": {"city": "Oslo"}}                                        Hermes, Qwen2.5, Qwen3
///
///     <function=f>\n<parameter=city>\nOslo\n</parameter>\n</function>                     Qwen3-Coder, Qwen3.5
namespace cortex::neuron {

/// A function that the model wants called.
struct ToolCall {
    std::string name;
    std::string arguments; ///< a JSON object, as text
};

/// Finds where a call ends while its text comes in. Every byte is looked at once, however the text is cut.
class ToolCallScanner {
public:
    static constexpr std::string_view ClosingTag = "</tool_call>";

    /// `text` is all that came after the opening tag so far. The offset of the closing tag that ends the call; one that
    /// stands inside a JSON string, or before </function>, is part of an argument.
    std::optional<size_t> findEnd(std::string_view text);
    /// The text cannot be a call in any dialect, whatever follows.
    bool isHopeless() const { return m_dialect == Dialect::None; }

private:
    enum class Dialect { Unknown, Hermes, Qwen, None };
    void recognise(std::string_view text);

    Dialect m_dialect = Dialect::Unknown;
    size_t m_scanned = 0;
    bool m_inString = false;
    bool m_escaped = false;
};

/// Parses one call. `tools` are the request's: they tell which parameters of the second dialect are text (the default)
/// and which are JSON. Nothing where the text is not a call.
std::optional<ToolCall> parseToolCall(std::string_view text, const Json& tools);

} // namespace cortex::neuron
