// SPDX-License-Identifier: GPL-3.0-only
#include "daemonfixture.h"

#include <QPointer>
#include <QTest>

#include <algorithm>

using namespace cortex;
using namespace cortex::neuron;
using namespace cortex::neuron::test;

namespace {

/// A fetch that the test plays.
class FakeFetch : public ModelFetch {
public:
    bool obeys = true;
    bool isCancelled = false;
    void cancel() override
    {
        isCancelled = true;
        if (!obeys)
            return;
        QMetaObject::invokeMethod(
            this, [this] { Q_EMIT failed(QStringLiteral("cancelled"), QStringLiteral("stopped")); },
            Qt::QueuedConnection);
    }
};

class FakeFetcher : public ModelFetcher {
public:
    ModelFetch* fetch(const QString& modelId, const QString& quant) override
    {
        asked.append(modelId + QLatin1Char('|') + quant);
        last = new FakeFetch;
        return last;
    }
    QStringList asked;
    QPointer<FakeFetch> last;
};

} // namespace

/// Lifecycle, discovery, health and events over real HTTP.
class LifecycleTest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void discoveryTellsTheMachine();
    void healthHasReadingsAndActivity();
    void loadServesAndUnloadFrees();
    void loadIsSingleFlight();
    void refusals_data();
    void refusals();
    void refusedLoadChangesNothing();
    void failureWhileLoadingShows();
    void unloadForgetsAFailure();
    void contextOfALoadEndsWithIt();
    void unloadStopsALoad();
    void drainLetsAnswersEnd();
    void drainEndsAtItsLimit();
    void planGivesTheAccount();
    void eventsTellEveryChange();
    void filesComeAndGo();
    void fetchThenLoad();
    void fetchFails();
    void unloadCancelsAFetch();
    void cancelledLoadIsNotJoined();
    void fetchedAndTooLargeMayBeTriedAgain();
    void inspectionLeavesAFailure();
    void defaultModelsLoadAtStart();
    void endpointAndVersion();
    void metricsAreText();
    void portInUse();
    void stopDrains();
};

void LifecycleTest::discoveryTellsTheMachine()
{
    DaemonFixture fixture({});
    const HttpAnswer answer = fixture.get(QStringLiteral("/discovery"));
    QCOMPARE(answer.status, 200);
    const Discovery discovery = discoveryFromJson(answer.json());
    QCOMPARE(discovery.harnesses, QStringList{QStringLiteral("native")});
    QCOMPARE(discovery.devices.size(), 1);
    QVERIFY(discovery.devices.first().kind == DeviceKind::Cpu);
    QVERIFY(discovery.devices.first().vramTotalMb > 0);
    QVERIFY(!discovery.hostname.isEmpty());
    QVERIFY(discovery.cudaUnavailableReason
            && discovery.cudaUnavailableReason->contains(QLatin1String("libnvidia-ml")));
}

void LifecycleTest::healthHasReadingsAndActivity()
{
    DaemonFixture fixture({QStringLiteral("good.gguf")});
    Health health = healthFromJson(fixture.get(QStringLiteral("/health")).json());
    QCOMPARE(health.activation, QStringLiteral("idle"));
    QCOMPARE(health.devices.size(), 1);
    QVERIFY(health.devices.first().vramFreeMb > 0);
    QVERIFY(health.models.isEmpty());
    QVERIFY(fixture.load(QStringLiteral("good")));
    health = healthFromJson(fixture.get(QStringLiteral("/health")).json());
    QCOMPARE(health.activation, QStringLiteral("serving"));
    QCOMPARE(health.models.size(), 1);
    QCOMPARE(health.models.first().id, QStringLiteral("good"));
    QCOMPARE(health.models.first().kvBudgetMb, 10);
    QCOMPARE(health.models.first().maxInFlight, 16);
}

