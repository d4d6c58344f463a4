// SPDX-License-Identifier: GPL-3.0-only
#include "app/models/gatewaysource.h"

#include "core/http/httpserver.h"

namespace cortex {

GatewaySource::GatewaySource(GatewayConfig config, Catalogue catalogue, QObject* parent)
    : FleetSource(parent)
    , m_config(std::move(config))
    , m_catalogue(std::move(catalogue))
{
}

GatewaySource::~GatewaySource() = default;

void GatewaySource::start()
{
    m_gateway = std::make_unique<GatewayThread>(m_config, m_catalogue);
    connect(m_gateway.get(), &GatewayThread::started, this, [this](quint16 port) { Q_EMIT started(endpointAt(port)); });
    connect(m_gateway.get(), &GatewayThread::startFailed, this, &FleetSource::startFailed);
    connect(m_gateway.get(), &GatewayThread::fleetChanged, this, &FleetSource::fleetChanged);
    connect(m_gateway.get(), &GatewayThread::throughput, this, &FleetSource::throughput);
    connect(m_gateway.get(), &GatewayThread::operationFailed, this, &FleetSource::operationFailed);
    m_gateway->start();
}

void GatewaySource::stop()
{
    m_gateway.reset();
}

void GatewaySource::loadModel(const QString& id, const QString& node)
{
    if (m_gateway)
        m_gateway->loadModel(id, node);
}

void GatewaySource::unloadModel(const QString& id, const QString& node)
{
    if (m_gateway)
        m_gateway->unloadModel(id, node);
}

/// A gateway that listens on every address is reached at the loopback one from here.
QUrl GatewaySource::endpointAt(quint16 port) const
{
    const QHostAddress listening = parseListenAddress(m_config.listen).first;
    QHostAddress reached = listening;
    if (listening == QHostAddress::Any || listening == QHostAddress::AnyIPv4)
        reached = QHostAddress::LocalHost;
    else if (listening == QHostAddress::AnyIPv6)
        reached = QHostAddress::LocalHostIPv6;
    QUrl url;
    url.setScheme(QStringLiteral("http"));
    url.setHost(reached.toString());
    url.setPort(port);
    return url;
}

} // namespace cortex
