// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/apierror.h"

#include "neuron/engine/error.h"

namespace cortex::neuron {

ApiError::ApiError(int status, const QString& type, const QString& code, const QString& message, const QString& param)
    : std::runtime_error(message.toStdString())
    , m_status(status)
    , m_type(type)
    , m_code(code)
    , m_message(message)
    , m_param(param)
{
}

ApiError ApiError::badRequest(const QString& message, const QString& param)
{
    return {400, QStringLiteral("invalid_request_error"), {}, message, param};
}

ApiError ApiError::modelNotFound(const QString& message)
{
    return {404, QStringLiteral("invalid_request_error"), QStringLiteral("model_not_found"), message,
            QStringLiteral("model")};
}

ApiError ApiError::unavailable(const QString& code, const QString& message, int retryAfterSeconds)
{
    ApiError error(503, QStringLiteral("server_error"), code, message);
    error.m_retryAfterSeconds = retryAfterSeconds;
    return error;
}

ApiError ApiError::internal(const QString& message)
{
    return {500, QStringLiteral("server_error"), QStringLiteral("internal_error"), message};
}

ApiError ApiError::fromEngine(const engine::Error& error, const QString& promptParam)
{
    const QString message = QString::fromStdString(error.what());
    switch (error.kind()) {
    case engine::ErrorKind::ContextExceeded:
        return {400, QStringLiteral("invalid_request_error"), QStringLiteral("context_length_exceeded"), message,
                promptParam};
    case engine::ErrorKind::QueueFull:
        return unavailable(QStringLiteral("queue_full"), message, 1);
    case engine::ErrorKind::Cancelled:
        return unavailable(QStringLiteral("cancelled"), message, 1);
    case engine::ErrorKind::BadRequest:
    case engine::ErrorKind::TemplateRaised:
    case engine::ErrorKind::Unsupported:
        return badRequest(message);
    case engine::ErrorKind::NotFound:
        return modelNotFound(message);
    case engine::ErrorKind::OutOfMemory:
        return unavailable(QStringLiteral("out_of_memory"), message, 5);
    case engine::ErrorKind::BadFile:
    case engine::ErrorKind::Internal:
        break;
    }
    return internal(message);
}

QJsonObject ApiError::toJson() const
{
    const auto orNull = [](const QString& text) { return text.isEmpty() ? QJsonValue() : QJsonValue(text); };
    return {{QStringLiteral("error"),
             QJsonObject{{QStringLiteral("message"), m_message},
                         {QStringLiteral("type"), m_type},
                         {QStringLiteral("param"), orNull(m_param)},
                         {QStringLiteral("code"), orNull(m_code)}}}};
}

void ApiError::send(ResponseStream& response) const
{
    HttpHeaders headers;
    if (m_retryAfterSeconds > 0)
        headers.append("Retry-After", QByteArray::number(m_retryAfterSeconds));
    response.respondJson(m_status, toJson(), headers);
}

} // namespace cortex::neuron