void LifecycleTest::loadServesAndUnloadFrees()
{
    DaemonFixture fixture({QStringLiteral("good.gguf")});
    QCOMPARE(fixture.status(QStringLiteral("good")), QStringLiteral("unloaded"));
    const HttpAnswer load =
        fixture.post(QStringLiteral("/models/load"), R"({"model_id": "good", "harness": "candle"})");
    QCOMPARE(load.status, 202);
    QCOMPARE(load.json().value(QLatin1String("status")).toString(), QStringLiteral("loading"));
    QTRY_COMPARE(fixture.status(QStringLiteral("good")), QStringLiteral("loaded"));
    const NodeModel model = nodeModelFromJson(fixture.model(QStringLiteral("good")));
    QCOMPARE(model.vramUsedMb, 100);
    QCOMPARE(model.limit.context, 1000);
    QCOMPARE(model.devices, QList<int>{0});
    QVERIFY(model.capabilities.contains(QStringLiteral("chat")));
    QCOMPARE(fixture.post(QStringLiteral("/models/load"), R"({"model_id": "good"})").status, 200);
    QCOMPARE(fixture.engines.live(), 1);

    const HttpAnswer unload = fixture.post(QStringLiteral("/models/unload"), R"({"model_id": "good"})");
    QCOMPARE(unload.status, 200);
    QCOMPARE(unload.json().value(QLatin1String("status")).toString(), QStringLiteral("unloaded"));
    QCOMPARE(fixture.engines.live(), 0);
    QCOMPARE(fixture.status(QStringLiteral("good")), QStringLiteral("unloaded"));
    QCOMPARE(fixture.model(QStringLiteral("good")).value(QLatin1String("vram_used_mb")).toInt(), 0);
    QVERIFY(fixture.load(QStringLiteral("good"))); // and again
}

void LifecycleTest::loadIsSingleFlight()
{
    DaemonFixture fixture({QStringLiteral("slow.gguf")});
    for (int i = 0; i < 3; ++i)
        QCOMPARE(fixture.post(QStringLiteral("/models/load"), R"({"model_id": "slow"})").status, 202);
    QTRY_COMPARE(fixture.model(QStringLiteral("slow"))
                     .value(QLatin1String("progress"))
                     .toObject()
                     .value(QLatin1String("phase"))
                     .toString(),
                 QStringLiteral("packing"));
    const HttpAnswer chat = fixture.post(QStringLiteral("/v1/chat/completions"),
                                         R"({"model": "slow", "messages": [{"role": "user", "content": "hi"}]})");
    QCOMPARE(chat.status, 503);
    QVERIFY(chat.headers.contains("Retry-After"));
    fixture.engines.openLoads();
    QTRY_COMPARE(fixture.status(QStringLiteral("slow")), QStringLiteral("loaded"));
    QCOMPARE(fixture.engines.live(), 1);
}

