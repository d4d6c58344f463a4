// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/text/wordcutter.h"

#include "neuron/engine/text/utf8.h"

#include <algorithm>

namespace cortex::engine {

namespace {

/// Where the next "▁" that has something before it stands in `text`, at or after `from`; the end where there is none.
size_t nextSpace(std::string_view text, size_t from)
{
    return std::min(text.find(sentencePieceSpace, std::max<size_t>(from, 1)), text.size());
}

} // namespace

void WordCutter::addEntry(std::string_view entry)
{
    for (size_t at = nextSpace(entry, 1); at < entry.size(); at = nextSpace(entry, at + 1))
        m_before.insert(nextUtf8(lastCharacter(entry.substr(0, at))).codePoint);
}

bool WordCutter::spans(std::string_view before) const
{
    return m_before.contains(nextUtf8(lastCharacter(before)).codePoint);
}

std::vector<std::string_view> WordCutter::cut(std::string_view text) const
{
    std::vector<std::string_view> parts;
    size_t done = 0;
    while (done < text.size()) {
        size_t end = nextSpace(text, done + 1);
        while (end < text.size() && spans(text.substr(0, end)))
            end = nextSpace(text, end + 1);
        parts.push_back(text.substr(done, end - done));
        done = end;
    }
    return parts;
}

} // namespace cortex::engine
