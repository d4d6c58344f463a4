// SPDX-License-Identifier: GPL-3.0-only
#include "app/models/fleettreemodel.h"

#include "app/models/format.h"
#include "app/models/rowsync.h"

#include <QLocale>

#include <algorithm>

namespace cortex {

struct FleetTreeModel::Device {
    DeviceInfo info;
    std::optional<DeviceReading>
        reading; ///< nothing while the node is not online: a stale number is not shown as a live one
    bool operator==(const Device&) const = default;
};

struct FleetTreeModel::Node {
    QString name;
    QUrl endpoint;
    QString hostname;
    NodeStatus status = NodeStatus::Connecting;
    QString error;
    QDateTime lastSeen;
    int loadedModels = 0;
    std::vector<Device> devices;

    /// Everything that a node's row shows; lastSeen counts only while it is offline, for it moves every second.
    bool showsTheSameAs(const Node& other) const
    {
        return name == other.name && endpoint == other.endpoint && hostname == other.hostname && status == other.status
            && error == other.error && loadedModels == other.loadedModels
            && (status != NodeStatus::Offline || lastSeen == other.lastSeen);
    }
};

namespace {

template <typename Value>
QVariant orInvalid(const std::optional<Value>& value)
{
    return value ? QVariant::fromValue(*value) : QVariant();
}

std::optional<DeviceReading> readingOf(const NodeSnapshot& node, int deviceIndex)
{
    if (node.status != NodeStatus::Online)
        return std::nullopt;
    const QList<DeviceReading>& readings = node.health.devices;
    const auto found = std::find_if(readings.begin(), readings.end(), [deviceIndex](const DeviceReading& reading) {
        return reading.index == deviceIndex;
    });
    return found == readings.end() ? std::nullopt : std::optional(*found);
}

} // namespace

FleetTreeModel::FleetTreeModel(QObject* parent)
    : QAbstractItemModel(parent)
{
}

FleetTreeModel::~FleetTreeModel() = default;

void FleetTreeModel::setNodes(const QList<NodeSnapshot>& nodes)
{
    QStringList current;
    for (const auto& node : m_nodes)
        current.append(node->name);
    QStringList wanted;
    for (const NodeSnapshot& node : nodes)
        wanted.append(node.name);

    const auto remove = [this](int row) {
        beginRemoveRows({}, row, row);
        m_nodes.erase(m_nodes.begin() + row);
        endRemoveRows();
    };
    const auto move = [this](int from, int to) {
        beginMoveRows({}, from, from, {}, to);
        std::rotate(m_nodes.begin() + to, m_nodes.begin() + from, m_nodes.begin() + from + 1);
        endMoveRows();
    };
    const auto insert = [this, &wanted](int row) {
        beginInsertRows({}, row, row);
        auto node = std::make_unique<Node>();
        node->name = wanted.at(row);
        m_nodes.insert(m_nodes.begin() + row, std::move(node));
        endInsertRows();
    };
    syncRows<QString>(current, wanted, remove, move, insert);

    for (int row = 0; row < int(nodes.size()); ++row)
        updateNode(row, nodes.at(row));
}

void FleetTreeModel::updateNode(int row, const NodeSnapshot& snapshot)
{
    updateDevices(row, snapshot);
    Node next;
    next.name = snapshot.name;
    next.endpoint = snapshot.endpoint;
    next.hostname = snapshot.discovery.hostname;
    next.status = snapshot.status;
    next.error = snapshot.error;
    next.lastSeen = snapshot.lastSeen;
    next.loadedModels = int(std::count_if(snapshot.models.begin(), snapshot.models.end(),
                                          [](const NodeModel& model) { return model.status == ModelStatus::Loaded; }));

    Node& node = *m_nodes[size_t(row)];
    const bool same = node.showsTheSameAs(next);
    next.devices = std::move(node.devices);
    node = std::move(next);
    if (!same)
        emitNodeChanged(row);
}

void FleetTreeModel::updateDevices(int nodeRow, const NodeSnapshot& snapshot)
{
    std::vector<Device>& devices = m_nodes[size_t(nodeRow)]->devices;
    QList<int> current;
    for (const Device& device : devices)
        current.append(device.info.index);
    QList<int> wanted;
    for (const DeviceInfo& device : snapshot.discovery.devices)
        wanted.append(device.index);

    const QModelIndex parent = index(nodeRow, 0);
    const auto remove = [&](int row) {
        beginRemoveRows(parent, row, row);
        devices.erase(devices.begin() + row);
        endRemoveRows();
    };
    const auto move = [&](int from, int to) {
        beginMoveRows(parent, from, from, parent, to);
        std::rotate(devices.begin() + to, devices.begin() + from, devices.begin() + from + 1);
        endMoveRows();
    };
    const auto insert = [&](int row) {
        beginInsertRows(parent, row, row);
        devices.insert(devices.begin() + row, Device{snapshot.discovery.devices.at(row), std::nullopt});
        endInsertRows();
    };
    syncRows<int>(current, wanted, remove, move, insert);

    for (int row = 0; row < int(wanted.size()); ++row) {
        const Device next{snapshot.discovery.devices.at(row), readingOf(snapshot, wanted.at(row))};
        if (devices[size_t(row)] == next)
            continue;
        devices[size_t(row)] = next;
        const QModelIndex changed = index(row, 0, parent);
        Q_EMIT dataChanged(changed, changed);
    }
}

/// A node's status shows in its devices too.
void FleetTreeModel::emitNodeChanged(int row)
{
    const QModelIndex node = index(row, 0);
    Q_EMIT dataChanged(node, node);
    if (const int devices = rowCount(node); devices > 0)
        Q_EMIT dataChanged(index(0, 0, node), index(devices - 1, 0, node), {StatusRole, Qt::AccessibleTextRole});
}

int FleetTreeModel::onlineCount() const
{
    return int(std::count_if(m_nodes.begin(), m_nodes.end(),
                             [](const auto& node) { return node->status == NodeStatus::Online; }));
}

QModelIndex FleetTreeModel::index(int row, int column, const QModelIndex& parent) const
{
    if (!hasIndex(row, column, parent))
        return {};
    return createIndex(row, column, parent.isValid() ? m_nodes[size_t(parent.row())].get() : nullptr);
}

QModelIndex FleetTreeModel::parent(const QModelIndex& child) const
{
    if (!child.isValid() || !child.internalPointer())
        return {};
    const auto found = std::find_if(m_nodes.begin(), m_nodes.end(),
                                    [&](const auto& node) { return node.get() == child.internalPointer(); });
    return found == m_nodes.end() ? QModelIndex() : createIndex(int(found - m_nodes.begin()), 0, nullptr);
}

int FleetTreeModel::rowCount(const QModelIndex& parent) const
{
    if (!parent.isValid())
        return nodeCount();
    if (parent.internalPointer() || parent.column() != 0)
        return 0;
    return int(m_nodes[size_t(parent.row())]->devices.size());
}

int FleetTreeModel::columnCount(const QModelIndex& /*parent*/) const
{
    return 1;
}

QVariant FleetTreeModel::data(const QModelIndex& index, int role) const
{
    if (!checkIndex(index, CheckIndexOption::IndexIsValid))
        return {};
    if (!index.internalPointer())
        return nodeData(*m_nodes[size_t(index.row())], role);
    const auto* node = static_cast<const Node*>(index.internalPointer());
    return deviceData(*node, node->devices[size_t(index.row())], role);
}

QVariant FleetTreeModel::nodeData(const Node& node, int role) const
{
    switch (role) {
    case KindRole:
        return QVariant::fromValue(Kind::Node);
    case NameRole:
    case Qt::DisplayRole:
        return node.name;
    case StatusRole:
        return int(node.status);
    case ErrorRole:
        return node.status == NodeStatus::Offline ? node.error : QString();
    case DetailRole:
        if (node.status == NodeStatus::Online)
            return tr("%1 · %2").arg(node.hostname.isEmpty() ? node.endpoint.host() : node.hostname,
                                     format::modelsLoaded(node.loadedModels));
        if (node.status == NodeStatus::Connecting)
            return tr("Connecting to %1…").arg(node.endpoint.authority());
        return node.error.isEmpty() ? tr("No answer from %1").arg(node.endpoint.authority()) : node.error;
    case Qt::ToolTipRole: {
        QString text = node.name + QLatin1Char('\n') + node.endpoint.toString();
        if (node.status == NodeStatus::Offline && !node.error.isEmpty())
            text += QLatin1Char('\n') + node.error;
        if (node.status == NodeStatus::Offline && node.lastSeen.isValid())
            text += QLatin1Char('\n')
                + tr("Last seen %1").arg(QLocale().toString(node.lastSeen.toLocalTime(), QLocale::ShortFormat));
        return text;
    }
    case Qt::AccessibleTextRole:
        return tr("Node %1, %2. %3").arg(node.name, toString(node.status), nodeData(node, DetailRole).toString());
    default:
        return {};
    }
}

QVariant FleetTreeModel::deviceData(const Node& node, const Device& device, int role) const
{
    const std::optional<DeviceReading>& reading = device.reading;
    switch (role) {
    case KindRole:
        return QVariant::fromValue(Kind::Device);
    case NameRole:
    case Qt::DisplayRole:
        return device.info.kind == DeviceKind::Cpu ? device.info.name
                                                   : tr("%1: %2").arg(device.info.index).arg(device.info.name);
    case StatusRole:
        return int(node.status);
    case UsedMbRole:
        return reading ? QVariant::fromValue(reading->vramUsedMb) : QVariant();
    case TotalMbRole:
        return QVariant::fromValue(device.info.vramTotalMb);
    case UtilizationRole:
        return reading ? orInvalid(reading->utilizationPct) : QVariant();
    case TemperatureRole:
        return reading ? orInvalid(reading->temperatureC) : QVariant();
    case PowerRole:
        return reading ? orInvalid(reading->powerW) : QVariant();
    case DetailRole:
        return reading ? format::memoryOf(reading->vramUsedMb, device.info.vramTotalMb)
                       : format::memory(device.info.vramTotalMb);
    case Qt::ToolTipRole:
    case Qt::AccessibleTextRole: {
        QStringList parts{deviceData(node, device, NameRole).toString(),
                          deviceData(node, device, DetailRole).toString()};
        if (!device.info.computeCapability.isEmpty())
            parts.append(tr("compute capability %1").arg(device.info.computeCapability));
        if (reading && reading->utilizationPct)
            parts.append(tr("%1 busy").arg(format::percent(*reading->utilizationPct)));
        if (reading && reading->temperatureC)
            parts.append(format::temperature(*reading->temperatureC));
        if (reading && reading->powerW)
            parts.append(tr("%1 W").arg(qRound(*reading->powerW)));
        return parts.join(role == Qt::ToolTipRole ? QStringLiteral("\n") : QStringLiteral(", "));
    }
    default:
        return {};
    }
}

} // namespace cortex
