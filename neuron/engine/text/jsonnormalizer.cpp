// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/text/jsonsteps.h"

namespace cortex::engine {

namespace {

constexpr size_t maxGrowth = 64; ///< bounds how much a hostile file can lengthen a text

class NormalizerReader {
public:
    Normalizer normalizer;

    void read(const JsonView& part)
    {
        const std::string& type = part.require("type").string();
        if (type == "Sequence") {
            for (const JsonView& element : part.require("normalizers").elements())
                read(element);
        } else if (type == "NFC") {
            normalizer.add(NfcStep());
        } else if (type == "Prepend") {
            const std::string& text = part.require("prepend").string();
            grow(part, text.size() + 1);
            normalizer.add(PrependStep{text});
        } else if (type == "Replace") {
            JsonReplace replace = readReplace(part);
            grow(part, replace.growth);
            normalizer.add(std::move(replace.step));
        } else if (type == "Strip") {
            normalizer.add(StripStep{part.boolean("strip_left", true), part.boolean("strip_right", true)});
        } else {
            refuseStep(part);
        }
    }

private:
    void grow(const JsonView& part, size_t factor)
    {
        if (factor > maxGrowth / m_growth)
            part.fail("makes text too long", ErrorKind::Unsupported);
        m_growth *= factor;
    }

    size_t m_growth = 1;
};

} // namespace

Normalizer readNormalizer(const JsonView& normalizer)
{
    NormalizerReader reader;
    reader.read(normalizer);
    return std::move(reader.normalizer);
}

} // namespace cortex::engine
