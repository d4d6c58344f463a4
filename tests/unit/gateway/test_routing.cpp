// SPDX-License-Identifier: GPL-3.0-only
// The router's rules: single decisions as a table, and properties over long random histories of random fleets.
#include "gateway/metrics.h"
#include "gateway/modelrouter.h"

#include <QSet>
#include <QSignalSpy>
#include <QTest>

#include <random>

using namespace cortex;

namespace {

const QString m = QStringLiteral("m");

NodeModel listed(const QString& id, ModelStatus status)
{
    NodeModel model;
    model.id = id;
    model.harness = QStringLiteral("native");
    model.status = status;
    return model;
}

Health healthOf(qint64 freeMb)
{
    Health health;
    health.devices = {DeviceReading{0, 1000, freeMb, {}, {}, {}}};
    return health;
}

CatalogueModel entry(const QString& id, qint64 vramMb = 0, const QString& source = {})
{
    CatalogueModel model;
    model.id = id;
    model.vramMb = vramMb;
    model.source = source;
    return model;
}

QList<NeuronEntry> neurons(int count)
{
    QList<NeuronEntry> entries;
    for (int i = 0; i < count; ++i)
        entries.append({QStringLiteral("n%1").arg(i), QUrl(QStringLiteral("http://127.0.0.1:%1").arg(20000 + i))});
    return entries;
}

/// A state whose nodes are online with one device of 16 GB, `freeMb` free.
FleetState online(int nodes, const Catalogue& catalogue = {}, qint64 freeMb = 8000)
{
    FleetState state(neurons(nodes), catalogue);
    for (int i = 0; i < nodes; ++i) {
        const QString name = state.node(i).name;
        Discovery discovery;
        discovery.devices = {DeviceInfo{0, QStringLiteral("d"), DeviceKind::Cpu, 16000, {}}};
        state.setDiscovery(name, discovery);
        state.setHealth(name, healthOf(freeMb));
        state.setNodeStatus(name, NodeStatus::Online);
    }
    return state;
}

QString name(int node)
{
    return QStringLiteral("n%1").arg(node);
}

bool leases(const Decision& decision, int node)
{
    return decision.kind == Decision::Kind::Lease && decision.node == name(node);
}
bool loads(const Decision& decision, int node)
{
    return decision.kind == Decision::Kind::Load && decision.node == name(node);
}
bool waits(const Decision& decision)
{
    return decision.kind == Decision::Kind::Wait;
}
bool rejects(const Decision& decision, const char* code)
{
    return decision.kind == Decision::Kind::Reject && decision.error.code == QLatin1String(code);
}

/// Takes orders and keeps them until the test answers.
class HeldCommands : public NodeCommands {
public:
    struct Order {
        QString node;
        QString model;
        Done done;
    };
    void load(const QString& node, const QString& model, const QString&, Done done) override
    {
        if (onLoad)
            onLoad(node, model);
        orders.append({node, model, std::move(done)});
    }
    void unload(const QString& node, const QString& model, Done done) override
    {
        unloads.append({node, model, std::move(done)});
    }
    std::function<void(const QString& node, const QString& model)> onLoad;
    QList<Order> orders;
    QList<Order> unloads;
};

} // namespace

class TestRouting : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void unknownModel();
    void leastLoadedReplica();
    void otherPeoplesRequestsCount();
    void otherPeoplesRequestsEndWithTheirNode();
    void twoQuantizationsOfOneModel();
    void fullReplicasMakeWait();
    void replicaWithUnknownPlaces();
    void placement();
    void placementKeepsMemoryInHand();
    void placementObeysPinning();
    void failedNodeIsLeftOutForAWhile();
    void somebodyElsesLoad();
    void leavingReplica();
    void namesOfAModel();
    void whatPeopleAreShown();
    void waitersAreBounded();
    void waitEndsInTime();
    void newWaitersDoNotPutOffTheDeadline();
    void failureIsForgottenAfterItsHold();
    void silentLoadFails();
    void leaseIsReleasedOnce();
    void unloadThatTheNodeRefuses();
    void operatorsLoadOfWhatIsLoaded();
    void properties_data();
    void properties();
};

