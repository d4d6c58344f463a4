// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "app/models/fleetsource.h"
#include "gateway/gateway.h"

namespace cortex {

/// The gateway inside this process, on a thread of its own.
class GatewaySource : public FleetSource {
    Q_OBJECT
public:
    GatewaySource(GatewayConfig config, Catalogue catalogue, QObject* parent = nullptr);
    ~GatewaySource() override;

    void start() override;
    void stop() override; ///< finishes running requests within the gateway's grace time
    void loadModel(const QString& id, const QString& node) override;
    void unloadModel(const QString& id, const QString& node) override;

private:
    QUrl endpointAt(quint16 port) const;

    GatewayConfig m_config;
    Catalogue m_catalogue;
    std::unique_ptr<GatewayThread> m_gateway;
};

} // namespace cortex