void LifecycleTest::refusals_data()
{
    QTest::addColumn<QString>("route");
    QTest::addColumn<QByteArray>("body");
    QTest::addColumn<int>("status");
    QTest::addColumn<QString>("kind");
    QTest::addColumn<QString>("says");
    const QString load = QStringLiteral("/models/load");
    const QString unload = QStringLiteral("/models/unload");
    const QString bad = QStringLiteral("bad_request");
    const QString unsupported = QStringLiteral("unsupported");
    QTest::newRow("no JSON") << load << QByteArray("{") << 400 << bad << QStringLiteral("not valid JSON");
    QTest::newRow("no object") << load << QByteArray("[]") << 400 << bad << QStringLiteral("JSON object");
    QTest::newRow("no id") << load << QByteArray("{}") << 400 << bad << QStringLiteral("model_id");
    QTest::newRow("id of wrong type") << load << QByteArray(R"({"model_id": 7})") << 400 << bad
                                      << QStringLiteral("model_id");
    QTest::newRow("context") << load << QByteArray(R"({"model_id": "good", "context": -1})") << 400 << bad
                             << QStringLiteral("context");
    QTest::newRow("context 1.5") << load << QByteArray(R"({"model_id": "good", "context": 1.5})") << 400 << bad
                                 << QStringLiteral("context");
    QTest::newRow("devices") << load << QByteArray(R"({"model_id": "good", "devices": ["x"]})") << 400 << bad
                             << QStringLiteral("devices");
    QTest::newRow("drain") << unload << QByteArray(R"({"model_id": "good", "drain_seconds": -1})") << 400 << bad
                           << QStringLiteral("drain_seconds");
    QTest::newRow("unknown") << load << QByteArray(R"({"model_id": "nowhere"})") << 404 << QStringLiteral("not_found")
                             << QStringLiteral("nowhere");
    QTest::newRow("unload unknown") << unload << QByteArray(R"({"model_id": "nowhere"})") << 404
                                    << QStringLiteral("not_found") << QStringLiteral("nowhere");
    QTest::newRow("plan unknown") << QStringLiteral("/models/plan") << QByteArray(R"({"model_id": "nowhere"})") << 404
                                  << QStringLiteral("not_found") << QStringLiteral("nowhere");
    QTest::newRow("harness") << load << QByteArray(R"({"model_id": "good", "harness": "vllm"})") << 422 << unsupported
                             << QStringLiteral("vllm");
    QTest::newRow("two devices") << load << QByteArray(R"({"model_id": "good", "tensor_parallel": 2})") << 422
                                 << unsupported << QStringLiteral("tensor_parallel");
    QTest::newRow("no such device") << load << QByteArray(R"({"model_id": "good", "devices": [3]})") << 422
                                    << unsupported << QStringLiteral("device 0");
    QTest::newRow("broken") << load << QByteArray(R"({"model_id": "broken"})") << 422 << QStringLiteral("bad_file")
                            << QStringLiteral("not a GGUF file");
    QTest::newRow("huge") << load << QByteArray(R"({"model_id": "huge"})") << 422
                          << QStringLiteral("insufficient_memory") << QStringLiteral("100000 MB");
}

void LifecycleTest::refusals()
{
    QFETCH(QString, route);
    QFETCH(QByteArray, body);
    DaemonFixture fixture({QStringLiteral("good.gguf"), QStringLiteral("broken.gguf"), QStringLiteral("huge.gguf")});
    const HttpAnswer answer = fixture.post(route, body);
    QTEST(answer.status, "status");
    QTEST(answer.error().value(QLatin1String("kind")).toString(), "kind");
    QFETCH(QString, says);
    QVERIFY2(answer.error().value(QLatin1String("message")).toString().contains(says), answer.body.constData());
    if (says == QLatin1String("100000 MB")) {
        QCOMPARE(answer.error().value(QLatin1String("needed_mb")).toInt(), 100'000);
        QCOMPARE(answer.error().value(QLatin1String("free_mb")).toInt(), 2000);
        QVERIFY(!answer.error().value(QLatin1String("suggestion")).toString().isEmpty());
        QCOMPARE(fixture.status(QStringLiteral("huge")), QStringLiteral("unloaded"));
    }
    QVERIFY(fixture.load(QStringLiteral("good"))); // nothing is lost
}

namespace {

/// What GET /models says of a model's being servable, once its file has been looked at.
Servable servableOf(DaemonFixture& fixture, const QString& id)
{
    std::optional<Servable> servable;
    if (!QTest::qWaitFor([&] { return (servable = nodeModelFromJson(fixture.model(id)).servable).has_value(); }))
        qFatal("nothing is known of %s", qPrintable(id));
    return *servable;
}

} // namespace

void LifecycleTest::refusedLoadChangesNothing()
{
    DaemonFixture fixture({QStringLiteral("good.gguf"), QStringLiteral("huge.gguf"), QStringLiteral("broken.gguf")});
    const auto load = [&](const QByteArray& body) { return fixture.post(QStringLiteral("/models/load"), body).status; };
    for (const char* id : {"good", "huge"}) {
        QVERIFY(servableOf(fixture, QLatin1String(id)).ok);
        // What is wrong is the request, or the moment: the model stays what it was.
        const QByteArray body = R"({"context": 9000, "model_id": ")" + QByteArray(id) + "\"}";
        QCOMPARE(load(body), 422);
        QCOMPARE(fixture.status(QLatin1String(id)), QStringLiteral("unloaded"));
        QVERIFY(servableOf(fixture, QLatin1String(id)).ok);
    }
    QCOMPARE(load(R"({"model_id": "huge"})"), 422); // memory
    QCOMPARE(fixture.status(QStringLiteral("huge")), QStringLiteral("unloaded"));
    QVERIFY(servableOf(fixture, QStringLiteral("huge")).ok);
    QCOMPARE(load(R"({"model_id": "broken"})"), 422); // the file
    QCOMPARE(fixture.status(QStringLiteral("broken")), QStringLiteral("failed"));
    QCOMPARE(servableOf(fixture, QStringLiteral("broken")).reason, QStringLiteral("bad_file"));
}

