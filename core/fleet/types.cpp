// SPDX-License-Identifier: GPL-3.0-only
#include "core/fleet/types.h"

#include "core/error.h"
#include "core/jsonfields.h"

#include <array>
#include <limits>

// Every structure has its writer and its reader side by side, in the order of types.h. A field that DESIGN.md marks
// "|null" is written as null where it has no value; one that it marks "?" is left out. Readers take both for absent.
namespace cortex {

namespace {

using F = QLatin1String;

template <typename Enum>
struct Word {
    Enum value;
    const char* text;
};

constexpr std::array DeviceKindWords{Word<DeviceKind>{DeviceKind::Cpu, "cpu"},
                                     Word<DeviceKind>{DeviceKind::Cuda, "cuda"}};
constexpr std::array ModelStatusWords{
    Word<ModelStatus>{ModelStatus::Unloaded, "unloaded"},   Word<ModelStatus>{ModelStatus::Downloading, "downloading"},
    Word<ModelStatus>{ModelStatus::Loading, "loading"},     Word<ModelStatus>{ModelStatus::Loaded, "loaded"},
    Word<ModelStatus>{ModelStatus::Unloading, "unloading"}, Word<ModelStatus>{ModelStatus::Failed, "failed"}};
constexpr std::array NodeStatusWords{Word<NodeStatus>{NodeStatus::Connecting, "connecting"},
                                     Word<NodeStatus>{NodeStatus::Online, "online"},
                                     Word<NodeStatus>{NodeStatus::Offline, "offline"}};

template <typename Words, typename Enum>
QString wordOf(const Words& words, Enum value)
{
    for (const auto& word : words) {
        if (word.value == value)
            return QLatin1String(word.text);
    }
    Q_UNREACHABLE();
}

template <typename Words>
auto fromWord(const Words& words, const JsonFields& fields, QLatin1String key)
{
    const QString text = fields.string(key);
    QStringList known;
    for (const auto& word : words) {
        if (text == QLatin1String(word.text))
            return word.value;
        known.append(QLatin1String(word.text));
    }
    fields.fail(key, QStringLiteral("\"%1\" is none of %2").arg(text, known.join(QStringLiteral(", "))));
}

template <typename T>
QJsonValue orNull(const std::optional<T>& value)
{
    return value ? QJsonValue(*value) : QJsonValue();
}

QJsonValue orNull(const QString& text)
{
    return text.isEmpty() ? QJsonValue() : QJsonValue(text);
}

/// Milliseconds and the letter Z, as JavaScript writes it.
QJsonValue timeToJson(const QDateTime& time)
{
    return time.isValid() ? QJsonValue(time.toUTC().toString(Qt::ISODateWithMs)) : QJsonValue();
}

QDateTime timeFromJson(const JsonFields& fields, QLatin1String key)
{
    if (!fields.has(key))
        return {};
    const QString text = fields.string(key);
    const QDateTime time = QDateTime::fromString(text, Qt::ISODateWithMs);
    if (!time.isValid())
        fields.fail(key, QStringLiteral("\"%1\" is not a time in ISO 8601").arg(text));
    return time.toUTC();
}

QJsonArray numbers(const QList<int>& values)
{
    QJsonArray array;
    for (const int value : values)
        array.append(value);
    return array;
}

template <typename T, typename Read>
QList<T> listOf(const QList<JsonFields>& objects, Read read)
{
    QList<T> list;
    list.reserve(objects.size());
    for (const JsonFields& object : objects)
        list.append(read(object));
    return list;
}

QJsonObject toJson(const DeviceInfo& device)
{
    return {{F("index"), device.index},
            {F("name"), device.name},
            {F("kind"), toString(device.kind)},
            {F("vram_total_mb"), device.vramTotalMb},
            {F("compute_capability"), orNull(device.computeCapability)}};
}

DeviceInfo readDeviceInfo(const JsonFields& fields)
{
    DeviceInfo device;
    device.index = fields.count(F("index"));
    device.name = fields.string(F("name"));
    device.kind = fromWord(DeviceKindWords, fields, F("kind"));
    device.vramTotalMb = fields.integer(F("vram_total_mb"));
    device.computeCapability = fields.string(F("compute_capability"), QString());
    return device;
}

Discovery readDiscovery(const JsonFields& fields)
{
    Discovery value;
    value.hostname = fields.string(F("hostname"));
    value.os = fields.string(F("os"));
    value.kernel = fields.string(F("kernel"));
    value.cudaVersion = fields.optionalString(F("cuda_version"));
    value.driverVersion = fields.optionalString(F("driver_version"));
    value.cudaUnavailableReason = fields.optionalString(F("cuda_unavailable_reason"));
    value.harnesses = fields.strings(F("harnesses"));
    value.devices = listOf<DeviceInfo>(fields.objects(F("devices")), readDeviceInfo);
    return value;
}

QJsonObject toJson(const DeviceReading& reading)
{
    return {{F("index"), reading.index},
            {F("vram_used_mb"), reading.vramUsedMb},
            {F("vram_free_mb"), reading.vramFreeMb},
            {F("utilization_pct"), orNull(reading.utilizationPct)},
            {F("temp_c"), orNull(reading.temperatureC)},
            {F("power_w"), orNull(reading.powerW)}};
}

DeviceReading readDeviceReading(const JsonFields& fields)
{
    DeviceReading reading;
    reading.index = fields.count(F("index"));
    reading.vramUsedMb = fields.integer(F("vram_used_mb"));
    reading.vramFreeMb = fields.integer(F("vram_free_mb"));
    reading.utilizationPct = fields.optionalNumber(F("utilization_pct"));
    reading.temperatureC = fields.optionalNumber(F("temp_c"));
    reading.powerW = fields.optionalNumber(F("power_w"));
    return reading;
}

QJsonObject toJson(const ModelActivity& model)
{
    return {{F("id"), model.id},
            {F("in_flight"), model.inFlight},
            {F("max_in_flight"), model.maxInFlight},
            {F("queue_depth"), model.queueDepth},
            {F("max_queue_depth"), model.maxQueueDepth},
            {F("kv_budget_mb"), model.kvBudgetMb},
            {F("kv_available_mb"), model.kvAvailableMb},
            {F("tok_s_prefill"), model.tokensPerSecondPrefill},
            {F("tok_s_decode"), model.tokensPerSecondDecode},
            {F("prefix_hit_tokens"), model.prefixHitTokens},
            {F("rejected_queue_full"), model.rejectedQueueFull}};
}

ModelActivity readModelActivity(const JsonFields& fields)
{
    ModelActivity model;
    model.id = fields.string(F("id"));
    model.inFlight = fields.count(F("in_flight"));
    model.maxInFlight = fields.count(F("max_in_flight"));
    model.queueDepth = fields.count(F("queue_depth"));
    model.maxQueueDepth = fields.count(F("max_queue_depth"));
    model.kvBudgetMb = fields.integer(F("kv_budget_mb"));
    model.kvAvailableMb = fields.integer(F("kv_available_mb"));
    model.tokensPerSecondPrefill = fields.number(F("tok_s_prefill"));
    model.tokensPerSecondDecode = fields.number(F("tok_s_decode"));
    model.prefixHitTokens = fields.integer(F("prefix_hit_tokens"));
    model.rejectedQueueFull = fields.integer(F("rejected_queue_full"));
    return model;
}

Health readHealth(const JsonFields& fields)
{
    Health value;
    value.uptimeSeconds = fields.integer(F("uptime_secs"));
    value.activation = fields.string(F("activation"));
    value.devices = listOf<DeviceReading>(fields.objects(F("devices")), readDeviceReading);
    value.models = listOf<ModelActivity>(fields.objects(F("models")), readModelActivity);
    return value;
}

QJsonObject toJson(const ModelLimit& limit)
{
    return {{F("context"), limit.context}, {F("input"), limit.input}, {F("output"), limit.output}};
}

ModelLimit readModelLimit(const JsonFields& fields)
{
    ModelLimit limit;
    limit.context = fields.count(F("context"), 0);
    limit.input = fields.count(F("input"), 0);
    limit.output = fields.count(F("output"), 0);
    return limit;
}

QJsonObject toJson(const ModelProgress& progress)
{
    return {{F("phase"), progress.phase},
            {F("fraction"), progress.fraction},
            {F("done_bytes"), progress.doneBytes},
            {F("total_bytes"), progress.totalBytes},
            {F("bytes_per_second"), progress.bytesPerSecond}};
}

std::optional<ModelProgress> readProgress(const JsonFields& fields)
{
    const auto object = fields.optionalObject(F("progress"));
    if (!object)
        return {};
    ModelProgress progress;
    progress.phase = object->string(F("phase"));
    progress.fraction = object->number(F("fraction"));
    progress.doneBytes = object->integerOr(F("done_bytes"), 0);
    progress.totalBytes = object->integerOr(F("total_bytes"), 0);
    progress.bytesPerSecond = object->integerOr(F("bytes_per_second"), 0);
    return progress;
}

QJsonObject toJson(const Servable& servable)
{
    return {{F("ok"), servable.ok}, {F("reason"), servable.reason}, {F("detail"), servable.detail}};
}

std::optional<Servable> readServable(const JsonFields& fields)
{
    const auto object = fields.optionalObject(F("servable"));
    if (!object)
        return {};
    Servable servable;
    servable.ok = object->boolean(F("ok"));
    servable.reason = object->string(F("reason"), QString());
    servable.detail = object->string(F("detail"), QString());
    return servable;
}

NodeModel readNodeModel(const JsonFields& fields)
{
    NodeModel model;
    model.id = fields.string(F("id"));
    model.harness = fields.string(F("harness"));
    model.status = fromWord(ModelStatusWords, fields, F("status"));
    model.progress = readProgress(fields);
    model.devices = fields.counts(F("devices"));
    model.vramUsedMb = fields.integer(F("vram_used_mb"));
    model.capabilities = fields.strings(F("capabilities"));
    model.limit = readModelLimit(fields.object(F("limit")));
    model.toolCall = fields.boolean(F("tool_call"));
    model.reasoning = fields.boolean(F("reasoning"));
    model.servable = readServable(fields);
    return model;
}

NodeSnapshot readNodeSnapshot(const JsonFields& fields)
{
    NodeSnapshot node;
    node.name = fields.string(F("name"));
    node.endpoint = QUrl(fields.string(F("endpoint")), QUrl::StrictMode);
    node.status = fromWord(NodeStatusWords, fields, F("status"));
    node.error = fields.string(F("error"), QString());
    node.lastSeen = timeFromJson(fields, F("last_seen"));
    node.discovery = readDiscovery(fields.object(F("discovery")));
    node.health = readHealth(fields.object(F("health")));
    node.models = listOf<NodeModel>(fields.objects(F("models")), readNodeModel);
    return node;
}

FleetModel readFleetModel(const JsonFields& fields)
{
    FleetModel model;
    model.id = fields.string(F("id"));
    model.inCatalogue = fields.boolean(F("in_catalogue"));
    model.status = fromWord(ModelStatusWords, fields, F("status"));
    model.progress = readProgress(fields);
    model.nodes = fields.strings(F("nodes"));
    model.availableOn = fields.strings(F("available_on"));
    model.aliases = fields.strings(F("aliases"));
    model.limit = readModelLimit(fields.object(F("limit")));
    model.capabilities = fields.strings(F("capabilities"));
    model.inFlight = fields.count(F("in_flight"));
    model.error = fields.string(F("error"), QString());
    return model;
}

QJsonObject toJson(const ThroughputSample::Entry& entry)
{
    return {{F("model"), entry.model},
            {F("node"), entry.node},
            {F("tokens_per_second"), entry.tokensPerSecond},
            {F("in_flight"), entry.inFlight}};
}

ThroughputSample::Entry readThroughputEntry(const JsonFields& fields)
{
    ThroughputSample::Entry entry;
    entry.model = fields.string(F("model"));
    entry.node = fields.string(F("node"));
    entry.tokensPerSecond = fields.number(F("tokens_per_second"));
    entry.inFlight = fields.count(F("in_flight"));
    return entry;
}

template <typename List>
QJsonArray arrayOf(const List& values)
{
    QJsonArray array;
    for (const auto& value : values)
        array.append(toJson(value));
    return array;
}

} // namespace

QString toString(ModelStatus status)
{
    return wordOf(ModelStatusWords, status);
}

QString toString(NodeStatus status)
{
    return wordOf(NodeStatusWords, status);
}

QString toString(DeviceKind kind)
{
    return wordOf(DeviceKindWords, kind);
}

QJsonObject toJson(const Discovery& value)
{
    QJsonObject json{{F("hostname"), value.hostname},
                     {F("os"), value.os},
                     {F("kernel"), value.kernel},
                     {F("cuda_version"), orNull(value.cudaVersion)},
                     {F("driver_version"), orNull(value.driverVersion)},
                     {F("harnesses"), QJsonArray::fromStringList(value.harnesses)},
                     {F("devices"), arrayOf(value.devices)}};
    if (value.cudaUnavailableReason)
        json.insert(F("cuda_unavailable_reason"), *value.cudaUnavailableReason);
    return json;
}

QJsonObject toJson(const Health& value)
{
    return {{F("uptime_secs"), value.uptimeSeconds},
            {F("activation"), value.activation},
            {F("devices"), arrayOf(value.devices)},
            {F("models"), arrayOf(value.models)}};
}

QJsonObject toJson(const NodeModel& value)
{
    QJsonObject json{{F("id"), value.id},
                     {F("harness"), value.harness},
                     {F("status"), toString(value.status)},
                     {F("devices"), numbers(value.devices)},
                     {F("vram_used_mb"), value.vramUsedMb},
                     {F("capabilities"), QJsonArray::fromStringList(value.capabilities)},
                     {F("limit"), toJson(value.limit)},
                     {F("tool_call"), value.toolCall},
                     {F("reasoning"), value.reasoning}};
    if (value.progress)
        json.insert(F("progress"), toJson(*value.progress));
    if (value.servable)
        json.insert(F("servable"), toJson(*value.servable));
    return json;
}

QJsonObject toJson(const NodeSnapshot& value)
{
    return {{F("name"), value.name},
            {F("endpoint"), value.endpoint.toString(QUrl::FullyEncoded)},
            {F("status"), toString(value.status)},
            {F("error"), orNull(value.error)},
            {F("last_seen"), timeToJson(value.lastSeen)},
            {F("discovery"), toJson(value.discovery)},
            {F("health"), toJson(value.health)},
            {F("models"), arrayOf(value.models)}};
}

QJsonObject toJson(const FleetModel& value)
{
    QJsonObject json{{F("id"), value.id},
                     {F("in_catalogue"), value.inCatalogue},
                     {F("status"), toString(value.status)},
                     {F("nodes"), QJsonArray::fromStringList(value.nodes)},
                     {F("available_on"), QJsonArray::fromStringList(value.availableOn)},
                     {F("aliases"), QJsonArray::fromStringList(value.aliases)},
                     {F("limit"), toJson(value.limit)},
                     {F("capabilities"), QJsonArray::fromStringList(value.capabilities)},
                     {F("in_flight"), value.inFlight},
                     {F("error"), orNull(value.error)}};
    if (value.progress)
        json.insert(F("progress"), toJson(*value.progress));
    return json;
}

QJsonObject toJson(const FleetSnapshot& value)
{
    return {{F("gateway_version"), value.gatewayVersion},
            {F("at"), timeToJson(value.at)},
            {F("nodes"), arrayOf(value.nodes)},
            {F("models"), arrayOf(value.models)}};
}

QJsonObject toJson(const ThroughputSample& value)
{
    return {{F("at"), timeToJson(value.at)},
            {F("tokens_per_second"), value.tokensPerSecond},
            {F("in_flight"), value.inFlight},
            {F("entries"), arrayOf(value.entries)}};
}

Discovery discoveryFromJson(const QJsonObject& json)
{
    return readDiscovery(JsonFields(json));
}

Health healthFromJson(const QJsonObject& json)
{
    return readHealth(JsonFields(json));
}

NodeModel nodeModelFromJson(const QJsonObject& json)
{
    return readNodeModel(JsonFields(json));
}

QList<NodeModel> nodeModelsFromJson(const QJsonArray& json)
{
    return listOf<NodeModel>(jsonObjects(json, QStringLiteral("models")), readNodeModel);
}

FleetSnapshot fleetSnapshotFromJson(const QJsonObject& json)
{
    const JsonFields fields(json);
    FleetSnapshot fleet;
    fleet.gatewayVersion = fields.string(F("gateway_version"));
    fleet.at = timeFromJson(fields, F("at"));
    fleet.nodes = listOf<NodeSnapshot>(fields.objects(F("nodes")), readNodeSnapshot);
    fleet.models = listOf<FleetModel>(fields.objects(F("models")), readFleetModel);
    return fleet;
}

ThroughputSample throughputSampleFromJson(const QJsonObject& json)
{
    const JsonFields fields(json);
    ThroughputSample sample;
    sample.at = timeFromJson(fields, F("at"));
    sample.tokensPerSecond = fields.number(F("tokens_per_second"));
    sample.inFlight = fields.count(F("in_flight"));
    sample.entries = listOf<ThroughputSample::Entry>(fields.objects(F("entries")), readThroughputEntry);
    return sample;
}

} // namespace cortex
