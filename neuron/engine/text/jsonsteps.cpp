// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/text/jsonsteps.h"

#include "neuron/engine/formats/quotedname.h"
#include "neuron/engine/text/utf8.h"

#include <algorithm>

namespace cortex::engine {

void refuseStep(const JsonView& part)
{
    part.fail("of type " + quotedName(part.require("type").string())
                  + " is not supported; BPE tokenizers of the byte-level and SentencePiece kinds are",
              ErrorKind::Unsupported);
}

Regex readPattern(const JsonView& pattern)
{
    try {
        if (const auto regex = pattern.member("Regex"))
            return Regex(regex->string());
        return Regex::literal(pattern.require("String").string());
    } catch (const Error& error) {
        pattern.fail(error.what(), error.kind());
    }
}

const std::string& readCharacter(const JsonView& value)
{
    const std::string& text = value.string();
    if (text.empty() || nextUtf8(text).bytes != text.size())
        value.fail("is not one character: " + quotedName(text));
    return text;
}

JsonReplace readReplace(const JsonView& part)
{
    const JsonView pattern = part.require("pattern");
    const std::string& content = part.require("content").string();
    // A regular expression may match nothing at all, and does so before every byte.
    const auto literal = pattern.member("String");
    const size_t growth =
        literal ? content.size() / std::max<size_t>(literal->string().size(), 1) + 1 : content.size() + 1;
    if (literal && literal->string().empty())
        literal->fail("is empty");
    return {ReplaceStep{readPattern(pattern), content, literal ? literal->string().size() : 0}, growth};
}

} // namespace cortex::engine