void TestRouting::unknownModel()
{
    FleetState state = online(1);
    QVERIFY(rejects(decide(state, m, 0), "model_not_found"));
    QCOMPARE(decide(state, m, 0).error.status, 404);
    FleetState none({}, {.models = {entry(m)}, .aliases = {}});
    QVERIFY(rejects(decide(none, m, 0), "no_nodes"));
    FleetState offline(neurons(2), {.models = {entry(m)}, .aliases = {}});
    offline.setNodeStatus(name(1), NodeStatus::Offline, QStringLiteral("cable"));
    const Decision decision = decide(offline, m, 0);
    QVERIFY(rejects(decision, "model_unavailable"));
    QCOMPARE(decision.error.status, 503);
    QVERIFY(decision.error.retryAfter > 0 && decision.error.retryAfter <= 60);
    QVERIFY(decision.error.message.contains(QLatin1String("n0: it has not answered yet")));
    QVERIFY(decision.error.message.contains(QLatin1String("cable")));
}

void TestRouting::leastLoadedReplica()
{
    FleetState state = online(3);
    for (int i = 0; i < 3; ++i)
        state.setModel(name(i), listed(m, ModelStatus::Loaded), 0);
    QVERIFY(leases(decide(state, m, 0), 0));
    state.addLease({name(0), m});
    QVERIFY(leases(decide(state, m, 0), 1));
    state.addLease({name(1), m});
    QVERIFY(leases(decide(state, m, 0), 2));
    state.setNodeStatus(name(2), NodeStatus::Offline);
    QVERIFY(leases(decide(state, m, 0), 0));
    state.addLease({name(0), m});
    QVERIFY(leases(decide(state, m, 0), 1));
}

void TestRouting::otherPeoplesRequestsCount()
{
    FleetState state = online(2);
    state.setModel(name(0), listed(m, ModelStatus::Loaded), 0);
    state.setModel(name(1), listed(m, ModelStatus::Loaded), 0);
    state.addLease({name(1), m});
    Health health = healthOf(8000);
    health.models = {ModelActivity{.id = m, .inFlight = 3}};
    state.setHealth(name(0), health);
    QVERIFY(leases(decide(state, m, 0), 1));
    // Of those that the node reports, ours are not counted twice.
    state.setHealth(name(0), healthOf(8000));
    state.addLease({name(0), m});
    health.models = {ModelActivity{.id = m, .inFlight = 1}};
    state.setHealth(name(0), health);
    QCOMPARE(state.loadOf({name(0), m}), 1);
}

void TestRouting::otherPeoplesRequestsEndWithTheirNode()
{
    FleetState state = online(1);
    state.setModel(name(0), listed(m, ModelStatus::Loaded), 0);
    state.addLease({name(0), m});
    Health health = healthOf(8000);
    health.models = {ModelActivity{.id = m, .inFlight = 3}};
    state.setHealth(name(0), health);
    QCOMPARE(state.snapshot().models.first().inFlight, 3);
    state.setNodeStatus(name(0), NodeStatus::Offline);
    QCOMPARE(state.snapshot().models.first().inFlight, 1); // ours may still be answered
}

void TestRouting::twoQuantizationsOfOneModel()
{
    const Catalogue catalogue{.models = {entry(m, 0, QStringLiteral("Org/M"))}, .aliases = {}};
    FleetState state = online(1, catalogue);
    const QString busy = QStringLiteral("Org/M:Q4");
    const QString idle = QStringLiteral("Org/M:Q8");
    state.setModels(name(0), {listed(idle, ModelStatus::Loaded), listed(busy, ModelStatus::Loaded)});
    QCOMPARE(state.nodeModelId(name(0), m), idle);
    state.addLease({name(0), m});
    Health health = healthOf(8000);
    health.models = {ModelActivity{.id = busy, .inFlight = 2, .maxInFlight = 1, .queueDepth = 3},
                     ModelActivity{.id = idle, .inFlight = 2, .maxInFlight = 4, .queueDepth = 1}};
    state.setHealth(name(0), health);
    // Requests go to one of the two: its places count, and what others have there.
    QCOMPARE(state.activity({name(0), m})->id, idle);
    QCOMPARE(state.loadOf({name(0), m}), 3);
    QVERIFY(leases(decide(state, m, 0), 0));
    // People are shown both together.
    QCOMPARE(state.snapshot().models.first().inFlight, 8);
    const QByteArray text = Metrics().text(state, {});
    QVERIFY2(text.contains("cortex_model_in_flight{model=\"m\",node=\"n0\"} 4\n"), text.constData());
    QVERIFY2(text.contains("cortex_model_queue_depth{model=\"m\",node=\"n0\"} 4\n"), text.constData());
    QCOMPARE(text.count("cortex_model_in_flight{"), 1);
}

