// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/http/httptypes.h"

#include <QByteArray>
#include <QJsonObject>
#include <QString>

namespace cortex {

/// Why a request gets no answer from a model, in the terms of the API: an HTTP status and OpenAI's error fields.
struct RouteError {
    int status = 500;
    QString type = QStringLiteral("server_error");
    QString code = {}; ///< empty: null
    QString message = {}; ///< for people: what, where, what to do
    QString param = {}; ///< the field at fault; empty: null
    int retryAfter = 0; ///< whole seconds, at most 60; 0: none

    QJsonObject toJson() const; ///< {"error":{"message","type","param","code"}}
    QByteArray toSseFrame() const; ///< the same as one data frame, for a stream that has begun
    HttpHeaders headers() const; ///< Retry-After where it applies
};

RouteError invalidRequest(const QString& message, const QString& param = {}, const QString& code = {});
RouteError modelNotFound(const QString& name);
/// 503 with Retry-After.
RouteError unavailable(const QString& code, const QString& message, int retryAfter);
/// 502: the node broke off or cannot be reached.
RouteError upstreamError(const QString& message);

} // namespace cortex
