// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/formats/quotedname.h"
#include "neuron/engine/text/jsonsteps.h"

#include <utility>

namespace cortex::engine {

namespace {

SplitBehavior splitBehavior(const JsonView& value)
{
    static const std::pair<std::string_view, SplitBehavior> names[]{
        {"Isolated", SplitBehavior::Isolated},
        {"Removed", SplitBehavior::Removed},
        {"Contiguous", SplitBehavior::Contiguous},
        {"MergedWithPrevious", SplitBehavior::MergedWithPrevious},
        {"MergedWithNext", SplitBehavior::MergedWithNext},
    };
    for (const auto& [name, behavior] : names)
        if (value.string() == name)
            return behavior;
    value.fail("is not a behavior: " + quotedName(value.string()));
}

/// Older files have "add_prefix_space" in its place, or beside it.
MetaspaceStep::Prepend readPrependScheme(const JsonView& part)
{
    static const std::pair<std::string_view, MetaspaceStep::Prepend> names[]{
        {"always", MetaspaceStep::Prepend::Always},
        {"first", MetaspaceStep::Prepend::First},
        {"never", MetaspaceStep::Prepend::Never},
    };
    const auto scheme = part.member("prepend_scheme");
    if (!scheme)
        return part.boolean("add_prefix_space", true) ? MetaspaceStep::Prepend::Always : MetaspaceStep::Prepend::Never;
    for (const auto& [name, prepend] : names)
        if (scheme->string() == name)
            return prepend;
    scheme->fail("is not a prepend scheme: " + quotedName(scheme->string()));
}

class PreTokenizerReader {
public:
    JsonPreTokenizer result;

    void read(const JsonView& part)
    {
        if (result.byteLevel)
            part.fail("follows a ByteLevel step, which is not supported", ErrorKind::Unsupported);
        const std::string& type = part.require("type").string();
        if (type == "Sequence") {
            for (const JsonView& element : part.require("pretokenizers").elements())
                read(element);
        } else if (type == "ByteLevel") {
            readByteLevel(part);
        } else if (type == "Split") {
            add(SplitStep{readPattern(part.require("pattern")), splitBehavior(part.require("behavior")),
                          part.boolean("invert", false)});
        } else if (type == "Digits") {
            const bool individual = part.boolean("individual_digits", false);
            add(SplitStep{Regex(R"(\p{N})"), individual ? SplitBehavior::Isolated : SplitBehavior::Contiguous});
        } else if (type == "Punctuation") {
            const auto behavior = part.member("behavior");
            add(SplitStep{Regex(R"([!-/:-@\[-`{-~\p{P}])"),
                          behavior ? splitBehavior(*behavior) : SplitBehavior::Isolated});
        } else if (type == "WhitespaceSplit") {
            add(SplitStep{Regex(R"(\s)"), SplitBehavior::Removed});
        } else if (type == "Metaspace") {
            readMetaspace(part);
        } else {
            refuseStep(part);
        }
    }

private:
    void readByteLevel(const JsonView& part)
    {
        result.byteLevel = true;
        if (part.boolean("add_prefix_space", true))
            add(PrefixSpaceStep());
        if (part.boolean("use_regex", true))
            result.preTokenizer.addByteLevelSplit();
    }

    void readMetaspace(const JsonView& part)
    {
        if (std::exchange(m_hasMetaspace, true))
            part.fail("follows another Metaspace step, which is not supported", ErrorKind::Unsupported);
        add(MetaspaceStep{readCharacter(part.require("replacement")), readPrependScheme(part),
                          part.boolean("split", true)});
    }

    void add(PreTokenizerStep step) { result.preTokenizer.add(std::move(step)); }

    bool m_hasMetaspace = false;
};

} // namespace

JsonPreTokenizer readPreTokenizer(const JsonView& preTokenizer)
{
    PreTokenizerReader reader;
    reader.read(preTokenizer);
    return std::move(reader.result);
}

} // namespace cortex::engine
