// SPDX-License-Identifier: GPL-3.0-only
#include "core/taskqueue.h"
#include "gateway/gateway.h"

#include <QCoreApplication>
#include <QEventLoop>

namespace cortex {

namespace {
constexpr int graceMs = 1500;
}

GatewayThread::GatewayThread(GatewayConfig config, Catalogue catalogue, QObject* parent)
    : QObject(parent)
    , m_gateway(std::make_unique<Gateway>(std::move(config), std::move(catalogue)))
    , m_thread(QThread::create([this] { run(); }))
    , m_orders(std::make_unique<TaskQueue>())
    , m_news(std::make_unique<TaskQueue>())
{
    m_thread->setObjectName(QStringLiteral("gateway"));
    m_gateway->moveToThread(m_thread.get());
    m_orders->moveToThread(m_thread.get());
    // These run on the gateway's thread and hand over to ours.
    connect(m_gateway.get(), &Gateway::fleetChanged, m_gateway.get(),
            [this](const FleetSnapshot& fleet) { m_news->post([this, fleet] { Q_EMIT fleetChanged(fleet); }); });
    connect(m_gateway.get(), &Gateway::throughput, m_gateway.get(),
            [this](const ThroughputSample& sample) { m_news->post([this, sample] { Q_EMIT throughput(sample); }); });
    connect(m_gateway.get(), &Gateway::operationFailed, m_gateway.get(),
            [this](const QString& message) { m_news->post([this, message] { Q_EMIT operationFailed(message); }); });
    m_thread->start();
}

GatewayThread::~GatewayThread()
{
    m_orders->post([this] { m_gateway->stop(graceMs); });
    m_ended.acquire(); // what the thread sanitizer sees of the next line
    m_thread->wait();
    m_orders->clear();
    m_news->clear();
}

/// The gateway's thread.
void GatewayThread::run()
{
    QEventLoop loop;
    connect(m_gateway.get(), &Gateway::stopped, &loop, &QEventLoop::quit);
    loop.exec();
    QCoreApplication::sendPostedEvents(nullptr, QEvent::DeferredDelete); // what is on its way out may still use it
    m_gateway.reset();
    m_ended.release();
}

void GatewayThread::start()
{
    m_orders->post([this] {
        const std::optional<QString> error = m_gateway->start();
        const quint16 port = m_gateway->port();
        m_news->post([this, error, port] {
            if (error)
                Q_EMIT startFailed(*error);
            else
                Q_EMIT started(port);
        });
    });
}

void GatewayThread::loadModel(const QString& modelId, const QString& node)
{
    m_orders->post([this, modelId, node] { m_gateway->loadModel(modelId, node); });
}

void GatewayThread::unloadModel(const QString& modelId, const QString& node)
{
    m_orders->post([this, modelId, node] { m_gateway->unloadModel(modelId, node); });
}

} // namespace cortex