void LifecycleTest::unloadForgetsAFailure()
{
    DaemonFixture fixture({QStringLiteral("flaky.gguf"), QStringLiteral("broken.gguf")});
    for (const char* id : {"flaky", "broken"}) {
        const QByteArray body = R"({"model_id": ")" + QByteArray(id) + "\"}";
        fixture.post(QStringLiteral("/models/load"), body);
        QTRY_COMPARE(fixture.status(QLatin1String(id)), QStringLiteral("failed"));
        QCOMPARE(fixture.post(QStringLiteral("/models/unload"), body).status, 200);
        QCOMPARE(fixture.status(QLatin1String(id)), QStringLiteral("unloaded"));
    }
    QVERIFY(servableOf(fixture, QStringLiteral("flaky")).ok);
    QVERIFY(!servableOf(fixture, QStringLiteral("broken")).ok); // that is true of its file
}

void LifecycleTest::contextOfALoadEndsWithIt()
{
    DaemonFixture fixture({QStringLiteral("good.gguf")});
    const auto context = [&] { return nodeModelFromJson(fixture.model(QStringLiteral("good"))).limit.context; };
    QTRY_COMPARE(context(), 4096); // the model's own
    QVERIFY(fixture.load(QStringLiteral("good")));
    QCOMPARE(context(), 1000);
    fixture.post(QStringLiteral("/models/unload"), R"({"model_id": "good"})");
    QCOMPARE(context(), 4096);
}

void LifecycleTest::failureWhileLoadingShows()
{
    DaemonFixture fixture({QStringLiteral("flaky.gguf")});
    QCOMPARE(fixture.post(QStringLiteral("/models/load"), R"({"model_id": "flaky"})").status, 202);
    QTRY_COMPARE(fixture.status(QStringLiteral("flaky")), QStringLiteral("failed"));
    const NodeModel model = nodeModelFromJson(fixture.model(QStringLiteral("flaky")));
    QVERIFY(model.servable && !model.servable->ok);
    QCOMPARE(model.servable->reason, QStringLiteral("load_failed"));
    QVERIFY(model.servable->detail.contains(QStringLiteral("device fault")));
    QCOMPARE(fixture.post(QStringLiteral("/models/load"), R"({"model_id": "flaky"})").status,
             202); // may be tried again
}

void LifecycleTest::unloadStopsALoad()
{
    DaemonFixture fixture({QStringLiteral("slow.gguf")});
    QCOMPARE(fixture.post(QStringLiteral("/models/load"), R"({"model_id": "slow"})").status, 202);
    QCOMPARE(fixture.post(QStringLiteral("/models/unload"), R"({"model_id": "slow"})").status, 200);
    QCOMPARE(fixture.status(QStringLiteral("slow")), QStringLiteral("unloaded"));
    QCOMPARE(fixture.engines.live(), 0);
}

