// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/fleet/types.h"
#include "core/http/httpserver.h"

#include <QHash>
#include <QObject>
#include <QTimer>

#include <functional>
#include <memory>
#include <vector>

namespace cortex {

/// A neuron for the gateway's tests: speaks the lifecycle API and /events as DESIGN.md has them, and answers
/// completions with what the test tells it to. Loads stay under way until the test ends them.
class FakeNeuron : public QObject {
    Q_OBJECT
public:
    explicit FakeNeuron(bool hasEvents = true);

    quint16 listen(quint16 port = 0); ///< on 127.0.0.1
    QUrl endpoint() const;
    void close(); ///< as a process that dies: every connection breaks

    void addModel(const QString& id, ModelStatus status = ModelStatus::Unloaded);
    void setStatus(const QString& id, ModelStatus status, double fraction = 0, const QString& detail = {});
    void removeModel(const QString& id);
    ModelStatus status(const QString& id) const;
    void setActivity(const ModelActivity& activity);
    void sendRaw(const QByteArray& bytes); ///< to every listener of /events
    void dropListeners(); ///< breaks every /events stream
    int listenerCount() const { return int(m_listeners.size()); }

    /// What completions do; set by the test. Default: 500.
    HttpServer::Handler onCompletion;
    /// What loads answer; default: 200 {"status":"loading"} and the status becomes Loading.
    HttpServer::Handler onLoad;

    int loadOrders = 0;
    int unloadOrders = 0;
    QList<QByteArray> completionBodies;

private:
    void setRoutes();
    void publish(const QByteArray& event, const QByteArray& data);
    void publishHealth();
    NodeModel* find(const QString& id);
    Health health() const;
    Discovery discovery() const;
    QByteArray modelsJson() const;

    bool m_hasEvents;
    std::unique_ptr<HttpServer> m_server;
    std::vector<std::shared_ptr<ResponseStream>> m_listeners;
    QList<NodeModel> m_models;
    QHash<QString, ModelActivity> m_activity;
    QTimer m_second;
    quint16 m_port = 0;
};

} // namespace cortex
