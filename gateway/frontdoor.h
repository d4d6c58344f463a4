// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/http/httpserver.h"
#include "gateway/authenticator.h"
#include "gateway/fleetevents.h"
#include "gateway/fleetstore.h"
#include "gateway/proxy.h"
#include "gateway/modelrouter.h"

#include <QDateTime>

namespace cortex {

/// The gateway's routes: who may come in, and which part answers. All state is elsewhere.
class FrontDoor {
public:
    FrontDoor(HttpServer& server, const GatewayConfig& config, FleetStore& store, ModelRouter& router, Proxy& proxy,
              FleetEvents& events);

private:
    using Response = std::shared_ptr<ResponseStream>;
    std::optional<HttpRefusal> admit(const HttpRequest& head) const;
    void setClientRoutes();
    void setOperatorRoutes();
    void about(const Response& response) const;
    void health(const Response& response) const;
    void model(const HttpRequest& request, const Response& response) const;
    void operate(const HttpRequest& request, const Response& response, bool load);

    HttpServer& m_server;
    Authenticator m_authenticator;
    FleetStore& m_store;
    ModelRouter& m_router;
    Proxy& m_proxy;
    FleetEvents& m_events;
    qint64 m_created = QDateTime::currentSecsSinceEpoch();
};

} // namespace cortex
