// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/text/nfc.h"

#include "neuron/engine/text/nfctables.h"
#include "neuron/engine/text/utf8.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace cortex::engine {

namespace {

/// Everything below has combining class 0, and is in NFC wherever it stands.
constexpr char32_t firstInteresting = 0x300;

// Hangul: The Unicode Standard, chapter 3.12.
constexpr char32_t syllableBase = 0xac00;
constexpr char32_t leadBase = 0x1100;
constexpr char32_t vowelBase = 0x1161;
constexpr char32_t trailBase = 0x11a7; ///< one before the first trailing consonant
constexpr char32_t leadCount = 19;
constexpr char32_t vowelCount = 21;
constexpr char32_t trailCount = 28;
constexpr char32_t syllableCount = leadCount * vowelCount * trailCount;

/// Whether `c` is one of `count` characters from `base` on.
constexpr bool isIn(char32_t c, char32_t base, char32_t count)
{
    return c >= base && c - base < count;
}

uint8_t combiningOrder(char32_t c)
{
    if (c < firstInteresting)
        return 0;
    const auto range = std::ranges::lower_bound(combiningRanges, c, {}, &CombiningRange::last);
    return range != combiningRanges.end() && c >= range->first ? range->order : uint8_t(0);
}

const Decomposition* findDecomposition(char32_t c)
{
    const auto found = std::ranges::lower_bound(decompositions, c, {}, &Decomposition::character);
    return found != decompositions.end() && found->character == c ? &*found : nullptr;
}

/// Decompositions that composition undoes, by the pair.
class Compositions {
public:
    static const Compositions& instance()
    {
        static const Compositions compositions;
        return compositions;
    }

    /// The character that the pair makes, or 0.
    char32_t find(char32_t first, char32_t second) const
    {
        const uint64_t key = pairOf(first, second);
        const auto found = std::ranges::lower_bound(m_byPair, key, {}, &Entry::pair);
        return found != m_byPair.end() && found->pair == key ? found->character : 0;
    }

    bool isSecond(char32_t c) const { return std::ranges::binary_search(m_seconds, c); }

private:
    struct Entry {
        uint64_t pair;
        char32_t character;
    };

    static uint64_t pairOf(char32_t first, char32_t second) { return uint64_t(first) << 32 | second; }

    Compositions()
    {
        for (const Decomposition& entry : decompositions) {
            if (!entry.composes)
                continue;
            m_byPair.push_back({pairOf(entry.first, entry.second), entry.character});
            m_seconds.push_back(entry.second);
        }
        std::ranges::sort(m_byPair, {}, &Entry::pair);
        std::ranges::sort(m_seconds);
        m_seconds.erase(std::unique(m_seconds.begin(), m_seconds.end()), m_seconds.end());
    }

    std::vector<Entry> m_byPair;
    std::vector<char32_t> m_seconds;
};

/// NFC_Quick_Check=Yes, and no reordering.
bool isInert(char32_t c)
{
    if (c < firstInteresting)
        return true;
    if (combiningOrder(c) != 0 || isIn(c, vowelBase, vowelCount) || isIn(c, trailBase + 1, trailCount - 1))
        return false;
    if (const Decomposition* decomposition = findDecomposition(c); decomposition && !decomposition->composes)
        return false;
    return !Compositions::instance().isSecond(c);
}

struct Character {
    char32_t codePoint;
    uint8_t order;
};

void appendDecomposed(std::vector<Character>& to, char32_t c)
{
    if (isIn(c, syllableBase, syllableCount)) {
        const char32_t index = c - syllableBase;
        to.push_back({leadBase + index / (vowelCount * trailCount), 0});
        to.push_back({vowelBase + index / trailCount % vowelCount, 0});
        if (index % trailCount != 0)
            to.push_back({trailBase + index % trailCount, 0});
        return;
    }
    const Decomposition* decomposition = findDecomposition(c);
    if (!decomposition) {
        to.push_back({c, combiningOrder(c)});
        return;
    }
    appendDecomposed(to, decomposition->first);
    if (decomposition->second != 0)
        appendDecomposed(to, decomposition->second);
}

/// Canonical ordering: runs of combining characters by class.
void reorder(std::vector<Character>& text)
{
    const auto combines = [](const Character& c) { return c.order != 0; };
    for (auto run = text.begin(); run != text.end();) {
        run = std::find_if(run, text.end(), combines);
        const auto end = std::find_if_not(run, text.end(), combines);
        std::stable_sort(run, end, [](const Character& a, const Character& b) { return a.order < b.order; });
        run = end;
    }
}

char32_t composePair(char32_t first, char32_t second)
{
    if (isIn(first, leadBase, leadCount) && isIn(second, vowelBase, vowelCount))
        return syllableBase + ((first - leadBase) * vowelCount + (second - vowelBase)) * trailCount;
    if (isIn(first, syllableBase, syllableCount) && (first - syllableBase) % trailCount == 0
        && isIn(second, trailBase + 1, trailCount - 1))
        return first + (second - trailBase);
    return Compositions::instance().find(first, second);
}

/// Canonical composition in place: each character joins the last starter unless one between them blocks it.
void compose(std::vector<Character>& text)
{
    size_t length = 0;
    size_t starter = SIZE_MAX;
    for (const Character c : text) {
        if (starter != SIZE_MAX) {
            const bool adjacent = starter + 1 == length;
            const bool blocked = !adjacent && text[length - 1].order >= c.order;
            const char32_t composed = blocked ? 0 : composePair(text[starter].codePoint, c.codePoint);
            if (composed != 0) {
                text[starter].codePoint = composed;
                continue;
            }
        }
        if (c.order == 0)
            starter = length;
        text[length++] = c;
    }
    text.resize(length);
}

} // namespace

bool isCertainlyNfc(std::string_view text)
{
    while (!text.empty()) {
        const Utf8Step step = nextUtf8(text);
        if (!isInert(step.codePoint))
            return false;
        text.remove_prefix(step.bytes);
    }
    return true;
}

std::string toNfc(std::string_view text)
{
    std::vector<Character> characters;
    characters.reserve(text.size());
    while (!text.empty()) {
        const Utf8Step step = nextUtf8(text);
        appendDecomposed(characters, step.codePoint);
        text.remove_prefix(step.bytes);
    }
    reorder(characters);
    compose(characters);
    std::string normalized;
    for (const Character& c : characters)
        appendUtf8(normalized, c.codePoint);
    return normalized;
}

} // namespace cortex::engine