void TestRouting::fullReplicasMakeWait()
{
    FleetState state = online(1);
    state.setModel(name(0), listed(m, ModelStatus::Loaded), 0);
    Health health = healthOf(8000);
    health.models = {ModelActivity{.id = m, .maxInFlight = 1, .maxQueueDepth = 1}};
    state.setHealth(name(0), health);
    QVERIFY(leases(decide(state, m, 0), 0));
    state.addLease({name(0), m});
    QVERIFY(leases(decide(state, m, 0), 0));
    state.addLease({name(0), m});
    QVERIFY(waits(decide(state, m, 0)));
    state.removeLease({name(0), m});
    QVERIFY(leases(decide(state, m, 0), 0));
}

void TestRouting::replicaWithUnknownPlaces()
{
    FleetState state = online(1);
    state.setModel(name(0), listed(m, ModelStatus::Loaded), 0);
    for (int i = 0; i < 4; ++i) {
        QVERIFY(leases(decide(state, m, 0), 0));
        state.addLease({name(0), m});
    }
    QVERIFY(waits(decide(state, m, 0)));
    Health health = healthOf(8000);
    health.models = {ModelActivity{.id = m, .inFlight = 4, .maxInFlight = 4, .maxQueueDepth = 4}};
    state.setHealth(name(0), health);
    QVERIFY(leases(decide(state, m, 0), 0));
}

void TestRouting::placement()
{
    const Catalogue catalogue{.models = {entry(m, 0, QStringLiteral("Org/M"))}, .aliases = {}};
    FleetState state = online(3, catalogue);
    state.setHealth(name(1), healthOf(9000));
    QVERIFY(loads(decide(state, m, 0), 1)); // the most free memory
    state.setModel(name(2), listed(QStringLiteral("Org/M"), ModelStatus::Unloaded), 0);
    QVERIFY(loads(decide(state, m, 0), 2)); // the files are there
    QCOMPARE(state.nodeModelId(name(2), m), QStringLiteral("Org/M"));
    NodeModel broken = listed(QStringLiteral("Org/M"), ModelStatus::Failed);
    broken.servable =
        Servable{false, QStringLiteral("unsupported_architecture"), QStringLiteral("unknown architecture 'x'")};
    state.setModel(name(2), broken, 0);
    QVERIFY(loads(decide(state, m, 0), 1));

    // No files and no source: nowhere.
    FleetState bare = online(1, {.models = {entry(m)}, .aliases = {}});
    QVERIFY(rejects(decide(bare, m, 0), "model_unavailable"));
    CatalogueModel foreign = entry(m, 0, QStringLiteral("Org/M"));
    foreign.harness = QStringLiteral("openai");
    QVERIFY(rejects(decide(online(1, {.models = {foreign}, .aliases = {}}), m, 0), "model_unavailable"));
}

void TestRouting::placementKeepsMemoryInHand()
{
    const QString other = QStringLiteral("other");
    const Catalogue catalogue{.models = {entry(m, 5000), entry(other, 4000)}, .aliases = {}};
    FleetState state = online(1, catalogue, 8000);
    state.setModels(name(0), {listed(m, ModelStatus::Unloaded), listed(other, ModelStatus::Unloaded)});
    QVERIFY(loads(decide(state, m, 0), 0));
    // A load under way has its memory set aside before the device shows it.
    PendingLoad load;
    load.node = name(0);
    state.setLoad(other, load);
    const Decision decision = decide(state, m, 0);
    QVERIFY(rejects(decision, "model_unavailable"));
    QVERIFY(decision.error.message.contains(QLatin1String("needs 5000 MB and 4000 MB are free")));
    state.removeLoad(other);
    state.setHealth(name(0), healthOf(4999));
    QVERIFY(rejects(decide(state, m, 0), "model_unavailable"));

    CatalogueModel wide = entry(m, 5000);
    wide.minDevices = 2;
    FleetState narrow = online(1, {.models = {wide}, .aliases = {}});
    narrow.setModel(name(0), listed(m, ModelStatus::Unloaded), 0);
    QVERIFY(decide(narrow, m, 0).error.message.contains(QLatin1String("fewer than 2 device(s)")));
}

void TestRouting::placementObeysPinning()
{
    CatalogueModel pinned = entry(m, 0, QStringLiteral("Org/M"));
    pinned.pinnedOn = {name(2)};
    FleetState state = online(3, {.models = {pinned}, .aliases = {}});
    state.setHealth(name(0), healthOf(15000));
    QVERIFY(loads(decide(state, m, 0), 2));
    state.setNodeStatus(name(2), NodeStatus::Offline);
    QVERIFY(rejects(decide(state, m, 0), "model_unavailable"));
}

