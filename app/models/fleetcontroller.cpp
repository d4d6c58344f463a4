// SPDX-License-Identifier: GPL-3.0-only
#include "app/models/fleetcontroller.h"

#include "app/models/format.h"

namespace cortex {

FleetController::FleetController(std::unique_ptr<FleetSource> source, QObject* parent)
    : QObject(parent)
    , m_source(std::move(source))
{
    connect(m_source.get(), &FleetSource::started, this,
            [this](const QUrl& endpoint) { setState(State::Running, endpoint, {}); });
    connect(m_source.get(), &FleetSource::startFailed, this,
            [this](const QString& message) { setState(State::Failed, {}, message); });
    connect(m_source.get(), &FleetSource::fleetChanged, this, &FleetController::applySnapshot);
    connect(m_source.get(), &FleetSource::throughput, this, [this](const ThroughputSample& sample) {
        m_models.setThroughput(sample);
        m_throughput.append(sample);
    });
    connect(m_source.get(), &FleetSource::operationFailed, this, &FleetController::operationFailed);
}

FleetController::~FleetController() = default;

void FleetController::start()
{
    if (m_state == State::Starting || m_state == State::Running)
        return;
    setState(State::Starting, {}, {});
    m_source->start();
}

void FleetController::stop()
{
    if (m_state == State::Stopped)
        return;
    m_chat.stop();
    m_source->stop();
    setState(State::Stopped, {}, {});
}

void FleetController::setState(State state, const QUrl& endpoint, const QString& failure)
{
    m_state = state;
    m_endpoint = endpoint;
    m_failure = failure;
    m_chat.setEndpoint(endpoint);
    Q_EMIT stateChanged();
}

void FleetController::applySnapshot(const FleetSnapshot& fleet)
{
    m_hasSnapshot = true;
    m_nodes.setNodes(fleet.nodes);
    m_models.setModels(fleet.models);
    Q_EMIT fleetChanged();
}

QString FleetController::clientEndpoint() const
{
    return m_endpoint.isEmpty() ? QString() : m_endpoint.toString() + QStringLiteral("/v1");
}

QString FleetController::summary() const
{
    switch (m_state) {
    case State::Stopped:
        return tr("Gateway stopped");
    case State::Starting:
        return tr("Gateway is starting…");
    case State::Failed:
        return tr("Gateway is not running: %1").arg(m_failure);
    case State::Running:
        break;
    }
    const QString nodes = m_nodes.nodeCount() == 0
        ? tr("no node configured")
        : tr("%1 of %2 nodes online").arg(m_nodes.onlineCount()).arg(m_nodes.nodeCount());
    return tr("Gateway running · %1 · %2").arg(nodes, format::modelsLoaded(m_models.loadedCount()));
}

bool FleetController::canLoad(const QString& id) const
{
    const int row = m_models.rowOf(id);
    if (row < 0 || m_state != State::Running)
        return false;
    const auto status = ModelStatus(m_models.index(row, 0).data(FleetModelsModel::StatusRole).toInt());
    return status == ModelStatus::Unloaded || status == ModelStatus::Failed;
}

bool FleetController::canUnload(const QString& id) const
{
    return m_state == State::Running && !loadedOn(id).isEmpty();
}

QStringList FleetController::loadTargets(const QString& id) const
{
    const QStringList holders = loadedOn(id);
    QStringList targets;
    for (int row = 0; row < m_nodes.nodeCount(); ++row) {
        const QModelIndex node = m_nodes.index(row, 0);
        const QString name = node.data(FleetTreeModel::NameRole).toString();
        if (node.data(FleetTreeModel::StatusRole).toInt() == int(NodeStatus::Online) && !holders.contains(name))
            targets.append(name);
    }
    return targets;
}

QStringList FleetController::loadedOn(const QString& id) const
{
    const int row = m_models.rowOf(id);
    return row < 0 ? QStringList() : m_models.index(row, 0).data(FleetModelsModel::LoadedOnRole).toStringList();
}

void FleetController::loadModel(const QString& id, const QString& node)
{
    m_source->loadModel(id, node);
}

void FleetController::unloadModel(const QString& id, const QString& node)
{
    m_source->unloadModel(id, node);
}

} // namespace cortex
