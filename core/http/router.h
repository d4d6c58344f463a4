// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/http/httpserver.h"

namespace cortex {

/// The table of routes. A path belongs to the most specific pattern that matches it: fewest captures, then most literal
/// segments, then the one that was added first. That pattern's methods decide between an answer and a 405.
class Router {
public:
    void add(const QByteArray& method, const QString& pattern, HttpServer::Handler handler);

    struct Match {
        const HttpServer::Handler* handler = nullptr; ///< null: see `allowed`
        QHash<QString, QString> captures;
        QByteArrayList allowed; ///< the path's methods where the request's is not one of them; empty: no such path
    };
    /// `path` is decoded. A route of GET matches HEAD too.
    Match find(const QByteArray& method, const QString& path) const;

private:
    struct Pattern {
        QString text;
        QStringList segments;
        int captures = 0;
        QList<QPair<QByteArray, HttpServer::Handler>> handlers; ///< by method
    };
    Pattern& patternFor(const QString& text);

    QList<Pattern> m_patterns; ///< most specific first
};

} // namespace cortex