void TestRouting::failedNodeIsLeftOutForAWhile()
{
    FleetState state = online(2);
    state.setModel(name(0), listed(m, ModelStatus::Unloaded), 0);
    state.setModel(name(1), listed(m, ModelStatus::Unloaded), 0);
    state.setHealth(name(0), healthOf(15000));
    QVERIFY(loads(decide(state, m, 0), 0));
    state.setFailure({name(0), m}, {QStringLiteral("bad luck"), 1000});
    QVERIFY(loads(decide(state, m, 2000), 1));
    state.setFailure({name(1), m}, {QStringLiteral("worse luck"), 1000});
    const Decision decision = decide(state, m, 2000);
    QVERIFY(rejects(decision, "model_unavailable"));
    QVERIFY(decision.error.message.contains(QLatin1String("worse luck")));
    QVERIFY(place(state, m, 2000, FailedLoads::Ignored).kind == Decision::Kind::Load);
    QVERIFY(loads(decide(state, m, 1000 + failedLoadHold.count()), 0));
}

void TestRouting::somebodyElsesLoad()
{
    FleetState state = online(2);
    state.setModel(name(0), listed(m, ModelStatus::Unloaded), 0);
    state.setModel(name(1), listed(m, ModelStatus::Downloading), 0);
    QVERIFY(waits(decide(state, m, 0)));
    state.setNodeStatus(name(1), NodeStatus::Offline);
    QVERIFY(loads(decide(state, m, 0), 0));
    // Its failure counts as one of ours would.
    state.setNodeStatus(name(1), NodeStatus::Online);
    NodeModel failed = listed(m, ModelStatus::Failed);
    failed.servable = Servable{false, QStringLiteral("load_failed"), QStringLiteral("no disk")};
    state.setModel(name(1), failed, 500);
    QVERIFY(!obstacle(state, name(1), m, 600, FailedLoads::Count).isEmpty());
    QVERIFY(obstacle(state, name(1), m, 600, FailedLoads::Ignored).isEmpty());
}

void TestRouting::leavingReplica()
{
    FleetState state = online(2);
    state.setModel(name(0), listed(m, ModelStatus::Loaded), 0);
    state.setRetiring({name(0), m}, 0);
    QVERIFY(waits(decide(state, m, 0)));
    state.setModel(name(1), listed(m, ModelStatus::Loaded), 0);
    QVERIFY(leases(decide(state, m, 0), 1));
    state.setModel(name(1), listed(m, ModelStatus::Unloaded), 0);
    QVERIFY(loads(decide(state, m, 0), 1));
    state.setModel(name(0), listed(m, ModelStatus::Unloaded), 0);
    state.removeRetiring({name(0), m});
    QVERIFY(loads(decide(state, m, 0), 0));
}

void TestRouting::namesOfAModel()
{
    CatalogueModel small = entry(QStringLiteral("small"), 0, QStringLiteral("hf:Org/M"));
    small.quant = QStringLiteral("Q4_1");
    const Catalogue catalogue{.models = {small}, .aliases = {{QStringLiteral("fast"), QStringLiteral("small")}}};
    FleetState state = online(1, catalogue);
    QCOMPARE(state.resolve(QStringLiteral("small")), QStringLiteral("small"));
    QCOMPARE(state.resolve(QStringLiteral("fast")), QStringLiteral("small"));
    QCOMPARE(state.resolve(QStringLiteral("Fast")), QString());
    QCOMPARE(state.nodeModelId(name(0), QStringLiteral("small")), QStringLiteral("Org/M"));
    state.setModel(name(0), listed(QStringLiteral("Org/M:Q4_1"), ModelStatus::Loaded), 0);
    state.setModel(name(0), listed(QStringLiteral("Org/M:Q8_0"), ModelStatus::Loaded), 0);
    QCOMPARE(state.nodeModelId(name(0), QStringLiteral("small")), QStringLiteral("Org/M:Q4_1"));
    QCOMPARE(state.resolve(QStringLiteral("Org/M:Q8_0")), QStringLiteral("Org/M:Q8_0"));
    const Catalogue any{.models = {entry(QStringLiteral("any"), 0, QStringLiteral("Org/M"))},
                        .aliases = {{QStringLiteral("by-source"), QStringLiteral("Org/M")},
                                    {QStringLiteral("by-quant"), QStringLiteral("Org/M:Q4_1")}}};
    FleetState open = online(1, any);
    open.setModels(name(0), {listed(QStringLiteral("Org/M:Q4_1"), ModelStatus::Unloaded),
                             listed(QStringLiteral("Org/M:Q8_0"), ModelStatus::Loaded)});
    QCOMPARE(open.nodeModelId(name(0), QStringLiteral("any")), QStringLiteral("Org/M:Q8_0"));
    QCOMPARE(open.resolve(QStringLiteral("Org/M")), QStringLiteral("any"));
    QCOMPARE(open.resolve(QStringLiteral("Org/M:Q4_1")), QString()); // not another one than was asked for
    QCOMPARE(open.resolve(QStringLiteral("by-quant")), QString());
    QCOMPARE(open.snapshot().models.first().aliases, QStringList{QStringLiteral("by-source")});
    const FleetSnapshot fleet = state.snapshot();
    QCOMPARE(fleet.models.size(), 2);
    QCOMPARE(fleet.models.first().id, QStringLiteral("small"));
    QCOMPARE(fleet.models.first().nodes, QStringList{name(0)});
    QCOMPARE(fleet.models.first().aliases, QStringList{QStringLiteral("fast")});
}