void LifecycleTest::drainLetsAnswersEnd()
{
    DaemonFixture fixture({QStringLiteral("good.gguf")});
    QVERIFY(fixture.load(QStringLiteral("good")));
    fixture.engines.holdTokens();
    const QByteArray body = R"({"model": "good", "prompt": "x"})";
    const auto running = fixture.begin("POST", QStringLiteral("/v1/completions"), body);
    QTRY_COMPARE(fixture.engines.requests().size(), 1u);
    const auto unload =
        fixture.begin("POST", QStringLiteral("/models/unload"), R"({"model_id": "good", "drain_seconds": 60})");
    QTRY_COMPARE(fixture.status(QStringLiteral("good")), QStringLiteral("unloading"));

    const HttpAnswer late = fixture.post(QStringLiteral("/v1/completions"), body);
    QCOMPARE(late.status, 503);
    QVERIFY(late.headers.value("Retry-After").toInt() > 0);
    QCOMPARE(fixture.post(QStringLiteral("/models/load"), R"({"model_id": "good"})").status, 503);
    QVERIFY(!unload->isFinished());
    QCOMPARE(fixture.engines.live(), 1);

    fixture.engines.releaseTokens();
    QTRY_VERIFY(running->isFinished() && unload->isFinished());
    QCOMPARE(running->status(), 200);
    QCOMPARE(unload->status(), 200);
    QCOMPARE(fixture.engines.live(), 0);
    QCOMPARE(fixture.engines.cancelled(), 0);
}

void LifecycleTest::drainEndsAtItsLimit()
{
    DaemonFixture fixture({QStringLiteral("good.gguf")});
    QVERIFY(fixture.load(QStringLiteral("good")));
    fixture.engines.holdTokens();
    const auto whole = fixture.begin("POST", QStringLiteral("/v1/completions"), R"({"model": "good", "prompt": "x"})");
    const auto stream = fixture.stream("POST", QStringLiteral("/v1/completions"),
                                       R"({"model": "good", "prompt": "x", "stream": true})");
    QTRY_COMPARE(fixture.engines.requests().size(), 2u);
    const HttpAnswer unload =
        fixture.post(QStringLiteral("/models/unload"), R"({"model_id": "good", "drain_seconds": 0})");
    QCOMPARE(unload.status, 200);
    QTRY_VERIFY(whole->isFinished() && stream->isFinished());
    QCOMPARE(whole->status(), 503);
    // A cut stream ends in an error, and never looks whole.
    QVERIFY(stream->json().last().contains(QLatin1String("error")));
    QCOMPARE(fixture.engines.cancelled(), 2);
    QCOMPARE(fixture.engines.live(), 0);
}

void LifecycleTest::planGivesTheAccount()
{
    DaemonFixture fixture({QStringLiteral("good.gguf"), QStringLiteral("huge.gguf")});
    const HttpAnswer plan = fixture.post(QStringLiteral("/models/plan"), R"({"model_id": "good", "context": 500})");
    QCOMPARE(plan.status, 200);
    QCOMPARE(plan.json().value(QLatin1String("fits")).toBool(), true);
    QCOMPARE(plan.json().value(QLatin1String("context")).toInt(), 500);
    QCOMPARE(plan.json().value(QLatin1String("weight_bytes")).toInteger(), qint64(90) << 20);
    QCOMPARE(plan.json().value(QLatin1String("kv_bytes_per_token")).toInt(), 1000);
    const HttpAnswer huge = fixture.post(QStringLiteral("/models/plan"), R"({"model_id": "huge"})");
    QCOMPARE(huge.json().value(QLatin1String("fits")).toBool(true), false);
    QCOMPARE(fixture.status(QStringLiteral("huge")), QStringLiteral("unloaded")); // planning changes nothing
}

