// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/http/httpclient.h"
#include "core/sse.h"

#include <QJsonObject>

#include <functional>

namespace cortex::cli {

/// The operator's API of a running gateway, for a command: each call waits for its answer in an event loop of its own.
/// Failures are InputErrors with one line for people.
class ApiClient {
public:
    explicit ApiClient(const QString& url);

    QJsonObject get(const QString& path);
    QJsonObject post(const QString& path, const QJsonObject& body);
    /// Reads /api/events until `onEvent` returns false. Throws where the stream breaks before that.
    void follow(const std::function<bool(const SseEvent& event)>& onEvent);
    QString url() const { return m_base.toString(); }

private:
    HttpClientRequest request(const QByteArray& method, const QString& path) const;
    QJsonObject await(HttpReply* reply);

    QUrl m_base;
    HttpClient m_client;
};

/// "/api/models/ID/ACTION" with the id encoded; ids hold slashes.
QString modelPath(const QString& id, const QString& action);

} // namespace cortex::cli
