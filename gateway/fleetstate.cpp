// SPDX-License-Identifier: GPL-3.0-only
#include "gateway/fleetstate.h"

#include "core/version.h"

#include <algorithm>

namespace cortex {

namespace {

/// How useful a state is to somebody who wants the model; the highest stands for the whole fleet.
int usefulness(ModelStatus status)
{
    switch (status) {
    case ModelStatus::Loaded:
        return 5;
    case ModelStatus::Loading:
        return 4;
    case ModelStatus::Downloading:
        return 3;
    case ModelStatus::Unloading:
        return 2;
    case ModelStatus::Failed:
        return 1;
    case ModelStatus::Unloaded:
        return 0;
    }
    return 0;
}

bool isWorking(ModelStatus status)
{
    return status == ModelStatus::Loading || status == ModelStatus::Downloading;
}

/// "ORG/NAME[:QUANT]" of a catalogue's `source`; empty where `source` is the bare name of a place to fetch from.
QString repositoryOf(const CatalogueModel& model)
{
    QString source = model.source;
    if (source.startsWith(QLatin1String("hf:")))
        source = source.mid(3);
    return source.contains(QLatin1Char('/')) ? source : QString();
}

QStringList namesOnNodes(const CatalogueModel& model)
{
    QStringList names{model.id};
    const QString repository = repositoryOf(model);
    if (!repository.isEmpty())
        names.append(repository);
    if (!model.quant.isEmpty()) {
        for (const QString& name : QStringList(names))
            names.append(name + QLatin1Char(':') + model.quant);
    }
    return names;
}

} // namespace

size_t qHash(const ReplicaKey& key, size_t seed)
{
    return qHashMulti(seed, key.node, key.model);
}

FleetState::FleetState(const QList<NeuronEntry>& neurons, Catalogue catalogue)
    : m_catalogue(std::move(catalogue))
{
    for (qsizetype i = 0; i < m_catalogue.models.size(); ++i) {
        const CatalogueModel& model = m_catalogue.models.at(i);
        m_catalogueIndex.insert(model.id, i);
        for (const QString& name : namesOnNodes(model)) {
            if (!m_catalogueByNodeName.contains(name))
                m_catalogueByNodeName.insert(name, model.id);
        }
    }
    // An id of the catalogue means that entry even where it is another entry's repository.
    for (const CatalogueModel& model : std::as_const(m_catalogue.models))
        m_catalogueByNodeName.insert(model.id, model.id);
    for (const NeuronEntry& neuron : neurons) {
        Node node;
        node.snapshot.name = neuron.name;
        node.snapshot.endpoint = neuron.endpoint;
        m_nodeIndex.insert(neuron.name, m_nodes.size());
        m_nodes.append(node);
    }
}

FleetState::Node* FleetState::mutableNode(const QString& name)
{
    const auto found = m_nodeIndex.constFind(name);
    return found == m_nodeIndex.constEnd() ? nullptr : &m_nodes[*found];
}

const FleetState::Node* FleetState::findEntry(const QString& name) const
{
    const auto found = m_nodeIndex.constFind(name);
    return found == m_nodeIndex.constEnd() ? nullptr : &m_nodes.at(*found);
}

const NodeSnapshot* FleetState::findNode(const QString& name) const
{
    const Node* node = findEntry(name);
    return node ? &node->snapshot : nullptr;
}

void FleetState::setNodeStatus(const QString& name, NodeStatus status, const QString& error)
{
    if (Node* node = mutableNode(name)) {
        node->snapshot.status = status;
        node->snapshot.error = error;
        // What others had there ends with the node; our own requests may outlive the break and give back their leases.
        if (status != NodeStatus::Online)
            m_foreign.remove(name);
    }
}

void FleetState::touch(const QString& name)
{
    if (Node* node = mutableNode(name))
        node->snapshot.lastSeen = QDateTime::currentDateTimeUtc();
}

void FleetState::setDiscovery(const QString& name, const Discovery& discovery)
{
    if (Node* node = mutableNode(name))
        node->snapshot.discovery = discovery;
}

void FleetState::setHealth(const QString& name, const Health& health)
{
    if (Node* node = mutableNode(name)) {
        node->snapshot.health = health;
        noteForeignLoad(*node);
    }
}

/// The node counts all of its requests, ours too; the surplus over our leases at this moment is other people's.
void FleetState::noteForeignLoad(const Node& node)
{
    const QString& name = node.snapshot.name;
    QHash<QString, int>& foreign = m_foreign[name];
    foreign.clear();
    for (const ModelActivity& activity : node.snapshot.health.models) {
        const QString model = modelIdOf(activity.id);
        const int ours = nodeModelId(name, model) == activity.id ? leases({name, model}) : 0;
        const int surplus = activity.inFlight + activity.queueDepth - ours;
        if (surplus > 0)
            foreign.insert(activity.id, surplus);
    }
}

int FleetState::loadOf(const ReplicaKey& key) const
{
    return leases(key) + m_foreign.value(key.node).value(nodeModelId(key.node, key.model));
}

/// Our leases and what others have on any replica that goes by this id: a node may have several quantizations of it.
int FleetState::inFlight(const ReplicaKey& key) const
{
    int count = leases(key);
    const QHash<QString, int> foreign = m_foreign.value(key.node);
    for (auto entry = foreign.begin(); entry != foreign.end(); ++entry)
        count += modelIdOf(entry.key()) == key.model ? *entry : 0;
    return count;
}

void FleetState::setModels(const QString& name, const QList<NodeModel>& models)
{
    if (Node* node = mutableNode(name)) {
        node->snapshot.models = models;
        for (const NodeModel& model : models) {
            if (model.status == ModelStatus::Loaded)
                m_failures.remove({name, modelIdOf(model.id)});
        }
        reindex(*node);
    }
}

void FleetState::setModel(const QString& name, const NodeModel& model, qint64 nowMs)
{
    Node* node = mutableNode(name);
    if (!node)
        return;
    QList<NodeModel>& models = node->snapshot.models;
    const auto found = std::find_if(models.begin(), models.end(), [&](const NodeModel& m) { return m.id == model.id; });
    const ReplicaKey key{name, modelIdOf(model.id)};
    if (found == models.end()) {
        models.append(model);
    } else {
        // A load that somebody else started holds back our own tries as much as one of ours does.
        if (model.status == ModelStatus::Failed && isWorking(found->status))
            m_failures.insert(key, {model.servable ? model.servable->detail : QString(), nowMs});
        *found = model;
    }
    if (model.status == ModelStatus::Loaded)
        m_failures.remove(key);
    reindex(*node);
}

void FleetState::removeModel(const QString& name, const QString& nodeModelId)
{
    if (Node* node = mutableNode(name)) {
        node->snapshot.models.removeIf([&](const NodeModel& model) { return model.id == nodeModelId; });
        reindex(*node);
    }
}

void FleetState::reindex(Node& node) const
{
    node.byModel.clear();
    const QList<NodeModel>& models = node.snapshot.models;
    for (qsizetype i = 0; i < models.size(); ++i) {
        const QString id = modelIdOf(models.at(i).id);
        const auto other = node.byModel.constFind(id);
        if (other == node.byModel.constEnd() || usefulness(models.at(*other).status) < usefulness(models.at(i).status))
            node.byModel.insert(id, i);
    }
}

void FleetState::forgetFailures(qint64 untilMs)
{
    m_failures.removeIf([&](const auto& failure) { return failure.value().atMs <= untilMs; });
}

void FleetState::addLease(const ReplicaKey& key)
{
    ++m_leases[key];
}

void FleetState::removeLease(const ReplicaKey& key)
{
    const auto found = m_leases.find(key);
    Q_ASSERT(found != m_leases.end() && *found > 0);
    if (--*found == 0)
        m_leases.erase(found);
}

const CatalogueModel* FleetState::catalogueModel(const QString& model) const
{
    const auto found = m_catalogueIndex.constFind(model);
    return found == m_catalogueIndex.constEnd() ? nullptr : &m_catalogue.models.at(*found);
}

QString FleetState::modelIdOf(const QString& nodeModelId) const
{
    const auto exact = m_catalogueByNodeName.constFind(nodeModelId);
    if (exact != m_catalogueByNodeName.constEnd())
        return *exact;
    // A node that has several quantizations of one name lists them as NAME:QUANT; an entry that asks for none means
    // any.
    const QString bare = m_catalogueByNodeName.value(nodeModelId.section(QLatin1Char(':'), 0, -2));
    const CatalogueModel* entry = catalogueModel(bare);
    return entry && entry->quant.isEmpty() ? bare : nodeModelId;
}

QString FleetState::resolve(const QString& name) const
{
    const auto isKnown = [this](const QString& id) {
        return m_catalogueIndex.contains(id)
            || std::any_of(m_nodes.begin(), m_nodes.end(), [&](const Node& node) { return node.byModel.contains(id); });
    };
    if (m_catalogueIndex.contains(name))
        return name;
    const auto alias = m_catalogue.aliases.constFind(name);
    const QString meant = alias == m_catalogue.aliases.constEnd() ? name : *alias;
    const QString id = m_catalogueByNodeName.value(meant, meant);
    return isKnown(id) ? id : QString();
}

const NodeModel* FleetState::modelOn(const QString& name, const QString& model) const
{
    const Node* node = findEntry(name);
    if (!node)
        return nullptr;
    const auto found = node->byModel.constFind(model);
    return found == node->byModel.constEnd() ? nullptr : &node->snapshot.models.at(*found);
}

QString FleetState::nodeModelId(const QString& node, const QString& model) const
{
    if (const NodeModel* listed = modelOn(node, model))
        return listed->id;
    const CatalogueModel* entry = catalogueModel(model);
    const QString repository = entry ? repositoryOf(*entry) : QString();
    return repository.isEmpty() ? model : repository;
}

const ModelActivity* FleetState::activity(const ReplicaKey& key) const
{
    const Node* node = findEntry(key.node);
    if (!node)
        return nullptr;
    const QString id = nodeModelId(key.node, key.model);
    for (const ModelActivity& activity : node->snapshot.health.models) {
        if (activity.id == id)
            return &activity;
    }
    return nullptr;
}

std::optional<PendingLoad> FleetState::load(const QString& model) const
{
    const auto found = m_loads.constFind(model);
    return found == m_loads.constEnd() ? std::nullopt : std::optional(*found);
}

std::optional<LoadFailure> FleetState::failure(const ReplicaKey& key) const
{
    const auto found = m_failures.constFind(key);
    return found == m_failures.constEnd() ? std::nullopt : std::optional(*found);
}

FleetModel FleetState::fleetModel(const QString& id) const
{
    FleetModel model;
    model.id = id;
    const CatalogueModel* entry = catalogueModel(id);
    if (entry) {
        model.inCatalogue = true;
        model.limit = entry->limit;
        model.capabilities = entry->capabilities;
    }
    int best = -1;
    for (const Node& node : m_nodes) {
        const ReplicaKey key{node.snapshot.name, id};
        model.inFlight += inFlight(key);
        const NodeModel* here = modelOn(node.snapshot.name, id);
        if (!here || node.snapshot.status != NodeStatus::Online)
            continue;
        model.availableOn.append(node.snapshot.name);
        if (here->status == ModelStatus::Loaded)
            model.nodes.append(node.snapshot.name);
        if (model.limit.context == 0 && here->limit.context != 0)
            model.limit = here->limit;
        if (model.capabilities.isEmpty())
            model.capabilities = here->capabilities;
        if (model.error.isEmpty() && here->status == ModelStatus::Failed && here->servable)
            model.error = here->servable->detail;
        if (usefulness(here->status) > best) {
            best = usefulness(here->status);
            model.status = here->status;
            model.progress = here->progress;
        }
    }
    if (m_loads.contains(id) && usefulness(model.status) < usefulness(ModelStatus::Downloading))
        model.status = ModelStatus::Loading;
    for (auto failure = m_failures.begin(); failure != m_failures.end(); ++failure) {
        if (failure.key().model != id || model.status == ModelStatus::Loaded || m_loads.contains(id))
            continue;
        model.error = failure->message;
        if (model.status == ModelStatus::Unloaded)
            model.status = ModelStatus::Failed;
    }
    return model;
}

/// The node may not have begun yet, and what it says may be of an earlier try.
void FleetState::showLoads(NodeSnapshot& node) const
{
    for (auto load = m_loads.begin(); load != m_loads.end(); ++load) {
        if (load->node != node.name)
            continue;
        const QString id = nodeModelId(node.name, load.key());
        auto here =
            std::find_if(node.models.begin(), node.models.end(), [&](const NodeModel& m) { return m.id == id; });
        if (here == node.models.end()) {
            NodeModel fetched;
            fetched.id = id;
            here = node.models.insert(here, fetched);
        }
        if (usefulness(here->status) < usefulness(ModelStatus::Downloading)) {
            here->status = ModelStatus::Loading;
            here->servable.reset();
        }
    }
}

NodeSnapshot FleetState::shown(NodeSnapshot node) const
{
    node.endpoint.setUserInfo(QString());
    showLoads(node);
    for (NodeModel& model : node.models)
        model.id = modelIdOf(model.id);
    for (ModelActivity& activity : node.health.models)
        activity.id = modelIdOf(activity.id);
    return node;
}

FleetSnapshot FleetState::snapshot() const
{
    FleetSnapshot fleet;
    fleet.gatewayVersion = version();
    fleet.at = QDateTime::currentDateTimeUtc();
    QStringList ids;
    for (const CatalogueModel& model : m_catalogue.models)
        ids.append(model.id);
    QStringList discovered;
    for (const Node& node : m_nodes) {
        fleet.nodes.append(shown(node.snapshot));
        for (auto model = node.byModel.keyBegin(); model != node.byModel.keyEnd(); ++model) {
            if (!m_catalogueIndex.contains(*model) && !discovered.contains(*model))
                discovered.append(*model);
        }
    }
    discovered.sort();
    for (const QString& id : ids + discovered)
        fleet.models.append(fleetModel(id));
    QHash<QString, QStringList> aliases;
    for (auto alias = m_catalogue.aliases.begin(); alias != m_catalogue.aliases.end(); ++alias)
        aliases[resolve(alias.key())].append(alias.key());
    for (FleetModel& model : fleet.models) {
        model.aliases = aliases.value(model.id);
        model.aliases.sort();
    }
    return fleet;
}

} // namespace cortex