void LifecycleTest::eventsTellEveryChange()
{
    DaemonFixture fixture({QStringLiteral("slow.gguf")});
    const auto events = fixture.stream("GET", QStringLiteral("/events"));
    QTRY_VERIFY(events->events().size() >= 3);
    QCOMPARE(events->events()[0].event, QByteArray("discovery"));
    QCOMPARE(events->events()[1].event, QByteArray("models"));
    QCOMPARE(events->events()[2].event, QByteArray("health"));
    discoveryFromJson(events->json()[0]);
    QCOMPARE(nodeModelsFromJson(QJsonDocument::fromJson(events->events()[1].data).array()).size(), 1);
    healthFromJson(events->json()[2]);

    fixture.post(QStringLiteral("/models/load"), R"({"model_id": "slow"})");
    fixture.engines.openLoads();
    QTRY_COMPARE(fixture.status(QStringLiteral("slow")), QStringLiteral("loaded"));
    fixture.post(QStringLiteral("/models/unload"), R"({"model_id": "slow"})");
    const auto statuses = [&events] {
        QStringList list;
        for (const SseEvent& event : events->events()) {
            if (event.event != "model")
                continue;
            const QString status = toString(nodeModelFromJson(QJsonDocument::fromJson(event.data).object()).status);
            if (list.isEmpty() || list.last() != status) // progress repeats a status
                list.append(status);
        }
        return list.join(QLatin1Char(' '));
    };
    QTRY_COMPARE(statuses().section(QStringLiteral("loading"), 1), QStringLiteral(" loaded unloading unloaded"));
    const qsizetype before = events->events().size();
    QTRY_VERIFY(events->events().size() > before && events->events().last().event == "health"); // once a second
}

void LifecycleTest::filesComeAndGo()
{
    DaemonFixture fixture({QStringLiteral("good.gguf"), QStringLiteral("other.gguf")}, nullptr, {},
                          std::chrono::milliseconds(20));
    const auto events = fixture.stream("GET", QStringLiteral("/events"));
    QTRY_VERIFY(events->events().size() >= 3);
    fixture.addFile(QStringLiteral("fresh.gguf"));
    QTRY_COMPARE(fixture.status(QStringLiteral("fresh")), QStringLiteral("unloaded"));
    QVERIFY(fixture.load(QStringLiteral("good")));
    fixture.removeFile(QStringLiteral("good.gguf"));
    fixture.removeFile(QStringLiteral("other.gguf"));
    const auto isGone = [&events](const char* id) {
        return std::any_of(events->events().begin(), events->events().end(), [id](const SseEvent& event) {
            return event.event == "gone" && event.data == QByteArray(R"({"id":")") + id + "\"}";
        });
    };
    QTRY_VERIFY(isGone("other"));
    QVERIFY(!isGone("good")); // in use
    fixture.post(QStringLiteral("/models/unload"), R"({"model_id": "good"})");
    QTRY_VERIFY(isGone("good"));
}

void LifecycleTest::fetchThenLoad()
{
    FakeFetcher fetcher;
    DaemonFixture fixture({}, &fetcher);
    const HttpAnswer load =
        fixture.post(QStringLiteral("/models/load"), R"({"model_id": "org/name", "quant": "Q4_K_M"})");
    QCOMPARE(load.status, 202);
    QCOMPARE(fetcher.asked, QStringList{QStringLiteral("org/name|Q4_K_M")});
    const QString id = QStringLiteral("org/name:Q4_K_M");
    QCOMPARE(fixture.status(id), QStringLiteral("downloading"));
    QCOMPARE(fixture.post(QStringLiteral("/models/load"), R"({"model_id": "org/name:Q4_K_M"})").status, 202);
    QCOMPARE(fetcher.asked.size(), 1); // joined

    Q_EMIT fetcher.last->progress({QStringLiteral("downloading"), 0.25, 25, 100, 5});
    const NodeModel model = nodeModelFromJson(fixture.model(id));
    QVERIFY(model.progress);
    QCOMPARE(model.progress->doneBytes, 25);
    fixture.addFile(QStringLiteral("org/name/name-Q4_K_M.gguf"));
    Q_EMIT fetcher.last->finished(fixture.path(QStringLiteral("org/name/name-Q4_K_M.gguf")));
    QTRY_COMPARE(fixture.status(id), QStringLiteral("loaded"));
    QVERIFY(!fetcher.last); // it was let go
}

