// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/fleet/types.h"

#include <QAbstractItemModel>

#include <memory>
#include <vector>

namespace cortex {

/// The nodes and, under each, its devices; one column. Snapshots become the smallest set of row changes.
class FleetTreeModel : public QAbstractItemModel {
    Q_OBJECT
public:
    enum class Kind { Node, Device };
    Q_ENUM(Kind)

    enum Role {
        KindRole = Qt::UserRole + 1, ///< Kind
        NameRole, ///< QString
        StatusRole, ///< NodeStatus as int; of a device: its node's
        DetailRole, ///< QString, the second line
        ErrorRole, ///< QString; of a node that is offline, else empty
        UsedMbRole, ///< qint64; of a device with a current reading, else invalid
        TotalMbRole, ///< qint64; of a device
        UtilizationRole, ///< double in percent; invalid where unknown
        TemperatureRole, ///< double in °C; invalid where unknown
        PowerRole, ///< double in W; invalid where unknown
    };

    explicit FleetTreeModel(QObject* parent = nullptr);
    ~FleetTreeModel() override;

    void setNodes(const QList<NodeSnapshot>& nodes);
    int nodeCount() const { return int(m_nodes.size()); }
    int onlineCount() const;

    QModelIndex index(int row, int column, const QModelIndex& parent = {}) const override;
    QModelIndex parent(const QModelIndex& child) const override;
    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;

private:
    struct Device;
    struct Node;

    QVariant nodeData(const Node& node, int role) const;
    QVariant deviceData(const Node& node, const Device& device, int role) const;
    void updateNode(int row, const NodeSnapshot& snapshot);
    void updateDevices(int nodeRow, const NodeSnapshot& snapshot);
    void emitNodeChanged(int row);

    std::vector<std::unique_ptr<Node>> m_nodes; ///< a device's index points to its Node, a node's to nothing
};

} // namespace cortex
