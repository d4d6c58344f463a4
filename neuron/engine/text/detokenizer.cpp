// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/text/detokenizer.h"

#include "neuron/engine/text/utf8.h"

#include <algorithm>
#include <utility>

namespace cortex::engine {

StreamDetokenizer::StreamDetokenizer(std::shared_ptr<const Tokenizer> tokenizer, bool skipSpecial, Start start)
    : m_tokenizer(std::move(tokenizer))
    , m_skipSpecial(skipSpecial)
    , m_start(start)
{
}

std::string StreamDetokenizer::push(int32_t token)
{
    if (m_skipSpecial && m_tokenizer->isSpecial(token))
        return {};
    const std::string bytes = m_tokenizer->tokenBytes(token);
    m_pending += m_start == Start::OfText ? m_tokenizer->firstTokenBytes(token) : bytes;
    if (!bytes.empty())
        m_start = Start::WithinText;
    return takeWholeUtf8(m_pending);
}

std::string StreamDetokenizer::flush()
{
    return repairedUtf8(std::exchange(m_pending, {}));
}

StopMatcher::Stop::Stop(std::string stopText)
    : text(std::move(stopText))
    , fallback(text.size(), 0)
{
    for (size_t i = 1, matching = 0; i < text.size(); ++i) {
        while (matching > 0 && text[matching] != text[i])
            matching = fallback[matching - 1];
        matching += text[matching] == text[i] ? 1 : 0;
        fallback[i] = matching;
    }
}

bool StopMatcher::Stop::advance(char byte)
{
    while (length > 0 && text[length] != byte)
        length = fallback[length - 1];
    length += text[length] == byte ? 1 : 0;
    return length == text.size();
}

StopMatcher::StopMatcher(std::vector<std::string> stops)
{
    for (std::string& stop : stops)
        if (!stop.empty())
            m_stops.emplace_back(std::move(stop));
}

std::string StopMatcher::push(std::string_view text)
{
    if (m_matched)
        return {};
    for (const char byte : text) {
        m_pending += byte;
        for (Stop& stop : m_stops)
            if (stop.advance(byte) && (!m_matched || stop.text.size() > m_matched->size()))
                m_matched = stop.text;
        if (m_matched) {
            m_pending.resize(m_pending.size() - m_matched->size());
            return std::exchange(m_pending, {});
        }
    }
    size_t held = 0;
    for (const Stop& stop : m_stops)
        held = std::max(held, stop.length);
    std::string safe = m_pending.substr(0, m_pending.size() - held);
    m_pending.erase(0, safe.size());
    return safe;
}

std::string StopMatcher::flush()
{
    return std::exchange(m_pending, {});
}

} // namespace cortex::engine
