// SPDX-License-Identifier: GPL-3.0-only
#include "gateway/placement.h"

#include <algorithm>
#include <functional>
#include <tuple>

namespace cortex {

namespace {

constexpr qsizetype reasonsShown = 8;
/// Of a replica whose node has not told its places yet, as in the second after a load.
constexpr int placesUntilTold = 4;

bool hasRoom(const FleetState& state, const ReplicaKey& key)
{
    const ModelActivity* activity = state.activity(key);
    if (!activity)
        return state.loadOf(key) < placesUntilTold;
    return activity->maxInFlight <= 0 || state.loadOf(key) < activity->maxInFlight + activity->maxQueueDepth;
}

/// Rule 3: the least loaded of the loaded replicas with room. Sets `full` where there are replicas and none has room.
QString pickReplica(const FleetState& state, const QString& model, bool& full)
{
    QString best;
    int bestLoad = 0;
    full = false;
    for (int i = 0; i < state.nodeCount(); ++i) {
        const NodeSnapshot& node = state.node(i);
        const ReplicaKey key{node.name, model};
        if (!isServing(state, node.name, model))
            continue;
        if (!hasRoom(state, key)) {
            full = true;
            continue;
        }
        const int load = state.loadOf(key);
        if (best.isEmpty() || load < bestLoad) {
            best = node.name;
            bestLoad = load;
        }
    }
    return best;
}

bool isLeaving(const FleetState& state, const QString& node, const QString& model)
{
    const NodeModel* here = state.modelOn(node, model);
    return state.isRetiring({node, model}) || (here && here->status == ModelStatus::Unloading);
}

/// Free memory in MiB that a load on `node` may count on, over its `devices` best devices that are large enough;
/// nothing where it has fewer such devices. Loads under way there have their declared need set aside.
std::optional<qint64> freeMemoryMb(const FleetState& state, const NodeSnapshot& node, int devices, qint64 minDeviceMb)
{
    QList<qint64> free;
    for (const DeviceInfo& device : node.discovery.devices) {
        if (device.vramTotalMb < minDeviceMb)
            continue;
        for (const DeviceReading& reading : node.health.devices) {
            if (reading.index == device.index)
                free.append(reading.vramFreeMb);
        }
    }
    if (free.size() < devices)
        return std::nullopt;
    std::sort(free.begin(), free.end(), std::greater<>());
    qint64 sum = 0;
    for (int i = 0; i < devices; ++i)
        sum += free.at(i);
    for (auto load = state.loads().begin(); load != state.loads().end(); ++load) {
        const CatalogueModel* other = state.catalogueModel(load.key());
        if (load->node == node.name && other)
            sum -= other->vramMb;
    }
    return sum;
}

QString memoryObstacle(const FleetState& state, const NodeSnapshot& node, const CatalogueModel& model)
{
    const int devices = std::max(1, model.minDevices);
    const std::optional<qint64> free = freeMemoryMb(state, node, devices, model.minDeviceVramMb);
    if (!free) {
        return QStringLiteral("it has fewer than %1 device(s) of at least %2 MB")
            .arg(devices)
            .arg(model.minDeviceVramMb);
    }
    if (model.vramMb > *free)
        return QStringLiteral("it needs %1 MB and %2 MB are free").arg(model.vramMb).arg(std::max<qint64>(0, *free));
    return {};
}

RouteError nothingFits(const QString& model, const QStringList& reasons)
{
    if (reasons.isEmpty()) {
        return unavailable(QStringLiteral("no_nodes"),
                           QStringLiteral("No node is configured: add [[neurons]] to cortex.toml."), 60);
    }
    QString text = reasons.mid(0, reasonsShown).join(QStringLiteral("; "));
    if (reasons.size() > reasonsShown)
        text += QStringLiteral("; and %1 more").arg(reasons.size() - reasonsShown);
    return unavailable(QStringLiteral("model_unavailable"),
                       QStringLiteral("No node can run '%1' now: %2.").arg(model, text),
                       int(failedLoadHold.count() / 1000));
}

} // namespace

bool isServing(const FleetState& state, const QString& name, const QString& model)
{
    const NodeSnapshot* node = state.findNode(name);
    const NodeModel* here = state.modelOn(name, model);
    return node && node->status == NodeStatus::Online && here && here->status == ModelStatus::Loaded
        && !state.isRetiring({name, model});
}

QString servingNode(const FleetState& state, const QString& model)
{
    for (int i = 0; i < state.nodeCount(); ++i) {
        if (isServing(state, state.node(i).name, model))
            return state.node(i).name;
    }
    return {};
}

QString workingNode(const FleetState& state, const QString& model)
{
    for (int i = 0; i < state.nodeCount(); ++i) {
        const NodeSnapshot& node = state.node(i);
        const NodeModel* here = state.modelOn(node.name, model);
        if (node.status == NodeStatus::Online && here
            && (here->status == ModelStatus::Loading || here->status == ModelStatus::Downloading))
            return node.name;
    }
    return {};
}

QString obstacle(const FleetState& state, const QString& name, const QString& model, qint64 nowMs, FailedLoads failed)
{
    const NodeSnapshot* node = state.findNode(name);
    if (!node)
        return QStringLiteral("there is no such node");
    if (node->status == NodeStatus::Connecting)
        return QStringLiteral("it has not answered yet");
    if (node->status == NodeStatus::Offline)
        return node->error.isEmpty() ? QStringLiteral("it is offline")
                                     : QStringLiteral("it is offline (%1)").arg(node->error);
    const CatalogueModel* entry = state.catalogueModel(model);
    const NodeModel* here = state.modelOn(name, model);
    if (entry && entry->harness == QLatin1String("openai"))
        return QStringLiteral("nodes do not run models of harness 'openai'");
    if (entry && !entry->pinnedOn.isEmpty() && !entry->pinnedOn.contains(name))
        return QStringLiteral("the model is pinned on %1").arg(entry->pinnedOn.join(QStringLiteral(", ")));
    if (!here && (!entry || entry->source.isEmpty()))
        return QStringLiteral("it does not have the model's files, and the catalogue names no source");
    if (here && here->servable && !here->servable->ok && here->servable->reason != QLatin1String("load_failed"))
        return here->servable->detail.isEmpty() ? here->servable->reason : here->servable->detail;
    if (isLeaving(state, name, model))
        return QStringLiteral("the model is being unloaded there");
    const std::optional<LoadFailure> failure = state.failure({name, model});
    if (failed == FailedLoads::Count && failure && nowMs - failure->atMs < failedLoadHold.count())
        return QStringLiteral("loading it failed a moment ago: %1").arg(failure->message);
    return entry ? memoryObstacle(state, *node, *entry) : QString();
}

Decision place(const FleetState& state, const QString& model, qint64 nowMs, FailedLoads failed)
{
    const CatalogueModel* entry = state.catalogueModel(model);
    QStringList reasons;
    QString best;
    std::tuple<bool, qint64> bestRank{false, 0};
    for (int i = 0; i < state.nodeCount(); ++i) {
        const NodeSnapshot& node = state.node(i);
        const QString reason = obstacle(state, node.name, model, nowMs, failed);
        if (!reason.isEmpty()) {
            reasons.append(QStringLiteral("%1: %2").arg(node.name, reason));
            continue;
        }
        const bool hasFiles = state.modelOn(node.name, model) != nullptr;
        const int devices = entry ? std::max(1, entry->minDevices) : 1;
        const std::tuple rank{hasFiles,
                              freeMemoryMb(state, node, devices, entry ? entry->minDeviceVramMb : 0).value_or(0)};
        if (best.isEmpty() || rank > bestRank) {
            best = node.name;
            bestRank = rank;
        }
    }
    if (best.isEmpty())
        return {.kind = Decision::Kind::Reject, .node = {}, .error = nothingFits(model, reasons)};
    return {.kind = Decision::Kind::Load, .node = best, .error = {}};
}

Decision decide(const FleetState& state, const QString& model, qint64 nowMs)
{
    if (state.resolve(model).isEmpty())
        return {.kind = Decision::Kind::Reject, .node = {}, .error = modelNotFound(model)};
    bool full = false;
    const QString replica = pickReplica(state, model, full);
    if (!replica.isEmpty())
        return {.kind = Decision::Kind::Lease, .node = replica, .error = {}};
    if (full || state.load(model) || !workingNode(state, model).isEmpty())
        return {.kind = Decision::Kind::Wait, .node = {}, .error = {}};
    Decision placed = place(state, model, nowMs, FailedLoads::Count);
    if (placed.kind == Decision::Kind::Reject) {
        // A replica on its way out frees its place in a moment; that is worth waiting for.
        for (int i = 0; i < state.nodeCount(); ++i) {
            const NodeSnapshot& node = state.node(i);
            if (node.status == NodeStatus::Online && isLeaving(state, node.name, model))
                return {.kind = Decision::Kind::Wait, .node = {}, .error = {}};
        }
    }
    return placed;
}

} // namespace cortex
