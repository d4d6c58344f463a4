// SPDX-License-Identifier: GPL-3.0-only
#include "gateway/routeerror.h"

#include "core/sse.h"

#include <QJsonDocument>
#include <QJsonValue>

namespace cortex {

namespace {
QJsonValue orNull(const QString& text)
{
    return text.isEmpty() ? QJsonValue(QJsonValue::Null) : QJsonValue(text);
}
} // namespace

QJsonObject RouteError::toJson() const
{
    const QJsonObject error{{QStringLiteral("message"), message},
                            {QStringLiteral("type"), type},
                            {QStringLiteral("param"), orNull(param)},
                            {QStringLiteral("code"), orNull(code)}};
    return {{QStringLiteral("error"), error}};
}

QByteArray RouteError::toSseFrame() const
{
    return sseFrame({}, QJsonDocument(toJson()).toJson(QJsonDocument::Compact));
}

HttpHeaders RouteError::headers() const
{
    HttpHeaders headers;
    if (retryAfter > 0)
        headers.append("Retry-After", QByteArray::number(retryAfter));
    return headers;
}

RouteError invalidRequest(const QString& message, const QString& param, const QString& code)
{
    return {.status = 400,
            .type = QStringLiteral("invalid_request_error"),
            .code = code,
            .message = message,
            .param = param};
}

RouteError modelNotFound(const QString& name)
{
    return {.status = 404,
            .type = QStringLiteral("invalid_request_error"),
            .code = QStringLiteral("model_not_found"),
            .message =
                QStringLiteral("The model '%1' does not exist here. GET /v1/models lists the models of this gateway.")
                    .arg(name.left(200)),
            .param = QStringLiteral("model")};
}

RouteError unavailable(const QString& code, const QString& message, int retryAfter)
{
    return {.status = 503,
            .type = QStringLiteral("server_error"),
            .code = code,
            .message = message,
            .retryAfter = retryAfter};
}

RouteError upstreamError(const QString& message)
{
    return {.status = 502,
            .type = QStringLiteral("server_error"),
            .code = QStringLiteral("upstream_error"),
            .message = message};
}

} // namespace cortex