void LifecycleTest::fetchFails()
{
    FakeFetcher fetcher;
    DaemonFixture fixture({}, &fetcher);
    QCOMPARE(fixture.post(QStringLiteral("/models/load"), R"({"model_id": "../etc/passwd"})").status, 404);
    QVERIFY(fetcher.asked.isEmpty());
    fixture.post(QStringLiteral("/models/load"), R"({"model_id": "org/name"})");
    Q_EMIT fetcher.last->failed(QStringLiteral("gated"), QStringLiteral("accept the terms"));
    const QString id = QStringLiteral("org/name");
    QCOMPARE(fixture.status(id), QStringLiteral("failed"));
    const NodeModel model = nodeModelFromJson(fixture.model(id));
    QCOMPARE(model.servable->reason, QStringLiteral("gated"));
    QCOMPARE(model.servable->detail, QStringLiteral("accept the terms"));
    QCOMPARE(fixture.post(QStringLiteral("/models/load"), R"({"model_id": "org/name"})").status, 202);
    QCOMPARE(fetcher.asked.size(), 2); // tried again
}

void LifecycleTest::unloadCancelsAFetch()
{
    FakeFetcher fetcher;
    DaemonFixture fixture({}, &fetcher);
    fixture.post(QStringLiteral("/models/load"), R"({"model_id": "org/name"})");
    QCOMPARE(fixture.post(QStringLiteral("/models/unload"), R"({"model_id": "org/name"})").status, 200);
    QVERIFY(fixture.model(QStringLiteral("org/name")).isEmpty()); // nothing of it is here
}

void LifecycleTest::cancelledLoadIsNotJoined()
{
    FakeFetcher fetcher;
    DaemonFixture fixture({}, &fetcher);
    const QByteArray body = R"({"model_id": "org/name"})";
    QCOMPARE(fixture.post(QStringLiteral("/models/load"), body).status, 202);
    fetcher.last->obeys = false; // it takes its time
    const auto unload = fixture.begin("POST", QStringLiteral("/models/unload"), body);
    QTRY_VERIFY(fetcher.last->isCancelled);
    const HttpAnswer load = fixture.post(QStringLiteral("/models/load"), body);
    QCOMPARE(load.status, 503);
    QCOMPARE(load.error().value(QLatin1String("kind")).toString(), QStringLiteral("busy"));
    Q_EMIT fetcher.last->failed(QStringLiteral("cancelled"), QStringLiteral("stopped"));
    QTRY_VERIFY(unload->isFinished());
    QCOMPARE(unload->status(), 200);
}

void LifecycleTest::fetchedAndTooLargeMayBeTriedAgain()
{
    FakeFetcher fetcher;
    DaemonFixture fixture({}, &fetcher);
    fixture.post(QStringLiteral("/models/load"), R"({"model_id": "org/huge"})");
    fixture.addFile(QStringLiteral("org/huge/huge-Q8_0.gguf"));
    Q_EMIT fetcher.last->finished(fixture.path(QStringLiteral("org/huge/huge-Q8_0.gguf")));
    // Nobody waits for the answer, so that the state has to tell; memory may be free by the next time.
    QTRY_COMPARE(fixture.status(QStringLiteral("org/huge")), QStringLiteral("failed"));
    const Servable servable = servableOf(fixture, QStringLiteral("org/huge"));
    QCOMPARE(servable.reason, QStringLiteral("load_failed"));
    QVERIFY(servable.detail.contains(QLatin1String("100000 MB")));
}

void LifecycleTest::inspectionLeavesAFailure()
{
    FakeFetcher fetcher;
    DaemonFixture fixture({}, &fetcher);
    fixture.engines.holdInspections();
    const QString id = QStringLiteral("org/huge");
    fixture.post(QStringLiteral("/models/load"), R"({"model_id": "org/huge"})");
    fixture.addFile(QStringLiteral("org/huge/huge-Q8_0.gguf"));
    Q_EMIT fetcher.last->finished(fixture.path(QStringLiteral("org/huge/huge-Q8_0.gguf")));
    QTRY_COMPARE(fixture.status(id), QStringLiteral("failed"));
    fixture.engines.releaseInspections();
    QTRY_VERIFY(!nodeModelFromJson(fixture.model(id)).capabilities.isEmpty()); // inspected
    QCOMPARE(fixture.status(id), QStringLiteral("failed"));
    QVERIFY(!servableOf(fixture, id).ok);
}

