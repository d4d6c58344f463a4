// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/config/gatewayconfig.h"
#include "core/fleet/types.h"

#include <QHash>

#include <optional>

namespace cortex {

/// One model on one node. `model` is the gateway's id, not the node's.
struct ReplicaKey {
    QString node;
    QString model;
    bool operator==(const ReplicaKey&) const = default;
};
size_t qHash(const ReplicaKey& key, size_t seed = 0);

/// A load that this gateway asked for and that has not ended. At most one per model.
struct PendingLoad {
    quint64 order = 0; ///< tells this load from an earlier one, whose answer may still come in
    QString node;
    bool accepted = false; ///< the node answered the order
    bool seenWorking = false; ///< the node reported downloading or loading since the order
    bool byOperator = false; ///< asked for by a person, not by a waiting request
    qint64 acceptedAtMs = 0; ///< monotonic
};

struct LoadFailure {
    QString message; ///< for people
    qint64 atMs = 0; ///< monotonic
};

/// Everything the gateway knows of the fleet, as plain data: what the nodes last told, and what the gateway itself has
/// under way. No signals, no clock, no network, so that the router's decisions can be tested as a function of it. One
/// thread; FleetStore is its owner.
///
/// Three names of a model meet here. The gateway's id (the catalogue's id, or the node's own where the catalogue does
/// not list it), aliases of it, and the id that a node knows: see nodeModelId.
class FleetState {
public:
    FleetState(const QList<NeuronEntry>& neurons, Catalogue catalogue);

    // What nodes tell. A node that is not in the config is ignored.
    void setNodeStatus(const QString& node, NodeStatus status, const QString& error = {});
    void setDiscovery(const QString& node, const Discovery& discovery);
    void setHealth(const QString& node, const Health& health);
    void setModels(const QString& node, const QList<NodeModel>& models);
    void setModel(const QString& node, const NodeModel& model, qint64 nowMs);
    void removeModel(const QString& node, const QString& nodeModelId);
    void touch(const QString& node); ///< a sign of life, now

    // What the gateway has under way.
    void addLease(const ReplicaKey& key);
    void removeLease(const ReplicaKey& key);
    void setLoad(const QString& model, const PendingLoad& load) { m_loads.insert(model, load); }
    void removeLoad(const QString& model) { m_loads.remove(model); }
    void setFailure(const ReplicaKey& key, const LoadFailure& failure) { m_failures.insert(key, failure); }
    void removeFailure(const ReplicaKey& key) { m_failures.remove(key); }
    void forgetFailures(qint64 untilMs); ///< those of that time and older
    /// A replica that was told to unload takes no new lease, even while its node still calls it loaded. The time is
    /// when the node said that it has (monotonic; 0: not yet).
    void setRetiring(const ReplicaKey& key, qint64 answeredAtMs) { m_retiring.insert(key, answeredAtMs); }
    void removeRetiring(const ReplicaKey& key) { m_retiring.remove(key); }

    // Questions.
    const Catalogue& catalogue() const { return m_catalogue; }
    int nodeCount() const { return int(m_nodes.size()); }
    const NodeSnapshot& node(int index) const { return m_nodes.at(index).snapshot; }
    const NodeSnapshot* findNode(const QString& name) const;
    const CatalogueModel* catalogueModel(const QString& model) const;
    /// The id that `name` (an id or an alias) stands for; empty where nothing has it. A catalogue id wins over an
    /// alias, an alias over an id that only a node lists.
    QString resolve(const QString& name) const;
    /// The model as this node lists it; null where it does not.
    const NodeModel* modelOn(const QString& node, const QString& model) const;
    /// The id to name the model by when speaking to a node: the one it lists, else the repository of the catalogue's
    /// `source` ("ORG/NAME[:QUANT]"), else the id.
    QString nodeModelId(const QString& node, const QString& model) const;
    QString modelIdOf(const QString& nodeModelId) const; ///< the reverse

    int leases(const ReplicaKey& key) const { return m_leases.value(key); }
    const QHash<ReplicaKey, int>& allLeases() const { return m_leases; } ///< only those above 0
    /// Requests on the replica: our leases and what others had there at the node's last report.
    int loadOf(const ReplicaKey& key) const;
    /// What the node last told of the replica that our requests go to.
    const ModelActivity* activity(const ReplicaKey& key) const;
    std::optional<PendingLoad> load(const QString& model) const;
    const QHash<QString, PendingLoad>& loads() const { return m_loads; }
    std::optional<LoadFailure> failure(const ReplicaKey& key) const;
    const QHash<ReplicaKey, LoadFailure>& failures() const { return m_failures; }
    bool isRetiring(const ReplicaKey& key) const { return m_retiring.contains(key); }
    const QHash<ReplicaKey, qint64>& retiring() const { return m_retiring; }

    /// The merged picture for people and programs, with `at` set to now. Models have the gateway's ids everywhere, a
    /// load that we asked for counts as loading from the order on, and endpoints are without their passwords.
    FleetSnapshot snapshot() const;

private:
    struct Node {
        NodeSnapshot snapshot;
        QHash<QString, qsizetype> byModel; ///< gateway's id → index in snapshot.models
    };
    Node* mutableNode(const QString& name);
    const Node* findEntry(const QString& name) const;
    void reindex(Node& node) const;
    void noteForeignLoad(const Node& node);
    int inFlight(const ReplicaKey& key) const;
    FleetModel fleetModel(const QString& model) const;
    NodeSnapshot shown(NodeSnapshot node) const;
    void showLoads(NodeSnapshot& node) const;

    Catalogue m_catalogue;
    QHash<QString, qsizetype> m_catalogueIndex; ///< id → index in m_catalogue.models
    QHash<QString, QString> m_catalogueByNodeName; ///< an id that a node may list → catalogue id
    QList<Node> m_nodes; ///< in the config's order
    QHash<QString, qsizetype> m_nodeIndex;
    QHash<ReplicaKey, int> m_leases;
    QHash<QString, QHash<QString, int>> m_foreign; ///< other people's requests: node → the node's id of a model → count
    QHash<QString, PendingLoad> m_loads;
    QHash<ReplicaKey, LoadFailure> m_failures;
    QHash<ReplicaKey, qint64> m_retiring;
};

} // namespace cortex
