// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QDateTime>
#include <QJsonArray>
#include <QJsonObject>
#include <QList>
#include <QMetaType>
#include <QString>
#include <QStringList>
#include <QUrl>

#include <optional>

/// The fleet as structs: what a neuron tells of itself (GET /discovery, /health, /models, /events) and what the gateway
/// makes of it (GET /api/fleet, /api/events). JSON appears only in the functions at the end of this file.
///
/// neuron's GET /events: SSE. At connect, in this order: `discovery` (object of /discovery), `models` (array of /models),
/// `health` (object of /health). Then `model` (one object of /models) at every change of that model, `gone` ({"id"}) when a
/// model's files are no more, and `health` once a second.
///
/// gateway's GET /api/events: SSE. `fleet` (object of /api/fleet) at connect and at every change, at most ten a second;
/// `throughput` (ThroughputSample) once a second.
namespace cortex {

enum class DeviceKind { Cpu, Cuda };
enum class ModelStatus { Unloaded, Downloading, Loading, Loaded, Unloading, Failed };
enum class NodeStatus { Connecting, Online, Offline };

struct DeviceInfo {
    int index = 0;
    QString name;
    DeviceKind kind = DeviceKind::Cpu;
    qint64 vramTotalMb = 0;     ///< of a CPU device: the machine's memory
    QString computeCapability;  ///< empty for the CPU
    bool operator==(const DeviceInfo&) const = default;
};

struct Discovery {
    QString hostname;
    QString os;
    QString kernel;
    std::optional<QString> cudaVersion;
    std::optional<QString> driverVersion;
    std::optional<QString> cudaUnavailableReason;
    QStringList harnesses;
    QList<DeviceInfo> devices;
    bool operator==(const Discovery&) const = default;
};

struct DeviceReading {
    int index = 0;
    qint64 vramUsedMb = 0;
    qint64 vramFreeMb = 0;
    std::optional<double> utilizationPct;
    std::optional<double> temperatureC;
    std::optional<double> powerW;
    bool operator==(const DeviceReading&) const = default;
};

/// What a loaded model is doing right now; an entry of /health "models".
struct ModelActivity {
    QString id;
    int inFlight = 0;
    int maxInFlight = 0;
    int queueDepth = 0;
    int maxQueueDepth = 0;
    qint64 kvBudgetMb = 0;
    qint64 kvAvailableMb = 0;
    double tokensPerSecondPrefill = 0;
    double tokensPerSecondDecode = 0;
    qint64 prefixHitTokens = 0;
    qint64 rejectedQueueFull = 0;
    bool operator==(const ModelActivity&) const = default;
};

struct Health {
    qint64 uptimeSeconds = 0;
    QString activation; ///< "idle", "loading" or "serving"
    QList<DeviceReading> devices;
    QList<ModelActivity> models;
    bool operator==(const Health&) const = default;
};

/// Tokens. 0 means unknown or unlimited.
struct ModelLimit {
    int context = 0;
    int input = 0;
    int output = 0;
    bool operator==(const ModelLimit&) const = default;
};

/// Long work on a model: `phase` is "downloading", "reading", "packing"; bytes where they are known, else 0.
struct ModelProgress {
    QString phase;
    double fraction = 0;
    qint64 doneBytes = 0;
    qint64 totalBytes = 0;
    qint64 bytesPerSecond = 0;
    bool operator==(const ModelProgress&) const = default;
};

struct Servable {
    bool ok = true;
    QString reason; ///< stable word: "unsupported_architecture", "does_not_fit", "load_failed", …
    QString detail; ///< for people
    bool operator==(const Servable&) const = default;
};

/// A model on one node; an entry of neuron's /models.
struct NodeModel {
    QString id;
    QString harness;
    ModelStatus status = ModelStatus::Unloaded;
    std::optional<ModelProgress> progress;
    QList<int> devices;
    qint64 vramUsedMb = 0;
    QStringList capabilities;
    ModelLimit limit;
    bool toolCall = false;
    bool reasoning = false;
    std::optional<Servable> servable;
    bool operator==(const NodeModel&) const = default;
};

/// One node as the gateway sees it.
struct NodeSnapshot {
    QString name;
    QUrl endpoint;
    NodeStatus status = NodeStatus::Connecting;
    QString error;           ///< why it is offline, for people
    QDateTime lastSeen;      ///< UTC
    Discovery discovery;     ///< last known
    Health health;           ///< last known
    QList<NodeModel> models; ///< last known, by id
    bool operator==(const NodeSnapshot&) const = default;
};

/// One model over the whole fleet: the catalogue's entry and every node's state merged.
struct FleetModel {
    QString id;
    bool inCatalogue = false;
    ModelStatus status = ModelStatus::Unloaded; ///< the most useful one: loaded > loading > downloading > … > failed
    std::optional<ModelProgress> progress;      ///< of the load under way
    QStringList nodes;                          ///< where it is loaded
    QStringList availableOn;                    ///< where its files are
    QStringList aliases;
    ModelLimit limit;
    QStringList capabilities;
    int inFlight = 0;
    QString error;                              ///< of the last failure, for people
    bool operator==(const FleetModel&) const = default;
};

struct FleetSnapshot {
    QString gatewayVersion;
    QDateTime at; ///< UTC
    QList<NodeSnapshot> nodes;
    QList<FleetModel> models;
};

/// Generation speed of the last second, as the gateway counted it passing through.
struct ThroughputSample {
    struct Entry {
        QString model;
        QString node;
        double tokensPerSecond = 0;
        int inFlight = 0;
    };
    QDateTime at; ///< UTC
    double tokensPerSecond = 0;
    int inFlight = 0;
    QList<Entry> entries;
};

QString toString(ModelStatus status);
QString toString(NodeStatus status);
QString toString(DeviceKind kind);

// The wire. Readers ignore unknown fields and throw InputError naming a field that is missing or of the wrong type.
QJsonObject toJson(const Discovery& value);
QJsonObject toJson(const Health& value);
QJsonObject toJson(const NodeModel& value);
QJsonObject toJson(const NodeSnapshot& value);
QJsonObject toJson(const FleetModel& value);
QJsonObject toJson(const FleetSnapshot& value);
QJsonObject toJson(const ThroughputSample& value);
Discovery discoveryFromJson(const QJsonObject& json);
Health healthFromJson(const QJsonObject& json);
NodeModel nodeModelFromJson(const QJsonObject& json);
QList<NodeModel> nodeModelsFromJson(const QJsonArray& json);
FleetSnapshot fleetSnapshotFromJson(const QJsonObject& json);
ThroughputSample throughputSampleFromJson(const QJsonObject& json);

} // namespace cortex

Q_DECLARE_METATYPE(cortex::FleetSnapshot)
Q_DECLARE_METATYPE(cortex::ThroughputSample)
