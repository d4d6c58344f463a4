// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/text/regex.h"

#include "neuron/engine/error.h"
#include "neuron/engine/formats/quotedname.h"

#include <algorithm>
#include <cstdint>
#include <new>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace cortex::engine {

namespace {

constexpr size_t maxPatternBytes = 16384;
/// Bounds of one search: PCRE2's steps, beside a share per byte of text, and the memory of its stacks.
constexpr uint32_t baseMatchLimit = 1'000'000;
constexpr size_t matchLimitPerByte = 16;
constexpr uint32_t heapLimitKiB = 65536;
constexpr size_t jitStackStart = 64 * 1024;
constexpr size_t jitStackMax = 16 * 1024 * 1024;

/// White_Space, as the inside of a class. PCRE2's own \s adds U+180E.
constexpr std::string_view whiteSpace =
    "\\t-\\r \\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}";

/// Rewrites an Oniguruma pattern for PCRE2.
class Translator {
public:
    explicit Translator(std::string_view pattern)
        : m_pattern(pattern)
    {
    }

    std::string translate()
    {
        while (m_position < m_pattern.size())
            step();
        return std::move(m_result);
    }

private:
    [[noreturn]] void refuse(const std::string& what) const
    {
        throw Error(ErrorKind::Unsupported,
                    "the regular expression " + quotedName(m_pattern) + " uses " + what + " at byte "
                        + std::to_string(m_position) + ", which is not supported");
    }

    char at(size_t offset) const
    {
        return m_position + offset < m_pattern.size() ? m_pattern[m_position + offset] : '\0';
    }

    void copy(size_t count)
    {
        count = std::min(count, m_pattern.size() - m_position);
        m_result.append(m_pattern, m_position, count);
        m_position += count;
    }

    void step()
    {
        if (at(0) == '\\')
            escape();
        else if (m_inClass)
            insideClass();
        else
            outsideClass();
    }

    void escape()
    {
        const char letter = at(1);
        if (letter == 'h' || letter == 'H')
            refuse("\\h");
        if (m_inClass && letter == 'S')
            refuse("\\S in a class");
        if (letter != 's' && letter != 'S')
            return copy(escapeLength());
        if (m_inClass)
            m_result += whiteSpace;
        else
            m_result.append(letter == 's' ? "[" : "[^").append(whiteSpace).append("]");
        m_position += 2;
    }

    /// \p{…}, \P{…} and \x{…} take their braces along.
    size_t escapeLength() const
    {
        const bool takesBraces = at(1) == 'p' || at(1) == 'P' || at(1) == 'x';
        return takesBraces && at(2) == '{'
            ? std::min(m_pattern.find('}', m_position), m_pattern.size()) + 1 - m_position
            : 2;
    }

    void insideClass()
    {
        if (at(0) == '[' && at(1) == ':')
            return copy(2);
        if (at(0) == ':' && at(1) == ']')
            return copy(2);
        if (at(0) == '[')
            refuse("a class inside a class");
        if (at(0) == '&' && at(1) == '&')
            refuse("an intersection of classes");
        m_inClass = at(0) != ']';
        copy(1);
    }

    void outsideClass()
    {
        if (at(0) == '}' && at(1) == '+')
            refuse("+ after a counted repetition");
        if (at(0) == '(' && at(1) == '?')
            checkFlags();
        if (at(0) != '[')
            return copy(1);
        m_inClass = true;
        copy(at(1) == '^' ? 2 : 1);
        if (at(0) == ']')
            copy(1);
    }

    /// The flag m lets a dot match line ends in Ruby's syntax, and means something else in PCRE2.
    void checkFlags() const
    {
        size_t offset = 2;
        while ((at(offset) >= 'a' && at(offset) <= 'z') || at(offset) == '-')
            if (at(offset++) == 'm')
                refuse("the flag m");
    }

    std::string_view m_pattern;
    std::string m_result;
    size_t m_position = 0;
    bool m_inClass = false;
};

/// What a search needs and a thread keeps between searches.
struct Scratch {
    pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
    pcre2_match_context* context = pcre2_match_context_create(nullptr);
    pcre2_jit_stack* stack = pcre2_jit_stack_create(jitStackStart, jitStackMax, nullptr);

    Scratch()
    {
        if (!data || !context)
            throw std::bad_alloc();
        pcre2_set_heap_limit(context, heapLimitKiB);
        if (stack)
            pcre2_jit_stack_assign(context, nullptr, stack);
    }
    ~Scratch()
    {
        pcre2_jit_stack_free(stack);
        pcre2_match_context_free(context);
        pcre2_match_data_free(data);
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
};

} // namespace

struct Regex::Code {
    pcre2_code* compiled;

    Code(std::string_view pattern, uint32_t options)
    {
        int error = 0;
        size_t offset = 0;
        compiled = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), options, &error, &offset,
                                 nullptr);
        if (!compiled) {
            char text[256] = "";
            pcre2_get_error_message(error, reinterpret_cast<PCRE2_UCHAR*>(text), sizeof text);
            throw Error(ErrorKind::BadFile,
                        "the regular expression " + quotedName(pattern) + " is wrong near byte "
                            + std::to_string(offset) + ": " + text);
        }
        // Where the machine has no just-in-time compiler, PCRE2 interprets.
        pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE);
    }
    ~Code() { pcre2_code_free(compiled); }
    Code(const Code&) = delete;
    Code& operator=(const Code&) = delete;
};

Regex::Regex(std::shared_ptr<const Code> code)
    : m_code(std::move(code))
{
}

Regex::Regex(std::string_view pattern)
{
    if (pattern.size() > maxPatternBytes)
        throw Error(ErrorKind::Unsupported,
                    "a regular expression of " + std::to_string(pattern.size()) + " bytes is too long");
    m_code = std::make_shared<const Code>(Translator(pattern).translate(),
                                          PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C);
}

Regex Regex::literal(std::string_view text)
{
    return Regex(std::make_shared<const Code>(text, PCRE2_UTF | PCRE2_LITERAL));
}

std::optional<Regex::Match> Regex::find(std::string_view text, size_t from) const
{
    thread_local Scratch scratch;
    const size_t limit = baseMatchLimit + matchLimitPerByte * text.size();
    pcre2_set_match_limit(scratch.context, uint32_t(std::min<size_t>(limit, UINT32_MAX)));
    const int count = pcre2_match(m_code->compiled, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                                  PCRE2_NO_UTF_CHECK, scratch.data, scratch.context);
    if (count < 0)
        return std::nullopt;
    const size_t* ends = pcre2_get_ovector_pointer(scratch.data);
    // \K in a look-ahead can put the start behind the end.
    return Match{std::max(std::min(ends[0], ends[1]), from), ends[1]};
}

} // namespace cortex::engine