void TestRouting::whatPeopleAreShown()
{
    const Catalogue catalogue{.models = {entry(m, 0, QStringLiteral("Org/M"))}, .aliases = {}};
    const QUrl endpoint(QStringLiteral("http://user:secret@127.0.0.1:1/base"));
    FleetState state({{name(0), endpoint}}, catalogue);
    state.setNodeStatus(name(0), NodeStatus::Online);
    QCOMPARE(state.node(0).endpoint, endpoint);
    QCOMPARE(state.snapshot().nodes.first().endpoint, QUrl(QStringLiteral("http://127.0.0.1:1/base")));

    // A load is shown from the order on, where the node has not heard of the model and where it failed before.
    PendingLoad load;
    load.node = name(0);
    state.setLoad(m, load);
    QCOMPARE(state.snapshot().nodes.first().models.size(), 1);
    QCOMPARE(state.snapshot().nodes.first().models.first().id, m);
    QVERIFY(state.snapshot().nodes.first().models.first().status == ModelStatus::Loading);
    state.setModel(name(0), listed(QStringLiteral("Org/M"), ModelStatus::Failed), 0);
    QCOMPARE(state.snapshot().nodes.first().models.size(), 1);
    QVERIFY(state.snapshot().nodes.first().models.first().status == ModelStatus::Loading);
    state.setModel(name(0), listed(QStringLiteral("Org/M"), ModelStatus::Downloading), 0);
    QVERIFY(state.snapshot().nodes.first().models.first().status == ModelStatus::Downloading);
    state.removeLoad(m);
    state.setModel(name(0), listed(QStringLiteral("Org/M"), ModelStatus::Failed), 0);
    QVERIFY(state.snapshot().nodes.first().models.first().status == ModelStatus::Failed);
}

/// A store, commands and a router over `nodes` nodes that are online and have `m`.
struct Bench {
    explicit Bench(int nodes, const RouterLimits& limits = {}, ModelStatus status = ModelStatus::Unloaded)
        : store(neurons(nodes), {})
        , router(store, commands, limits)
    {
        for (int i = 0; i < nodes; ++i) {
            store.report(name(i), [&](FleetState& state) {
                const FleetState ready = online(nodes);
                state.setDiscovery(name(i), ready.node(i).discovery);
                state.setHealth(name(i), ready.node(i).health);
                state.setModel(name(i), listed(m, status), 0);
                state.setNodeStatus(name(i), NodeStatus::Online);
            });
        }
    }
    void report(int node, ModelStatus status)
    {
        store.report(name(node),
                     [&](FleetState& state) { state.setModel(name(node), listed(m, status), store.nowMs()); });
    }
    FleetStore store;
    HeldCommands commands;
    ModelRouter router;
};

void TestRouting::waitersAreBounded()
{
    RouterLimits limits;
    limits.maxWaiters = 3;
    Bench bench(1, limits);
    QStringList codes;
    for (int i = 0; i < 5; ++i) {
        bench.router.acquire(m, [&](const ModelRouter::Answer& answer) {
            const RouteError* error = std::get_if<RouteError>(&answer);
            codes.append(error ? error->code : QStringLiteral("lease"));
        });
    }
    QCOMPARE(codes, QStringList(2, QStringLiteral("queue_full")));
    QCOMPARE(bench.commands.orders.size(), 1);
    bench.router.shutDown();
    QCOMPARE(codes.size(), 5);
    QCOMPARE(codes.last(), QStringLiteral("shutting_down"));
}

