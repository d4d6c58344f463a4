// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/text/tokenizer.h"

namespace cortex::engine {

/// Turns a stream of tokens into a stream of whole UTF-8 text: bytes of a character that is not complete yet are held
/// back; bytes that can never become one come out as U+FFFD; nothing is lost. One per generated sequence; one thread.
class StreamDetokenizer {
public:
    explicit StreamDetokenizer(std::shared_ptr<const Tokenizer> tokenizer, bool skipSpecial = true);
    /// Text that `token` completes; often empty.
    std::string push(int32_t token);
    /// What was held back, at the end of the stream.
    std::string flush();

private:
    std::shared_ptr<const Tokenizer> m_tokenizer;
    bool m_skipSpecial;
    std::string m_pending;
};

/// Finds stop strings in streamed text, also across token boundaries: text that may be the beginning of a stop string
/// is held back until it is known. Earliest match wins; at equal positions the longest.
class StopMatcher {
public:
    explicit StopMatcher(std::vector<std::string> stops);
    /// Text that is safe to emit after `text` arrived. After a match: what stood before it; the rest is dropped.
    std::string push(std::string_view text);
    std::string flush(); ///< what was held back, when the stream ends without a match
    const std::optional<std::string>& matched() const { return m_matched; }

private:
    std::vector<std::string> m_stops;
    std::string m_pending;
    std::optional<std::string> m_matched;
};

} // namespace cortex::engine
