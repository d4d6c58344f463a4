// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/http/httpserver.h"
#include "neuron/daemon/api/eventhub.h"
#include "neuron/daemon/api/metrics.h"
#include "neuron/daemon/models/modelmanager.h"
#include "neuron/daemon/system/devicemonitor.h"

#include <QElapsedTimer>

namespace cortex::neuron {

/// What the node tells of itself: /discovery, /health, /models, /events, /metrics, /version. Main thread.
class NodeApi : public QObject {
    Q_OBJECT
public:
    NodeApi(DeviceMonitor& devices, ModelRegistry& registry, ModelManager& manager, Metrics& metrics);
    void addRoutes(HttpServer& server);
    Health health() const;
    /// Ends the event streams, which would else keep the server open.
    void close();

private:
    void readDevices();
    void addListener(const std::shared_ptr<ResponseStream>& response);
    void sendEndpoint(const HttpRequest& request, ResponseStream& response) const;

    DeviceMonitor& m_devices;
    ModelRegistry& m_registry;
    ModelManager& m_manager;
    Metrics& m_metrics;
    EventHub m_events;
    QElapsedTimer m_uptime;
    QTimer m_everySecond;
    QList<DeviceReading> m_readings;
};

} // namespace cortex::neuron
