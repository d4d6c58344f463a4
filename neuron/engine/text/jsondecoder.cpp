// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/text/jsonsteps.h"

#include <algorithm>
#include <utility>

namespace cortex::engine {

namespace {

constexpr size_t maxGrowth = 4; ///< bounds how much memory a hostile file can make of its entries

/// Reads the steps of a decoder as long as together they amount to a TokenDecoder, which spells token by token:
/// Replace, ByteFallback, Metaspace, Fuse and Strip, each where given and in this order.
class DecoderReader {
public:
    TokenDecoder decoder;

    void read(const JsonView& part)
    {
        const std::string& type = part.require("type").string();
        if (type == "Sequence") {
            for (const JsonView& element : part.require("decoders").elements())
                read(element);
            return;
        }
        static constexpr std::pair<std::string_view, void (DecoderReader::*)(const JsonView&)> readers[]{
            {"ByteLevel", &DecoderReader::readByteLevel},
            {"Replace", &DecoderReader::readReplacement},
            {"ByteFallback", &DecoderReader::readByteFallback},
            {"Metaspace", &DecoderReader::readMetaspace},
            {"Fuse", &DecoderReader::readFuse},
            {"Strip", &DecoderReader::readStrip},
        };
        const auto found = std::ranges::find(readers, type, [](const auto& entry) { return entry.first; });
        if (found == std::end(readers))
            refuseStep(part);
        (this->*found->second)(part);
    }

private:
    enum class Stage { Start, ByteLevel, Replaced, Bytes, Metaspace, Fused, Stripped };

    /// Moves on to `stage`, which must come later than where the reader is, or be the same where it may come again.
    void enter(const JsonView& part, Stage stage)
    {
        const bool again = stage == m_stage && (stage == Stage::Replaced || stage == Stage::Fused);
        if (stage <= m_stage && !again)
            part.fail("is not supported at this place; a decoder may be ByteLevel, or a sequence of Replace, "
                      "ByteFallback, Metaspace, Fuse and Strip in this order",
                      ErrorKind::Unsupported);
        m_stage = stage;
    }

    void readByteLevel(const JsonView& part)
    {
        enter(part, Stage::ByteLevel);
        decoder.byteLevel = true;
    }

    void readReplacement(const JsonView& part)
    {
        refuseAfterByteLevel(part);
        enter(part, Stage::Replaced);
        JsonReplace replace = readReplace(part);
        m_growth *= replace.growth;
        if (m_growth > maxGrowth)
            part.fail("makes text too long", ErrorKind::Unsupported);
        decoder.replacements.push_back(std::move(replace.step));
    }

    void readByteFallback(const JsonView& part)
    {
        refuseAfterByteLevel(part);
        enter(part, Stage::Bytes);
        decoder.byteFallback = true;
    }

    void readMetaspace(const JsonView& part)
    {
        refuseAfterByteLevel(part);
        enter(part, Stage::Metaspace);
        decoder.space = readCharacter(part.require("replacement"));
        const auto scheme = part.member("prepend_scheme");
        const bool prepends = scheme ? scheme->string() != "never" : part.boolean("add_prefix_space", true);
        if (prepends)
            decoder.start = TokenDecoder::Start::WithoutSpaces;
    }

    void readFuse(const JsonView& part) { enter(part, Stage::Fused); }

    /// Of the whole text, since it stands behind Fuse.
    void readStrip(const JsonView& part)
    {
        const int64_t start = part.require("start").integer();
        const int64_t stop = part.require("stop").integer();
        if (m_stage != Stage::Fused || decoder.byteLevel || !decoder.space.empty()
            || part.require("content").string() != " " || start < 0 || start > 1 || stop != 0)
            part.fail("is supported only behind Fuse, to take one space from the start", ErrorKind::Unsupported);
        enter(part, Stage::Stripped);
        if (start == 1)
            decoder.start = TokenDecoder::Start::WithoutOneSpace;
    }

    void refuseAfterByteLevel(const JsonView& part)
    {
        if (decoder.byteLevel)
            part.fail("follows a ByteLevel step, which is not supported", ErrorKind::Unsupported);
    }

    Stage m_stage = Stage::Start;
    size_t m_growth = 1;
};

} // namespace

TokenDecoder readDecoder(const JsonView& decoder)
{
    DecoderReader reader;
    reader.read(decoder);
    return std::move(reader.decoder);
}

} // namespace cortex::engine
