// SPDX-License-Identifier: GPL-3.0-only
#include "gateway/gateway.h"

#include <QMetaObject>

namespace cortex {

namespace {
constexpr int graceMs = 1500;
}

GatewayThread::GatewayThread(GatewayConfig config, Catalogue catalogue, QObject* parent)
    : QObject(parent)
    , m_gateway(new Gateway(std::move(config), std::move(catalogue)))
{
    m_thread.setObjectName(QStringLiteral("gateway"));
    m_gateway->moveToThread(&m_thread);
    connect(&m_thread, &QThread::finished, m_gateway, &QObject::deleteLater);
    connect(m_gateway, &Gateway::stopped, &m_thread, &QThread::quit, Qt::DirectConnection);
    connect(m_gateway, &Gateway::fleetChanged, this, &GatewayThread::fleetChanged);
    connect(m_gateway, &Gateway::throughput, this, &GatewayThread::throughput);
    connect(m_gateway, &Gateway::operationFailed, this, &GatewayThread::operationFailed);
    m_thread.start();
}

GatewayThread::~GatewayThread()
{
    QMetaObject::invokeMethod(
        m_gateway, [gateway = m_gateway] { gateway->stop(graceMs); }, Qt::QueuedConnection);
    m_thread.wait();
}

void GatewayThread::start()
{
    QMetaObject::invokeMethod(
        m_gateway,
        [this, gateway = m_gateway] {
            const std::optional<QString> error = gateway->start();
            // We outlive the thread, but our signals belong to the thread that we live on.
            const quint16 port = gateway->port();
            QMetaObject::invokeMethod(
                this,
                [this, error, port] {
                    if (error)
                        Q_EMIT startFailed(*error);
                    else
                        Q_EMIT started(port);
                },
                Qt::QueuedConnection);
        },
        Qt::QueuedConnection);
}

void GatewayThread::loadModel(const QString& modelId, const QString& node)
{
    QMetaObject::invokeMethod(
        m_gateway, [gateway = m_gateway, modelId, node] { gateway->loadModel(modelId, node); }, Qt::QueuedConnection);
}

void GatewayThread::unloadModel(const QString& modelId, const QString& node)
{
    QMetaObject::invokeMethod(
        m_gateway, [gateway = m_gateway, modelId, node] { gateway->unloadModel(modelId, node); }, Qt::QueuedConnection);
}

} // namespace cortex
