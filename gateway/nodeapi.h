// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/http/httpclient.h"
#include "gateway/nodecommands.h"

#include <QHash>

namespace cortex {

/// NodeCommands over neuron's HTTP API: POST /models/load and /models/unload. Lives on the gateway's thread.
class NodeApi : public QObject, public NodeCommands {
    Q_OBJECT
public:
    NodeApi(HttpClient& client, const QHash<QString, QUrl>& endpoints, QObject* parent = nullptr);

    void load(const QString& node, const QString& nodeModelId, const QString& quant, Done done) override;
    void unload(const QString& node, const QString& nodeModelId, Done done) override;

private:
    void post(const QString& node, const QString& path, const QJsonObject& body, std::chrono::milliseconds timeout,
              Done done);

    HttpClient& m_client;
    QHash<QString, QUrl> m_endpoints; ///< by node
};

/// `path` of neuron's API below a node's endpoint, which may have a path of its own.
QUrl nodeUrl(const QUrl& endpoint, const QString& path);

/// The message of a node's error body, {"error":{"message","suggestion"}} or {"error":"…"}; else the status in words.
QString errorTextOf(int status, const QByteArray& body);

} // namespace cortex