void LifecycleTest::defaultModelsLoadAtStart()
{
    DaemonFixture fixture({QStringLiteral("good.gguf")}, nullptr, {QStringLiteral("good"), QStringLiteral("absent")});
    QTRY_COMPARE(fixture.status(QStringLiteral("good")), QStringLiteral("loaded"));
}

void LifecycleTest::endpointAndVersion()
{
    DaemonFixture fixture({QStringLiteral("org/name/name-Q8_0.gguf"), QStringLiteral("good.gguf")});
    QCOMPARE(fixture.get(QStringLiteral("/models/org/name/endpoint")).status, 409);
    QVERIFY(fixture.load(QStringLiteral("org/name")));
    const HttpAnswer endpoint = fixture.get(QStringLiteral("/models/org/name/endpoint"));
    QCOMPARE(endpoint.status, 200);
    QCOMPARE(endpoint.json().value(QLatin1String("url")).toString(),
             QStringLiteral("http://127.0.0.1:%1/v1").arg(fixture.daemon->port()));
    QCOMPARE(fixture.get(QStringLiteral("/models/nowhere/endpoint")).status, 404);
    QCOMPARE(fixture.get(QStringLiteral("/version")).json().value(QLatin1String("name")).toString(),
             QStringLiteral("neuron"));
}

void LifecycleTest::metricsAreText()
{
    DaemonFixture fixture({QStringLiteral("good.gguf")});
    QVERIFY(fixture.load(QStringLiteral("good")));
    QCOMPARE(fixture.post(QStringLiteral("/v1/completions"), R"({"model": "good", "prompt": "x"})").status, 200);
    fixture.post(QStringLiteral("/v1/completions"), "{");
    const HttpAnswer metrics = fixture.get(QStringLiteral("/metrics"));
    QCOMPARE(metrics.status, 200);
    QVERIFY(metrics.headers.value("Content-Type").startsWith("text/plain"));
    for (const char* line :
         {"neuron_requests_total{finish=\"stop\",model=\"good\"} 1", "neuron_completion_tokens_total{model=\"good\"} 3",
          "neuron_request_errors_total{code=\"400\"} 1", "neuron_model_in_flight{model=\"good\"} 0",
          "neuron_time_to_first_token_seconds_count{model=\"good\"} 1", "neuron_device_vram_used_bytes{device=\"0\"}"})
        QVERIFY2(metrics.body.contains(line), line);
}

void LifecycleTest::portInUse()
{
    DaemonFixture fixture({});
    Daemon::Options options;
    options.config.port = fixture.daemon->port();
    Daemon second(options, fixture.engines, nullptr);
    const auto failure = second.start();
    QVERIFY(failure);
    QVERIFY(failure->contains(QString::number(fixture.daemon->port())));
    options.config.listen = QStringLiteral("nonsense");
    Daemon third(options, fixture.engines, nullptr);
    QVERIFY(third.start()->contains(QStringLiteral("nonsense")));
}

void LifecycleTest::stopDrains()
{
    DaemonFixture fixture({QStringLiteral("good.gguf")});
    QVERIFY(fixture.load(QStringLiteral("good")));
    fixture.engines.holdTokens();
    const auto running =
        fixture.begin("POST", QStringLiteral("/v1/completions"), R"({"model": "good", "prompt": "x"})");
    const auto events = fixture.stream("GET", QStringLiteral("/events"));
    QTRY_COMPARE(fixture.engines.requests().size(), 1u);
    bool stopped = false;
    QObject::connect(fixture.daemon.get(), &Daemon::stopped, [&stopped] { stopped = true; });
    fixture.daemon->stop(std::chrono::seconds(60));
    QTRY_VERIFY(events->isFinished());
    QVERIFY(!stopped);
    fixture.engines.releaseTokens();
    QTRY_VERIFY(running->isFinished());
    QCOMPARE(running->status(), 200);
    QTRY_VERIFY(stopped);
    QCOMPARE(fixture.engines.live(), 0);
}

QTEST_GUILESS_MAIN(LifecycleTest)
#include "tst_lifecycle.moc"
