// SPDX-License-Identifier: GPL-3.0-only
#include "fakefleet.h"

#include <QTimeZone>

namespace cortex::testing {

DeviceInfo cudaDevice(int index, const QString& name, qint64 totalMb)
{
    DeviceInfo device;
    device.index = index;
    device.name = name;
    device.kind = DeviceKind::Cuda;
    device.vramTotalMb = totalMb;
    device.computeCapability = QStringLiteral("8.9");
    return device;
}

DeviceReading reading(int index, qint64 usedMb, qint64 totalMb, double utilization, double temperature)
{
    DeviceReading reading;
    reading.index = index;
    reading.vramUsedMb = usedMb;
    reading.vramFreeMb = totalMb - usedMb;
    reading.utilizationPct = utilization;
    reading.temperatureC = temperature;
    reading.powerW = 3 * utilization + 20;
    return reading;
}

NodeSnapshot onlineNode(const QString& name, const QList<DeviceInfo>& devices, const QList<DeviceReading>& readings)
{
    NodeSnapshot node;
    node.name = name;
    node.endpoint = QUrl(QStringLiteral("http://%1:13131").arg(name));
    node.status = NodeStatus::Online;
    node.lastSeen = QDateTime::fromSecsSinceEpoch(1'780'000'000, QTimeZone::utc());
    node.discovery.hostname = name + QStringLiteral(".lan");
    node.discovery.devices = devices;
    node.health.devices = readings;
    return node;
}

NodeSnapshot offlineNode(const QString& name, const QString& error)
{
    NodeSnapshot node = onlineNode(name, {}, {});
    node.status = NodeStatus::Offline;
    node.error = error;
    return node;
}

NodeModel nodeModel(const QString& id, ModelStatus status)
{
    NodeModel model;
    model.id = id;
    model.harness = QStringLiteral("native");
    model.status = status;
    return model;
}

FleetModel fleetModel(const QString& id, ModelStatus status, const QStringList& nodes)
{
    FleetModel model;
    model.id = id;
    model.status = status;
    model.nodes = status == ModelStatus::Loaded ? nodes : QStringList();
    model.availableOn = nodes;
    model.limit.context = 32768;
    return model;
}

FleetSnapshot fleetOf(const QList<NodeSnapshot>& nodes, const QList<FleetModel>& models)
{
    FleetSnapshot fleet;
    fleet.gatewayVersion = QStringLiteral("0.1.0");
    fleet.nodes = nodes;
    fleet.models = models;
    return fleet;
}

ThroughputSample sampleAt(qint64 second, const QList<QPair<QString, double>>& speeds)
{
    ThroughputSample sample;
    sample.at = QDateTime::fromSecsSinceEpoch(second, QTimeZone::utc());
    for (const auto& [model, speed] : speeds) {
        ThroughputSample::Entry entry;
        entry.model = model;
        entry.node = QStringLiteral("atlas");
        entry.tokensPerSecond = speed;
        entry.inFlight = speed > 0 ? 1 : 0;
        sample.entries.append(entry);
        sample.tokensPerSecond += speed;
        sample.inFlight += entry.inFlight;
    }
    return sample;
}

FleetSnapshot busyFleet()
{
    NodeSnapshot atlas = onlineNode(QStringLiteral("atlas"),
                                    {cudaDevice(0, QStringLiteral("NVIDIA RTX 6000 Ada Generation"), 49140),
                                     cudaDevice(1, QStringLiteral("NVIDIA RTX 6000 Ada Generation"), 49140)},
                                    {reading(0, 41200, 49140, 87, 71), reading(1, 46800, 49140, 93, 76)});
    atlas.models = {nodeModel(QStringLiteral("Qwen/Qwen3-32B-GGUF:Q4_K_M"), ModelStatus::Loaded),
                    nodeModel(QStringLiteral("HuggingFaceTB/SmolLM2-135M-Instruct"), ModelStatus::Loaded)};
    NodeSnapshot borealis =
        onlineNode(QStringLiteral("borealis"), {cudaDevice(0, QStringLiteral("NVIDIA GeForce RTX 4090"), 24564)},
                   {reading(0, 9300, 24564, 34, 52)});
    borealis.discovery.devices[0].computeCapability = QStringLiteral("8.9");
    NodeSnapshot cellar = offlineNode(QStringLiteral("cellar"),
                                      QStringLiteral("cellar:13131 refused the connection; is neuron running there?"));

    FleetModel loading =
        fleetModel(QStringLiteral("mistralai/Devstral-Small-2507"), ModelStatus::Loading, {QStringLiteral("borealis")});
    loading.progress = ModelProgress{QStringLiteral("reading"), 0.62, 8'900'000'000, 14'300'000'000, 1'900'000'000};
    FleetModel downloading = fleetModel(QStringLiteral("google/gemma-3-12b-it"), ModelStatus::Downloading, {});
    downloading.progress = ModelProgress{QStringLiteral("downloading"), 0.17, 1'400'000'000, 8'200'000'000, 48'000'000};
    FleetModel failed = fleetModel(QStringLiteral("meta-llama/Llama-3.3-70B-Instruct"), ModelStatus::Failed,
                                   {QStringLiteral("borealis")});
    failed.error = QStringLiteral("Does not fit: needs 42,310 MB on one device of borealis, 15,264 MB are free.");
    FleetModel qwen =
        fleetModel(QStringLiteral("Qwen/Qwen3-32B-GGUF:Q4_K_M"), ModelStatus::Loaded, {QStringLiteral("atlas")});
    qwen.inFlight = 3;
    qwen.aliases = QStringList{QStringLiteral("default")};
    FleetModel smol = fleetModel(QStringLiteral("HuggingFaceTB/SmolLM2-135M-Instruct"), ModelStatus::Loaded,
                                 {QStringLiteral("atlas"), QStringLiteral("borealis")});
    smol.limit.context = 8192;
    FleetModel idle = fleetModel(QStringLiteral("openai/gpt-oss-20b"), ModelStatus::Unloaded,
                                 {QStringLiteral("atlas"), QStringLiteral("borealis")});
    idle.limit.context = 131072;

    return fleetOf({atlas, borealis, cellar}, {smol, qwen, downloading, failed, loading, idle});
}

} // namespace cortex::testing
