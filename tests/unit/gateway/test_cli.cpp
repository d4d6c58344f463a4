// SPDX-License-Identifier: GPL-3.0-only
// `cortex`: the pages it prints, and the program itself run against a gateway over a fake neuron.
#include "core/config/gatewayconfig.h"
#include "core/config/neuronconfig.h"
#include "fakeneuron.h"
#include "gateway/cli/statustable.h"
#include "gateway/gateway.h"

#include <QFile>
#include <QJsonDocument>
#include <QProcess>
#include <QTcpServer>
#include <QTemporaryDir>
#include <QTest>
#include <QTimeZone>

#include <csignal>

using namespace cortex;
using namespace cortex::cli;

namespace {

FleetSnapshot twoNodes()
{
    FleetSnapshot fleet;
    fleet.gatewayVersion = QStringLiteral("9.9");
    fleet.at = QDateTime(QDate(2026, 7, 4), QTime(9, 30), QTimeZone::utc());
    NodeSnapshot one;
    one.name = QStringLiteral("gpu-1");
    one.endpoint = QUrl(QStringLiteral("http://10.0.0.1:13131"));
    one.status = NodeStatus::Online;
    one.discovery.devices = {DeviceInfo{0, QStringLiteral("Big GPU"), DeviceKind::Cuda, 24576, QStringLiteral("8.9")},
                             DeviceInfo{1, QStringLiteral("Small GPU"), DeviceKind::Cuda, 8192, {}}};
    one.health.devices = {DeviceReading{0, 12288, 12288, 43.2, 61, 210}, DeviceReading{1, 0, 8192, {}, {}, {}}};
    one.health.models = {ModelActivity{.id = QStringLiteral("org/loaded"), .tokensPerSecondDecode = 123.45}};
    NodeSnapshot two;
    two.name = QStringLiteral("gpu-2");
    two.endpoint = QUrl(QStringLiteral("http://10.0.0.2:13131"));
    two.status = NodeStatus::Offline;
    two.error = QStringLiteral("refused\x1b[2J");
    two.lastSeen = fleet.at.addSecs(-30);
    fleet.nodes = {one, two};
    FleetModel loaded;
    loaded.id = QStringLiteral("org/loaded");
    loaded.status = ModelStatus::Loaded;
    loaded.nodes = QStringList{one.name};
    loaded.inFlight = 3;
    FleetModel loading;
    loading.id = QStringLiteral("loading");
    loading.status = ModelStatus::Loading;
    loading.progress = ModelProgress{QStringLiteral("reading"), 0.42, 0, 0, 0};
    FleetModel unfetched;
    unfetched.id = QStringLiteral("unfetched");
    unfetched.inCatalogue = true;
    unfetched.aliases = QStringList{QStringLiteral("nick")};
    unfetched.limit.context = 8192;
    fleet.models = {loaded, loading, unfetched};
    return fleet;
}

struct Ran {
    int code = -1;
    QString out;
    QString err;
};

class Program {
public:
    Program(const QStringList& arguments, const QString& url)
    {
        QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
        environment.insert(QStringLiteral("CORTEX_URL"), url);
        environment.remove(QStringLiteral("CORTEX_API_KEY"));
        m_process.setProcessEnvironment(environment);
        m_process.start(QStringLiteral(CORTEX_PROGRAM), arguments);
    }
    /// Waits with the event loop running: the fake neuron lives on it.
    Ran end()
    {
        const bool ended = QTest::qWaitFor([&] { return m_process.state() == QProcess::NotRunning; }, 20'000);
        Ran ran;
        ran.code = ended && m_process.exitStatus() == QProcess::NormalExit ? m_process.exitCode() : -1;
        ran.out = m_out + QString::fromUtf8(m_process.readAllStandardOutput());
        ran.err = m_err + QString::fromUtf8(m_process.readAllStandardError());
        return ran;
    }
    bool waitForOut(const QString& text)
    {
        return QTest::qWaitFor(
            [&] { return (m_out += QString::fromUtf8(m_process.readAllStandardOutput())).contains(text); }, 10'000);
    }
    bool waitForErr(const QString& text)
    {
        return QTest::qWaitFor(
            [&] { return (m_err += QString::fromUtf8(m_process.readAllStandardError())).contains(text); }, 10'000);
    }
    QString out() const { return m_out; }
    void signal(int number) { ::kill(pid_t(m_process.processId()), number); }

private:
    QProcess m_process;
    QString m_out;
    QString m_err;
};

/// A gateway in this process over fake neurons, named n1, n2, ….
struct Served {
    explicit Served(const QList<FakeNeuron*>& neurons, const Catalogue& catalogue = {})
    {
        GatewayConfig config;
        config.listen = QStringLiteral("127.0.0.1:0");
        config.metricsListen = QStringLiteral("127.0.0.1:0");
        for (FakeNeuron* neuron : neurons) {
            neuron->listen();
            config.neurons.append({QStringLiteral("n%1").arg(config.neurons.size() + 1), neuron->endpoint()});
        }
        gateway = std::make_unique<Gateway>(config, catalogue);
        QObject::connect(gateway.get(), &Gateway::fleetChanged, gateway.get(),
                         [this](const FleetSnapshot& latest) { fleet = latest; });
        if (const std::optional<QString> error = gateway->start())
            qFatal("gateway: %s", qPrintable(*error));
    }
    Program load(const QStringList& arguments) const
    {
        return Program(QStringList{QStringLiteral("load")} + arguments,
                       QStringLiteral("http://127.0.0.1:%1").arg(gateway->port()));
    }
    bool allOnline() const
    {
        return std::all_of(fleet.nodes.begin(), fleet.nodes.end(),
                           [](const NodeSnapshot& node) { return node.status == NodeStatus::Online; });
    }
    std::unique_ptr<Gateway> gateway;
    FleetSnapshot fleet;
};

/// A port that nobody listens on.
quint16 freePort()
{
    QTcpServer server;
    server.listen(QHostAddress(QHostAddress::LocalHost));
    return server.serverPort();
}

} // namespace

class TestCli : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void drawsStatus();
    void drawsForTerminals();
    void drawsModels();
    void wrongUse_data();
    void wrongUse();
    void helpPages_data();
    void helpPages();
    void unreachableGateway();
    void badConfig();
    void examplesAreValid();
    void servesAndStops();
    void followsTheLoadOnItsNode();
    void loadsByTheNameOfTheSource();

private:
    Ran run(const QStringList& arguments) const { return Program(arguments, m_url).end(); }
    QString m_url = QStringLiteral("http://127.0.0.1:%1").arg(freePort());
};

void TestCli::drawsStatus()
{
    const QString page = statusPage(twoNodes(), QStringLiteral("http://g:1"), {});
    const QString expected =
        QStringLiteral("cortex 9.9   http://g:1/v1   nodes: 1 of 2 online   models: 1 of 3 loaded\n"
                       "\n"
                       "NODE   STATE    DEVICE        MEMORY               USED / TOTAL  LOAD\n"
                       "gpu-1  online   0  Big GPU    #######.......  12.0 GB / 24.0 GB  43 %  61 C  210 W\n"
                       "                1  Small GPU  ..............      0 MB / 8.0 GB\n"
                       "gpu-2  offline\n"
                       "gpu-2: refused?[2J (http://10.0.0.2:13131; last seen 30 s ago)\n"
                       "\n"
                       "MODEL       STATE         IN FLIGHT  TOK/S  WHERE\n"
                       "org/loaded  loaded                3  123.5  gpu-1\n"
                       "loading     loading 42 %\n"
                       "unfetched   not fetched\n");
    QCOMPARE(page, expected);
}

void TestCli::drawsForTerminals()
{
    const QString page =
        statusPage(twoNodes(), QStringLiteral("http://g:1"), {.colours = true, .unicode = true, .width = 60});
    QVERIFY(page.contains(QStringLiteral("\x1b[32mloaded\x1b[0m")));
    QVERIFY(page.contains(QString(7, QChar(0x2588)) + QString(7, QChar(0x2591))));
    QVERIFY(!page.contains(QStringLiteral("\x1b[2J"))); // that was the node's
}

void TestCli::drawsModels()
{
    const QString expected = QStringLiteral("MODEL       STATE         CONTEXT  WHERE  ALIASES\n"
                                            "org/loaded  loaded                 gpu-1\n"
                                            "loading     loading 42 %\n"
                                            "unfetched   not fetched      8192         nick\n");
    QCOMPARE(modelsPage(twoNodes(), {}), expected);
    QVERIFY(modelsPage({}, {}).startsWith(QLatin1String("No models")));
}

void TestCli::wrongUse_data()
{
    QTest::addColumn<QStringList>("arguments");
    QTest::addColumn<QString>("says");
    const auto row = [](const char* line, const char* says) {
        QTest::newRow(line) << QString::fromLatin1(line).split(QLatin1Char(' '), Qt::SkipEmptyParts)
                            << QString::fromLatin1(says);
    };
    row("", "usage: cortex COMMAND");
    row("frobnicate", "no command 'frobnicate'");
    row("status --colour", "Unknown option 'colour'");
    row("status extra", "Unexpected argument 'extra'");
    row("status --json --watch", "exclude each other");
    row("load", "model's ID is missing");
    row("serve", "--config FILE is missing");
}

void TestCli::wrongUse()
{
    QFETCH(QStringList, arguments);
    QFETCH(QString, says);
    const Ran ran = run(arguments);
    QCOMPARE(ran.code, 2);
    QVERIFY2(ran.err.contains(says), qPrintable(ran.err));
    QCOMPARE(ran.out, QString());
}

void TestCli::helpPages_data()
{
    QTest::addColumn<QString>("command");
    QTest::addColumn<QString>("option");
    QTest::newRow("serve") << QStringLiteral("serve") << QStringLiteral("--config");
    QTest::newRow("status") << QStringLiteral("status") << QStringLiteral("--json");
    QTest::newRow("models") << QStringLiteral("models") << QStringLiteral("--url");
    QTest::newRow("load") << QStringLiteral("load") << QStringLiteral("--node");
    QTest::newRow("unload") << QStringLiteral("unload") << QStringLiteral("--node");
}

void TestCli::helpPages()
{
    QFETCH(QString, command);
    QFETCH(QString, option);
    const Ran ran = run({command, QStringLiteral("--help")});
    QCOMPARE(ran.code, 0);
    QCOMPARE(ran.err, QString());
    const QString options =
        ran.out.section(QStringLiteral("OPTIONS\n"), 1).section(QStringLiteral("EXIT STATUS"), 0, 0);
    QVERIFY2(options.contains(option), qPrintable(ran.out));
    for (const char* part : {"NAME\n", "SYNOPSIS\n", "DESCRIPTION\n", "OPTIONS\n", "EXIT STATUS\n", "EXAMPLES\n"})
        QVERIFY2(ran.out.contains(QLatin1String(part)), part);
    const Ran overview = run({QStringLiteral("--help")});
    QCOMPARE(overview.code, 0);
    QVERIFY(overview.out.contains(command));
}

void TestCli::unreachableGateway()
{
    for (const char* command : {"status", "models"}) {
        const Ran ran = run({QString::fromLatin1(command)});
        QCOMPARE(ran.code, 1);
        QCOMPARE(ran.out, QString());
        QCOMPARE(ran.err.count(QLatin1Char('\n')), 1);
        QVERIFY2(ran.err.contains(QStringLiteral("No gateway answers at ") + m_url), qPrintable(ran.err));
    }
    const Ran nonsense = run({QStringLiteral("status"), QStringLiteral("--url"), QStringLiteral("nonsense")});
    QCOMPARE(nonsense.code, 1);
    QVERIFY(nonsense.err.contains(QLatin1String("'nonsense'")));
}

void TestCli::badConfig()
{
    QTemporaryDir folder;
    const QString path = folder.filePath(QStringLiteral("cortex.toml"));
    QFile file(path);
    QVERIFY(file.open(QIODevice::WriteOnly));
    file.write("[gateway]\nlissten = \"127.0.0.1:0\"\n");
    file.close();
    const Ran ran = run({QStringLiteral("serve"), QStringLiteral("--config"), path});
    QCOMPARE(ran.code, 1);
    QVERIFY2(ran.err.contains(QLatin1String("lissten")) && ran.err.contains(path) && ran.err.contains(QLatin1Char('2')),
             qPrintable(ran.err));
    QCOMPARE(
        run({QStringLiteral("serve"), QStringLiteral("--config"), folder.filePath(QStringLiteral("none.toml"))}).code,
        1);
}

void TestCli::examplesAreValid()
{
    const QString folder = QStringLiteral(CORTEX_EXAMPLES "/");
    const GatewayConfig config = loadGatewayConfig(folder + QStringLiteral("cortex.toml"), {});
    QCOMPARE(config.neurons.size(), 1);
    QCOMPARE(config.listen, GatewayConfig().listen);
    const Catalogue catalogue = loadCatalogue(config.modelsConfig);
    QCOMPARE(catalogue.aliases.value(QStringLiteral("small")), catalogue.models.first().id);
    QCOMPARE(loadNeuronConfig(folder + QStringLiteral("neuron.toml"), {}).port, 13131);
}

void TestCli::servesAndStops()
{
    FakeNeuron neuron;
    neuron.addModel(QStringLiteral("org/m"));
    neuron.listen();
    QTemporaryDir folder;
    const QString path = folder.filePath(QStringLiteral("cortex.toml"));
    QFile file(path);
    QVERIFY(file.open(QIODevice::WriteOnly));
    file.write(
        "models_config = \"models.toml\"\n[gateway]\nlisten = \"127.0.0.1:0\"\nmetrics_listen = \"127.0.0.1:0\"\n"
        "[[neurons]]\nname = \"box\"\nendpoint = \""
        + neuron.endpoint().toEncoded() + "\"\n");
    file.close();
    QFile models(folder.filePath(QStringLiteral("models.toml")));
    QVERIFY(models.open(QIODevice::WriteOnly));
    models.write("[[models]]\nid = \"org/m\"\n[aliases]\nnick = \"org/m\"\n");
    models.close();
    Program server({QStringLiteral("serve"), QStringLiteral("--config"), path}, m_url);
    QVERIFY(server.waitForOut(QStringLiteral("\n")));
    const QString url = server.out().section(QStringLiteral("ready: "), 1).section(QStringLiteral("/v1"), 0, 0);
    QVERIFY2(url.startsWith(QLatin1String("http://127.0.0.1:")), qPrintable(server.out()));
    const QString unreachable = std::exchange(m_url, url);

    // The port is taken now.
    const QString taken = url.section(QStringLiteral("//"), 1);
    const Ran second =
        run({QStringLiteral("serve"), QStringLiteral("--config"), path, QStringLiteral("--listen"), taken});
    QCOMPARE(second.code, 1);
    QVERIFY2(second.err.contains(taken.section(QLatin1Char(':'), 1)), qPrintable(second.err));

    QTRY_VERIFY(run({QStringLiteral("status")}).out.contains(QLatin1String("nodes: 1 of 1 online")));
    const QJsonObject fleet =
        QJsonDocument::fromJson(run({QStringLiteral("status"), QStringLiteral("--json")}).out.toUtf8()).object();
    QCOMPARE(fleetSnapshotFromJson(fleet).models.first().id, QStringLiteral("org/m"));
    QVERIFY(run({QStringLiteral("models")}).out.contains(QLatin1String("nick")));

    // A load with its progress.
    Program load({QStringLiteral("load"), QStringLiteral("nick"), QStringLiteral("--node"), QStringLiteral("box")},
                 url);
    QTRY_VERIFY(neuron.status(QStringLiteral("org/m")) == ModelStatus::Loading);
    neuron.setStatus(QStringLiteral("org/m"), ModelStatus::Loading, 0.37);
    QVERIFY(load.waitForErr(QStringLiteral("37 %")));
    neuron.setStatus(QStringLiteral("org/m"), ModelStatus::Loaded);
    const Ran loaded = load.end();
    QCOMPARE(loaded.code, 0);
    QVERIFY2(loaded.err.contains(QLatin1String("is loaded on box")), qPrintable(loaded.err));
    QCOMPARE(run({QStringLiteral("unload"), QStringLiteral("org/m")}).code, 0);
    QCOMPARE(neuron.unloadOrders, 1);

    // One that fails.
    Program failing({QStringLiteral("load"), QStringLiteral("org/m")}, url);
    QTRY_VERIFY(neuron.status(QStringLiteral("org/m")) == ModelStatus::Loading);
    neuron.setStatus(QStringLiteral("org/m"), ModelStatus::Failed, 0, QStringLiteral("out of memory"));
    const Ran failed = failing.end();
    QCOMPARE(failed.code, 1);
    QVERIFY2(failed.err.contains(QLatin1String("out of memory")), qPrintable(failed.err));
    const Ran unknown = run({QStringLiteral("load"), QStringLiteral("none")});
    QCOMPARE(unknown.code, 1);
    QVERIFY(unknown.err.contains(QLatin1String("does not exist")));

    m_url = unreachable;
    server.signal(SIGTERM);
    const Ran stopped = server.end();
    QCOMPARE(stopped.code, 0);
}

void TestCli::followsTheLoadOnItsNode()
{
    const QString m = QStringLiteral("m");
    FakeNeuron one;
    FakeNeuron two;
    one.addModel(m, ModelStatus::Loaded);
    two.addModel(m);
    Served served({&one, &two});
    QTRY_VERIFY(served.allOnline());
    const QStringList onTwo{m, QStringLiteral("--node"), QStringLiteral("n2")};

    Program failing = served.load(onTwo);
    QTRY_VERIFY(two.status(m) == ModelStatus::Loading);
    QVERIFY(failing.waitForErr(QStringLiteral("reading")));
    two.setStatus(m, ModelStatus::Failed, 0, QStringLiteral("the disk broke"));
    const Ran failed = failing.end();
    QCOMPARE(failed.code, 1);
    QVERIFY2(failed.err.contains(QLatin1String("loading m on n2 failed: the disk broke")), qPrintable(failed.err));

    // The node is slow to begin: what it says of the try before is not taken for this one's end.
    two.onLoad = [](const HttpRequest&, const std::shared_ptr<ResponseStream>& response) {
        response->respondJson(200, {{QStringLiteral("status"), QStringLiteral("loading")}});
    };
    Program again = served.load(onTwo);
    QVERIFY(again.waitForErr(QStringLiteral("loading\n")));
    two.setStatus(m, ModelStatus::Loaded);
    const Ran loaded = again.end();
    QVERIFY2(loaded.code == 0, qPrintable(loaded.err));
    QVERIFY(loaded.err.contains(QLatin1String("m is loaded on n2")));

    two.setStatus(m, ModelStatus::Unloaded);
    QTRY_COMPARE(served.fleet.models.first().nodes, QStringList{QStringLiteral("n1")});
    two.onLoad = {};
    Program lost = served.load(onTwo);
    QVERIFY(lost.waitForErr(QStringLiteral("reading")));
    two.close();
    const Ran left = lost.end();
    QCOMPARE(left.code, 1);
    QVERIFY2(left.err.contains(QLatin1String("the node went away")), qPrintable(left.err));
}

void TestCli::loadsByTheNameOfTheSource()
{
    FakeNeuron neuron;
    CatalogueModel entry;
    entry.id = QStringLiteral("nice");
    entry.source = QStringLiteral("org/name");
    Served served({&neuron}, {.models = {entry}, .aliases = {}});
    QTRY_VERIFY(served.allOnline());
    Program load = served.load({QStringLiteral("org/name")});
    QTRY_VERIFY(neuron.status(QStringLiteral("org/name")) == ModelStatus::Loading);
    QVERIFY(load.waitForErr(QStringLiteral("reading")));
    neuron.setStatus(QStringLiteral("org/name"), ModelStatus::Loaded);
    const Ran loaded = load.end();
    QVERIFY2(loaded.code == 0, qPrintable(loaded.err));
    QVERIFY(loaded.err.contains(QLatin1String("nice is loaded on n1")));
}

QTEST_GUILESS_MAIN(TestCli)
#include "test_cli.moc"
