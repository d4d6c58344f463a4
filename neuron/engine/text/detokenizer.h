// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/text/tokenizer.h"

namespace cortex::engine {

/// Turns a stream of tokens into a stream of whole UTF-8 text: bytes of a character that is not complete yet are held
/// back; bytes that can never become one come out as U+FFFD; nothing is lost. One per generated sequence; one thread.
class StreamDetokenizer {
public:
    /// Where the stream begins: a text of its own loses the space that some tokenizers put before a text, what goes on
    /// from a prompt keeps it.
    enum class Start { WithinText, OfText };

    explicit StreamDetokenizer(std::shared_ptr<const Tokenizer> tokenizer, bool skipSpecial = true,
                               Start start = Start::WithinText);
    /// Text that `token` completes; often empty.
    std::string push(int32_t token);
    /// What was held back, at the end of the stream.
    std::string flush();

private:
    std::shared_ptr<const Tokenizer> m_tokenizer;
    bool m_skipSpecial;
    Start m_start;
    std::string m_pending;
};

/// Finds stop strings in streamed text, also across token boundaries: text that may be the beginning of a stop string
/// is held back until it is known. The stop string that is complete first wins; of several that are complete at the
/// same byte, the longest. So the outcome does not depend on how the text was cut. Linear in the text.
class StopMatcher {
public:
    explicit StopMatcher(std::vector<std::string> stops); ///< empty ones are left out
    /// Text that is safe to emit after `text` arrived. After a match: what stood before it; the rest is dropped.
    std::string push(std::string_view text);
    std::string flush(); ///< what was held back, when the stream ends without a match
    const std::optional<std::string>& matched() const { return m_matched; }

private:
    /// One stop string and how much of it the text so far ends with (Knuth, Morris, Pratt).
    struct Stop {
        std::string text;
        std::vector<size_t> fallback; ///< for each prefix, the length of the longest that it properly ends with
        size_t length = 0;

        explicit Stop(std::string stopText);
        bool advance(char byte); ///< whether `byte` completes it
    };

    std::vector<Stop> m_stops;
    std::string m_pending;
    std::optional<std::string> m_matched;
};

} // namespace cortex::engine
