// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/http/responsestream.h"

#include <QString>

#include <stdexcept>

namespace cortex::engine {
class Error;
}

namespace cortex::neuron {

/// A request that ends in an OpenAI-shaped error: {"error": {message, type, param, code}}. Thrown wherever the fault is
/// found, answered where the request came in.
class ApiError : public std::runtime_error {
public:
    ApiError(int status, const QString& type, const QString& code, const QString& message, const QString& param = {});

    static ApiError badRequest(const QString& message, const QString& param = {});
    static ApiError modelNotFound(const QString& message);
    /// 503 with Retry-After.
    static ApiError unavailable(const QString& code, const QString& message, int retryAfterSeconds);
    static ApiError internal(const QString& message);
    /// An engine's refusal or failure. `promptParam`: the parameter to blame for a prompt that is too long.
    static ApiError fromEngine(const engine::Error& error, const QString& promptParam);

    int status() const { return m_status; }
    const QString& message() const { return m_message; }
    const QString& param() const { return m_param; }
    const QString& code() const { return m_code; }
    QJsonObject toJson() const;
    void send(ResponseStream& response) const;

private:
    int m_status;
    QString m_type;
    QString m_code;
    QString m_message;
    QString m_param;
    int m_retryAfterSeconds = 0;
};

} // namespace cortex::neuron