void TestRouting::waitEndsInTime()
{
    RouterLimits limits;
    limits.maxWait = std::chrono::milliseconds(50);
    Bench bench(1, limits);
    std::optional<RouteError> error;
    bench.router.acquire(m, [&](const ModelRouter::Answer& answer) { error = std::get<RouteError>(answer); });
    QTRY_VERIFY(error);
    QCOMPARE(error->code, QStringLiteral("wait_timeout"));
    QVERIFY(error->message.contains(QLatin1String("loading m on n0")));
}

void TestRouting::newWaitersDoNotPutOffTheDeadline()
{
    RouterLimits limits;
    limits.maxWait = std::chrono::milliseconds(50);
    limits.maxWaiters = 100'000;
    Bench bench(1, limits);
    std::optional<RouteError> error;
    bench.router.acquire(m, [&](const ModelRouter::Answer& answer) { error = std::get<RouteError>(answer); });
    QTimer others;
    connect(&others, &QTimer::timeout, &bench.router,
            [&] { bench.router.acquire(m, [](const ModelRouter::Answer&) {}); });
    others.start(20);
    QTRY_VERIFY(error);
    QCOMPARE(error->code, QStringLiteral("wait_timeout"));
}

void TestRouting::failureIsForgottenAfterItsHold()
{
    Bench bench(1);
    qint64 now = 1000;
    bench.store.setClock([&] { return now; });
    QSignalSpy changed(&bench.store, &FleetStore::changed);
    std::optional<RouteError> error;
    bench.router.acquire(m, [&](const ModelRouter::Answer& answer) { error = std::get<RouteError>(answer); });
    bench.commands.orders.first().done(QStringLiteral("no memory"));
    QCOMPARE(error->code, QStringLiteral("model_load_failed"));
    QVERIFY(bench.store.state().snapshot().models.first().status == ModelStatus::Failed);
    QTRY_VERIFY(!changed.isEmpty());
    changed.clear();
    now += failedLoadHold.count();
    QTRY_VERIFY(bench.store.state().failures().isEmpty());
    QTRY_VERIFY(!changed.isEmpty()); // people are told
    QVERIFY(bench.store.state().snapshot().models.first().status == ModelStatus::Unloaded);

    // A node that is polled tells of a load in a list of all models.
    bench.store.edit([&](FleetState& state) { state.setFailure({name(0), m}, {QStringLiteral("no memory"), now}); });
    bench.store.report(name(0), [&](FleetState& state) { state.setModels(name(0), {listed(m, ModelStatus::Loaded)}); });
    QVERIFY(bench.store.state().failures().isEmpty());
}

void TestRouting::silentLoadFails()
{
    RouterLimits limits;
    limits.silentLoad = std::chrono::milliseconds(50);
    Bench bench(1, limits);
    std::optional<RouteError> error;
    bench.router.acquire(m, [&](const ModelRouter::Answer& answer) { error = std::get<RouteError>(answer); });
    bench.commands.orders.first().done(std::nullopt);
    QTRY_VERIFY(error);
    QCOMPARE(error->code, QStringLiteral("model_load_failed"));
    QVERIFY(bench.store.state().loads().isEmpty());
}

void TestRouting::leaseIsReleasedOnce()
{
    Bench bench(1, {}, ModelStatus::Loaded);
    Lease lease;
    bench.router.acquire(m, [&](ModelRouter::Answer answer) { lease = std::move(std::get<Lease>(answer)); });
    QVERIFY(lease.isHeld());
    QCOMPARE(bench.store.state().leases({name(0), m}), 1);
    Lease other = std::move(lease);
    QVERIFY(!lease.isHeld()); // NOLINT(bugprone-use-after-move): that is what is tested
    lease.release();
    QCOMPARE(bench.store.state().leases({name(0), m}), 1);
    other.release();
    other.release();
    QCOMPARE(bench.store.state().leases({name(0), m}), 0);
    bench.router.acquire(m, [](const ModelRouter::Answer&) {});
    QVERIFY(bench.store.state().allLeases().isEmpty());
}

void TestRouting::unloadThatTheNodeRefuses()
{
    Bench bench(1, {}, ModelStatus::Loaded);
    QString said;
    bench.router.unload(m, {}, [&](const ModelRouter::Operation& operation) { said = operation.error->message; });
    bool answered = false;
    bench.router.acquire(m, [&](const ModelRouter::Answer& answer) { answered = std::holds_alternative<Lease>(answer); });
    QVERIFY(!answered);
    bench.commands.unloads.first().done(QStringLiteral("busy"));
    QVERIFY(said.contains(QLatin1String("busy")));
    QVERIFY(answered); // it is still loaded
}

