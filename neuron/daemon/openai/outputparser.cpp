// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/openai/outputparser.h"

#include <algorithm>

namespace cortex::neuron {

namespace {

constexpr std::string_view ThinkTag = "<think>";
constexpr std::string_view ThinkEnd = "</think>";
constexpr std::string_view CallTag = "<tool_call>";
constexpr std::string_view Space = " \t\r\n";
constexpr size_t MaxHeldSpace = 256; ///< a longer run is text, and is not looked at again and again

/// The length of the longest end of `text` that `tag` begins with.
size_t partialTag(std::string_view text, std::string_view tag)
{
    for (size_t length = std::min(text.size(), tag.size() - 1); length > 0; --length) {
        if (text.ends_with(tag.substr(0, length)))
            return length;
    }
    return 0;
}

/// `text` without white space at its end.
size_t trimmedSize(std::string_view text)
{
    return text.find_last_not_of(Space) + 1; // npos + 1 is 0
}

/// How much of `text` is certain to stand before `tag`: neither the beginning of one, nor white space in front of it.
size_t certainSize(std::string_view text, std::string_view tag)
{
    const std::string_view before = text.substr(0, text.size() - partialTag(text, tag));
    const size_t trimmed = trimmedSize(before);
    return before.size() - trimmed > MaxHeldSpace ? before.size() : trimmed;
}

} // namespace

bool opensReasoning(std::string_view prompt)
{
    return prompt.substr(0, trimmedSize(prompt)).ends_with(ThinkTag);
}

std::vector<OutputPiece> OutputParser::push(std::string_view text)
{
    m_held += text;
    Pieces pieces;
    while (step(pieces)) { }
    return pieces;
}

std::vector<OutputPiece> OutputParser::finish()
{
    Pieces pieces;
    if (m_state == State::Call) {
        if (std::optional<ToolCall> call = parseToolCall(m_held, m_tools)) { // its closing tag is the end
            pieces.emplace_back(*std::move(call));
            return pieces;
        }
        m_held = m_spaceBeforeCall + std::string(CallTag) + m_held;
    }
    const bool thinks = m_state == State::Reasoning || (m_state == State::Start && m_inReasoning);
    if (m_dropSpace || (m_state == State::Start && thinks))
        dropSpace();
    if (thinks)
        handOn<ReasoningText>(pieces, trimmedSize(m_held));
    else
        handOn<ContentText>(pieces, m_held.size());
    return pieces;
}

bool OutputParser::step(Pieces& pieces)
{
    if (m_dropSpace && !dropSpace())
        return false;
    switch (m_state) {
    case State::Start:
        return readStart();
    case State::Reasoning:
        return readReasoning(pieces);
    case State::Content:
        return readContent(pieces);
    case State::Call:
        return readCall(pieces);
    }
    return false;
}

/// Drops white space up to the next text; false while there is none.
bool OutputParser::dropSpace()
{
    m_held.erase(0, std::min(m_held.find_first_not_of(Space), m_held.size()));
    m_dropSpace = m_held.empty();
    return !m_dropSpace;
}

/// Moves the first bytes of what is held into a piece.
template <class Text>
void OutputParser::handOn(Pieces& pieces, size_t bytes)
{
    if (bytes == 0)
        return;
    pieces.emplace_back(Text{m_held.substr(0, bytes)});
    m_held.erase(0, bytes);
}

bool OutputParser::readStart()
{
    const size_t space = std::min(m_held.find_first_not_of(Space), m_held.size());
    const std::string_view text = std::string_view(m_held).substr(space);
    if (space <= MaxHeldSpace && text != ThinkTag && ThinkTag.starts_with(text))
        return false; // it may become the tag
    if (space <= MaxHeldSpace && text.starts_with(ThinkTag)) {
        m_held.erase(0, space + ThinkTag.size());
        m_inReasoning = true;
    }
    m_state = m_inReasoning ? State::Reasoning : State::Content;
    m_dropSpace = m_inReasoning;
    return true;
}

bool OutputParser::readReasoning(Pieces& pieces)
{
    const size_t end = m_held.find(ThinkEnd);
    if (end == m_held.npos) {
        handOn<ReasoningText>(pieces, certainSize(m_held, ThinkEnd));
        return false;
    }
    const size_t trimmed = trimmedSize(std::string_view(m_held).substr(0, end));
    handOn<ReasoningText>(pieces, trimmed);
    m_held.erase(0, end - trimmed + ThinkEnd.size());
    m_state = State::Content;
    m_dropSpace = true;
    return true;
}

bool OutputParser::readContent(Pieces& pieces)
{
    if (m_tools.is_null()) {
        handOn<ContentText>(pieces, m_held.size());
        return false;
    }
    const size_t call = m_held.find(CallTag);
    if (call == m_held.npos) {
        handOn<ContentText>(pieces, certainSize(m_held, CallTag));
        return false;
    }
    const size_t trimmed = trimmedSize(std::string_view(m_held).substr(0, call));
    handOn<ContentText>(pieces, trimmed);
    m_spaceBeforeCall = m_held.substr(0, call - trimmed);
    m_held.erase(0, call - trimmed + CallTag.size());
    m_scanner = {};
    m_state = State::Call;
    return true;
}

bool OutputParser::readCall(Pieces& pieces)
{
    const std::optional<size_t> end = m_scanner.findEnd(m_held);
    if (!end && !m_scanner.isHopeless())
        return false;
    m_state = State::Content;
    if (!end) { // text that happens to hold the tag
        pieces.emplace_back(ContentText{m_spaceBeforeCall + std::string(CallTag)});
        return true;
    }
    const size_t whole = *end + ToolCallScanner::ClosingTag.size();
    if (std::optional<ToolCall> call = parseToolCall(std::string_view(m_held).substr(0, *end), m_tools)) {
        pieces.emplace_back(*std::move(call));
        m_dropSpace = true;
    } else {
        pieces.emplace_back(ContentText{m_spaceBeforeCall + std::string(CallTag) + m_held.substr(0, whole)});
    }
    m_held.erase(0, whole);
    return true;
}

} // namespace cortex::neuron
