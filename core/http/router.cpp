// SPDX-License-Identifier: GPL-3.0-only
#include "core/http/router.h"

#include <algorithm>

namespace cortex {

namespace {

constexpr qsizetype MaxSegments = 128; ///< bounds the search, whose cost grows with the square for two captures

bool isCapture(const QString& segment)
{
    return segment.startsWith(QLatin1Char('{')) && segment.endsWith(QLatin1Char('}'));
}

/// Matches segments[s…] against path[p…]. A capture takes as few segments as it can, at least one, and more where the
/// rest does not match otherwise. Patterns have one or two captures, so the search stays short.
bool matchFrom(const QStringList& segments, qsizetype s, const QStringList& path, qsizetype p,
               QHash<QString, QString>& captures)
{
    if (s == segments.size())
        return p == path.size();
    const QString& segment = segments[s];
    if (!isCapture(segment))
        return p < path.size() && path[p] == segment && matchFrom(segments, s + 1, path, p + 1, captures);
    if (p < path.size() && path[p].isEmpty())
        return false;
    for (qsizetype end = p + 1; end + (segments.size() - s - 1) <= path.size(); ++end) {
        if (matchFrom(segments, s + 1, path, end, captures)) {
            captures.insert(segment.mid(1, segment.size() - 2), path.mid(p, end - p).join(QLatin1Char('/')));
            return true;
        }
    }
    return false;
}

} // namespace

Router::Pattern& Router::patternFor(const QString& text)
{
    const auto known =
        std::find_if(m_patterns.begin(), m_patterns.end(), [&](const Pattern& p) { return p.text == text; });
    if (known != m_patterns.end())
        return *known;
    Pattern pattern{text, text.split(QLatin1Char('/')), 0, {}};
    pattern.captures = static_cast<int>(std::count_if(pattern.segments.cbegin(), pattern.segments.cend(), isCapture));
    const auto lessSpecific = std::find_if(m_patterns.begin(), m_patterns.end(), [&](const Pattern& other) {
        return other.captures > pattern.captures
            || (other.captures == pattern.captures && other.segments.size() < pattern.segments.size());
    });
    return *m_patterns.insert(lessSpecific, pattern);
}

void Router::add(const QByteArray& method, const QString& pattern, HttpServer::Handler handler)
{
    patternFor(pattern).handlers.append({method, std::move(handler)});
}

Router::Match Router::find(const QByteArray& method, const QString& path) const
{
    Match match;
    const QStringList segments = path.split(QLatin1Char('/'));
    if (segments.size() > MaxSegments)
        return {};
    const auto pattern = std::find_if(m_patterns.cbegin(), m_patterns.cend(), [&](const Pattern& candidate) {
        match.captures.clear();
        return matchFrom(candidate.segments, 0, segments, 0, match.captures);
    });
    if (pattern == m_patterns.cend())
        return {};
    for (const auto& [handled, handler] : pattern->handlers) {
        if (handled == method || (handled == "GET" && method == "HEAD")) {
            match.handler = &handler;
            return match;
        }
        match.allowed.append(handled);
        if (handled == "GET")
            match.allowed.append("HEAD");
    }
    return match;
}

} // namespace cortex