void TestRouting::operatorsLoadOfWhatIsLoaded()
{
    Bench bench(2, {}, ModelStatus::Loaded);
    Health full = healthOf(8000);
    full.models = {ModelActivity{.id = m, .inFlight = 1, .maxInFlight = 1}};
    for (int i = 0; i < 2; ++i)
        bench.store.report(name(i), [&](FleetState& state) { state.setHealth(name(i), full); });
    ModelRouter::Operation answer;
    const auto keep = [&](const ModelRouter::Operation& operation) { answer = operation; };
    bench.router.load(m, {}, keep);
    QVERIFY(answer.done);
    QCOMPARE(answer.node, name(0));
    // Not so where it is on its way out.
    bench.router.unload(m, name(0), [](const ModelRouter::Operation&) {});
    bench.router.load(m, {}, keep);
    QVERIFY(answer.done);
    QCOMPARE(answer.node, name(1));
    bench.router.load(m, name(0), keep);
    QVERIFY(answer.error && answer.error->message.contains(QLatin1String("being unloaded")));
    QVERIFY(bench.commands.orders.isEmpty());
}

void TestRouting::properties_data()
{
    QTest::addColumn<uint>("seed");
    for (uint seed = 1; seed <= 60; ++seed)
        QTest::addRow("seed %u", seed) << seed;
}

namespace {

/// A random history: clients come, leave and finish, nodes come and go, loads succeed, fail, are refused or vanish.
class History {
public:
    explicit History(uint seed)
        : m_random(seed)
        , m_nodes(1 + pick(4))
        , m_models(1 + pick(4))
        , m_store(neurons(m_nodes), {})
        , m_router(m_store, m_commands, limits())
    {
        m_store.setClock([] { return 0; }); // a machine that stalls must not let a failure be forgotten in mid-check
        m_commands.onLoad = [this](const QString& node, const QString& model) {
            // At most one load of a model that has not ended.
            QVERIFY2(!m_loading.contains(model), qPrintable(model));
            m_loading.insert(model, node);
        };
        QObject::connect(&m_router, &ModelRouter::loadEnded, &m_router,
                         [this](const QString& model) { m_loading.remove(model); });
        for (int i = 0; i < m_nodes; ++i)
            bringOnline(i);
    }

    void step()
    {
        act();
        // Nobody waits for what is there, or for nothing.
        for (const QString& model : m_router.waiting().keys())
            QVERIFY2(waits(decide(m_store.state(), model, m_store.nowMs())), qPrintable(model));
    }

    /// Everything ends: every client has had exactly one answer, and nothing is in flight.
    void finish()
    {
        m_router.shutDown();
        for (auto client = m_clients.begin(); client != m_clients.end(); ++client)
            QVERIFY2(client->answers == (client->left ? 0 : 1), qPrintable(QString::number(client->answers)));
        QVERIFY(m_router.waiting().isEmpty());
        m_held.clear();
        QVERIFY(m_store.state().allLeases().isEmpty());
    }

private:
    struct Client {
        int answers = 0;
        bool left = false;
        ModelRouter::Ticket ticket = 0;
    };

    void act()
    {
        switch (pick(14)) {
        case 0:
        case 1:
        case 2:
        case 3:
            acquire();
            break;
        case 4:
            leave();
            break;
        case 5:
        case 6:
            finishOne();
            break;
        case 7:
            answerOrder();
            break;
        case 8:
        case 9:
        case 10:
            changeModel();
            break;
        case 11:
            if (m_store.state().node(pick(m_nodes)).status == NodeStatus::Online && pick(3) == 0)
                goOffline(pick(m_nodes));
            else
                bringOnline(pick(m_nodes));
            break;
        case 12:
            operate();
            break;
        case 13:
            answerUnload();
            break;
        }
    }

    static RouterLimits limits()
    {
        RouterLimits limits;
        limits.maxWaiters = 5;
        return limits;
    }
    int pick(int count) { return int(m_random() % uint(count)); }
    QString someModel() { return QStringLiteral("m%1").arg(pick(m_models)); }

    void acquire()
    {
        const int id = int(m_clients.size());
        m_clients.append(Client());
        const QString model = someModel();
        const ModelRouter::Ticket ticket = m_router.acquire(model, [this, id, model](ModelRouter::Answer answer) {
            ++m_clients[id].answers;
            m_clients[id].ticket = 0;
            if (Lease* lease = std::get_if<Lease>(&answer)) {
                checkLease(*lease, model);
                // Some requests end at once, from within the answer.
                if (pick(5) != 0)
                    m_held.push_back(std::move(*lease));
            }
        });
        QVERIFY((ticket == 0) == (m_clients.at(id).answers == 1));
        m_clients[id].ticket = ticket;
    }

