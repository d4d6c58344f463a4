// SPDX-License-Identifier: GPL-3.0-only
#include "core/error.h"
#include "core/fleet/types.h"

#include <QJsonDocument>
#include <QTest>
#include <QTimeZone>

using namespace cortex;

namespace {

QJsonObject object(const char* text)
{
    QJsonParseError error;
    const QJsonDocument document = QJsonDocument::fromJson(text, &error);
    if (error.error != QJsonParseError::NoError)
        qFatal("%s in %s", qPrintable(error.errorString()), text);
    return document.object();
}

Discovery sampleDiscovery()
{
    Discovery value;
    value.hostname = QStringLiteral("rack-1");
    value.os = QStringLiteral("Debian 12");
    value.kernel = QStringLiteral("6.1");
    value.cudaVersion = QStringLiteral("12.4");
    value.harnesses = {QStringLiteral("native")};
    value.devices = {{0, QStringLiteral("H100"), DeviceKind::Cuda, 81559, QStringLiteral("9.0")},
                     {1, QStringLiteral("CPU"), DeviceKind::Cpu, 128000, QString()}};
    return value;
}

Health sampleHealth()
{
    Health value;
    value.uptimeSeconds = 3'000'000'000;
    value.activation = QStringLiteral("serving");
    value.devices = {{0, 100, 81459, 12.5, std::nullopt, 300.25}};
    ModelActivity model;
    model.id = QStringLiteral("a/b:Q4");
    model.inFlight = 3;
    model.maxInFlight = 16;
    model.queueDepth = 1;
    model.maxQueueDepth = 256;
    model.kvBudgetMb = 1024;
    model.kvAvailableMb = 512;
    model.tokensPerSecondPrefill = 1000.5;
    model.tokensPerSecondDecode = 55.25;
    model.prefixHitTokens = 12;
    model.rejectedQueueFull = 2;
    value.models = {model};
    return value;
}

NodeModel sampleModel()
{
    NodeModel model;
    model.id = QStringLiteral("org/name");
    model.harness = QStringLiteral("native");
    model.status = ModelStatus::Loading;
    model.progress = ModelProgress{QStringLiteral("reading"), 0.5, 10, 20, 5};
    model.devices = {0, 1};
    model.vramUsedMb = 90;
    model.capabilities = {QStringLiteral("chat")};
    model.limit = {8192, 8000, 192};
    model.toolCall = true;
    model.servable = Servable{false, QStringLiteral("does_not_fit"), QStringLiteral("needs 12 GB more")};
    return model;
}

} // namespace

