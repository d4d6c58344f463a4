// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace cortex::engine {

/// A regular expression of a tokenizer, on PCRE2 with its just-in-time compiler. Patterns are written for Oniguruma in
/// its Ruby syntax, which the Hugging Face library uses: `^` and `$` match at lines, `\s` is Unicode's White_Space.
/// What the two libraries read differently and this class does not translate is refused rather than misread.
/// Immutable; safe to use from many threads at once.
class Regex {
public:
    /// Throws Error(BadFile | Unsupported) with the pattern's fault; the caller adds the file.
    explicit Regex(std::string_view pattern);
    /// Matches `text` as it stands.
    static Regex literal(std::string_view text);

    struct Match {
        size_t begin;
        size_t end;
    };
    /// The first match in `text`, which is valid UTF-8, at or after `from`. Work is bounded in the length of the text:
    /// a pattern that exceeds the bound (only one made to do so does) gives no further match.
    std::optional<Match> find(std::string_view text, size_t from) const;

private:
    struct Code;
    explicit Regex(std::shared_ptr<const Code> code);
    std::shared_ptr<const Code> m_code;
};

} // namespace cortex::engine