    void checkLease(const Lease& lease, const QString& model)
    {
        const FleetState& state = m_store.state();
        QCOMPARE(lease.model(), model);
        QVERIFY(state.findNode(lease.node())->status == NodeStatus::Online);
        const NodeModel* here = state.modelOn(lease.node(), model);
        QVERIFY(here && here->status == ModelStatus::Loaded);
        QVERIFY(!state.isRetiring({lease.node(), model}));
        const ModelActivity* activity = state.activity({lease.node(), model});
        if (activity && activity->maxInFlight > 0)
            QVERIFY(state.loadOf({lease.node(), model}) <= activity->maxInFlight + activity->maxQueueDepth);
    }

    void leave()
    {
        if (m_clients.isEmpty())
            return;
        Client& client = m_clients[pick(int(m_clients.size()))];
        if (client.ticket == 0)
            return;
        m_router.cancel(client.ticket);
        client.ticket = 0;
        client.left = true;
    }

    void finishOne()
    {
        if (m_held.empty())
            return;
        const size_t index = size_t(pick(int(m_held.size())));
        std::swap(m_held[index], m_held.back());
        const Lease ended = std::move(m_held.back());
        m_held.pop_back();
    }

    void answerOrder()
    {
        if (m_commands.orders.isEmpty())
            return;
        const HeldCommands::Order order = m_commands.orders.takeAt(pick(int(m_commands.orders.size())));
        order.done(pick(4) == 0 ? std::optional(QStringLiteral("refused")) : std::nullopt);
    }

    void answerUnload()
    {
        if (m_commands.unloads.isEmpty())
            return;
        const HeldCommands::Order order = m_commands.unloads.takeAt(pick(int(m_commands.unloads.size())));
        if (pick(3) == 0) {
            order.done(QStringLiteral("refused"));
            return;
        }
        order.done(std::nullopt);
        report(order.node, order.model, ModelStatus::Unloaded);
    }

    void changeModel()
    {
        const ModelStatus statuses[] = {ModelStatus::Unloaded, ModelStatus::Downloading, ModelStatus::Loading,
                                        ModelStatus::Loaded,   ModelStatus::Loaded,      ModelStatus::Unloading,
                                        ModelStatus::Failed};
        report(name(pick(m_nodes)), someModel(), statuses[pick(7)]);
    }

    void report(const QString& node, const QString& model, ModelStatus status)
    {
        m_store.report(node, [&](FleetState& state) { state.setModel(node, listed(model, status), m_store.nowMs()); });
    }

    void bringOnline(int node)
    {
        m_store.report(name(node), [&](FleetState& state) {
            const FleetState ready = online(m_nodes);
            state.setDiscovery(name(node), ready.node(node).discovery);
            Health health = ready.node(node).health;
            QList<NodeModel> models;
            for (int i = 0; i < m_models; ++i) {
                const QString model = QStringLiteral("m%1").arg(i);
                if (pick(3) > 0)
                    models.append(listed(model, pick(3) == 0 ? ModelStatus::Loaded : ModelStatus::Unloaded));
                health.models.append(
                    ModelActivity{.id = model, .inFlight = pick(3), .maxInFlight = 2, .maxQueueDepth = 2});
            }
            state.setModels(name(node), models);
            state.setHealth(name(node), health);
            state.setNodeStatus(name(node), NodeStatus::Online);
        });
    }

    void goOffline(int node)
    {
        m_store.report(name(node), [&](FleetState& state) { state.setNodeStatus(name(node), NodeStatus::Offline); });
    }

    void operate()
    {
        const QString node = pick(2) == 0 ? QString() : name(pick(m_nodes));
        if (pick(2) == 0)
            m_router.load(someModel(), node, [](const ModelRouter::Operation&) {});
        else
            m_router.unload(someModel(), node, [](const ModelRouter::Operation&) {});
    }

    std::mt19937 m_random;
    int m_nodes;
    int m_models;
    FleetStore m_store;
    HeldCommands m_commands;
    QList<Client> m_clients;
    std::vector<Lease> m_held;
    QHash<QString, QString> m_loading; ///< model → node, of loads that have not ended
    ModelRouter m_router;
};

} // namespace

void TestRouting::properties()
{
    QFETCH(uint, seed);
    History history(seed);
    for (int i = 0; i < 1500 && !QTest::currentTestFailed(); ++i)
        history.step();
    history.finish();
}

QTEST_GUILESS_MAIN(TestRouting)
#include "test_routing.moc"