class TestFleetTypes : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void discoveryHasTheShapeOfTheDesign()
    {
        const QJsonObject expected = object(R"({"hostname": "rack-1", "os": "Debian 12", "kernel": "6.1",
            "cuda_version": "12.4", "driver_version": null, "harnesses": ["native"], "devices": [
            {"index": 0, "name": "H100", "kind": "cuda", "vram_total_mb": 81559, "compute_capability": "9.0"},
            {"index": 1, "name": "CPU", "kind": "cpu", "vram_total_mb": 128000, "compute_capability": null}]})");
        QCOMPARE(toJson(sampleDiscovery()), expected);
        QCOMPARE(discoveryFromJson(expected), sampleDiscovery());
        Discovery without = sampleDiscovery();
        without.cudaUnavailableReason = QStringLiteral("no driver");
        QCOMPARE(toJson(without).value(QLatin1String("cuda_unavailable_reason")).toString(),
                 QStringLiteral("no driver"));
        QCOMPARE(discoveryFromJson(toJson(without)), without);
    }

    void healthHasTheShapeOfTheDesign()
    {
        const QJsonObject expected = object(R"({"uptime_secs": 3000000000, "activation": "serving", "devices": [
            {"index": 0, "vram_used_mb": 100, "vram_free_mb": 81459, "utilization_pct": 12.5, "temp_c": null, "power_w": 300.25}],
            "models": [{"id": "a/b:Q4", "in_flight": 3, "max_in_flight": 16, "queue_depth": 1, "max_queue_depth": 256,
            "kv_budget_mb": 1024, "kv_available_mb": 512, "tok_s_prefill": 1000.5, "tok_s_decode": 55.25,
            "prefix_hit_tokens": 12, "rejected_queue_full": 2}]})");
        QCOMPARE(toJson(sampleHealth()), expected);
        QCOMPARE(healthFromJson(expected), sampleHealth());
    }

    void modelHasTheShapeOfTheDesign()
    {
        const QJsonObject expected = object(R"({"id": "org/name", "harness": "native", "status": "loading",
            "progress": {"phase": "reading", "fraction": 0.5, "done_bytes": 10, "total_bytes": 20, "bytes_per_second": 5},
            "devices": [0, 1], "vram_used_mb": 90, "capabilities": ["chat"],
            "limit": {"context": 8192, "input": 8000, "output": 192}, "tool_call": true, "reasoning": false,
            "servable": {"ok": false, "reason": "does_not_fit", "detail": "needs 12 GB more"}})");
        QCOMPARE(toJson(sampleModel()), expected);
        QCOMPARE(nodeModelFromJson(expected), sampleModel());

        NodeModel plain = sampleModel();
        plain.progress.reset();
        plain.servable.reset();
        QVERIFY(!toJson(plain).contains(QLatin1String("progress")));
        QVERIFY(!toJson(plain).contains(QLatin1String("servable")));
        QCOMPARE(nodeModelsFromJson({toJson(plain), toJson(sampleModel())}), (QList<NodeModel>{plain, sampleModel()}));
    }

    void everyStatusIsReadBack()
    {
        for (const auto status : {ModelStatus::Unloaded, ModelStatus::Downloading, ModelStatus::Loading,
                                  ModelStatus::Loaded, ModelStatus::Unloading, ModelStatus::Failed}) {
            NodeModel model = sampleModel();
            model.status = status;
            QVERIFY(nodeModelFromJson(toJson(model)).status == status);
        }
    }

    void fleetIsReadBack()
    {
        NodeSnapshot node;
        node.name = QStringLiteral("one");
        node.endpoint = QUrl(QStringLiteral("http://127.0.0.1:13131"));
        node.status = NodeStatus::Offline;
        node.error = QStringLiteral("refused");
        node.lastSeen = QDateTime::fromMSecsSinceEpoch(1'783'157'400'123, QTimeZone::utc());
        node.discovery = sampleDiscovery();
        node.health = sampleHealth();
        node.models = {sampleModel()};
        FleetModel model;
        model.id = QStringLiteral("org/name");
        model.inCatalogue = true;
        model.status = ModelStatus::Downloading;
        model.progress = ModelProgress{QStringLiteral("downloading"), 0.25, 1, 4, 1};
        model.nodes = {QStringLiteral("one")};
        model.availableOn = {QStringLiteral("one"), QStringLiteral("two")};
        model.aliases = {QStringLiteral("small")};
        model.limit = {1, 2, 3};
        model.capabilities = {QStringLiteral("chat"), QStringLiteral("tools")};
        model.inFlight = 4;
        model.error = QStringLiteral("e");
        const FleetSnapshot fleet{QStringLiteral("0.1.0"),
                                  QDateTime::fromMSecsSinceEpoch(1'783'157'400'000, QTimeZone::utc()),
                                  {node, NodeSnapshot()},
                                  {model, FleetModel()}};
        const FleetSnapshot back = fleetSnapshotFromJson(toJson(fleet));
        QCOMPARE(back.gatewayVersion, fleet.gatewayVersion);
        QCOMPARE(back.at, fleet.at);
        QCOMPARE(back.nodes, fleet.nodes);
        QCOMPARE(back.models, fleet.models);
        QCOMPARE(toJson(fleet).value(QLatin1String("at")).toString(), QStringLiteral("2026-07-04T09:30:00.000Z"));
        QCOMPARE(toJson(back), toJson(fleet));
    }

    void throughputIsReadBack()
    {
        const ThroughputSample sample{QDateTime::fromMSecsSinceEpoch(1000, QTimeZone::utc()),
                                      12.5,
                                      2,
                                      {{QStringLiteral("m"), QStringLiteral("n"), 12.5, 2}}};
        const ThroughputSample back = throughputSampleFromJson(toJson(sample));
        QCOMPARE(back.at, sample.at);
        QCOMPARE(back.tokensPerSecond, 12.5);
        QCOMPARE(back.entries.size(), 1);
        QCOMPARE(back.entries.front().node, QStringLiteral("n"));
        QCOMPARE(toJson(back), toJson(sample));
    }

    void unknownFieldsAreIgnored()
    {
        QJsonObject json = toJson(sampleModel());
        json.insert(QLatin1String("from_the_future"), 1);
        QCOMPARE(nodeModelFromJson(json), sampleModel());
    }

    void errorsNameTheField_data()
    {
        QTest::addColumn<QString>("json");
        QTest::addColumn<QString>("message");
        const auto row = [](const char* name, const char* from, const char* to, const char* message) {
            QString json = QString::fromUtf8(QJsonDocument(toJson(sampleHealth())).toJson(QJsonDocument::Compact));
            QVERIFY(json.contains(QLatin1String(from)));
            json.replace(QLatin1String(from), QLatin1String(to));
            QTest::newRow(name) << json << QString::fromLatin1(message);
        };
        row("missing", "\"activation\":\"serving\",", "", "activation is missing");
        row("null", "\"serving\"", "null", "activation is missing");
        row("type", "\"serving\"", "3", "activation: expected a string, found a number");
        row("nested", "\"vram_used_mb\":100", "\"vram_used_mb\":\"x\"",
            "devices[0].vram_used_mb: expected a whole number, found a string");
        row("fraction", "\"in_flight\":3", "\"in_flight\":3.5",
            "models[0].in_flight: expected a whole number, found 3.5");
        row("negative", "\"in_flight\":3", "\"in_flight\":-3",
            "models[0].in_flight: -3 is not between 0 and 2147483647");
        row("huge", "\"in_flight\":3", "\"in_flight\":1e300",
            "models[0].in_flight: 1e+300 is not between 0 and 2147483647");
        row("not an array", "\"devices\":[", "\"devices\":7,\"x\":[", "devices: expected an array, found a number");
    }

    void errorsNameTheField()
    {
        QFETCH(QString, json);
        QFETCH(QString, message);
        try {
            healthFromJson(object(json.toUtf8().constData()));
            QFAIL("accepted");
        } catch (const InputError& error) {
            QCOMPARE(error.message(), message);
        }
    }

    void unknownWordsAreNamed()
    {
        QJsonObject json = toJson(sampleModel());
        json.insert(QLatin1String("status"), QLatin1String("asleep"));
        try {
            nodeModelsFromJson({json});
            QFAIL("accepted");
        } catch (const InputError& error) {
            QCOMPARE(error.message(),
                     QStringLiteral("models[0].status: \"asleep\" is none of unloaded, downloading, loading, "
                                    "loaded, unloading, failed"));
        }
    }
};

QTEST_GUILESS_MAIN(TestFleetTypes)
#include "tst_fleettypes.moc"
