// SPDX-License-Identifier: GPL-3.0-only
#include "core/config/gatewayconfig.h"
#include "core/config/neuronconfig.h"
#include "core/error.h"

#include <QDir>
#include <QTemporaryDir>
#include <QTest>

using namespace cortex;

namespace {

QProcessEnvironment environment(std::initializer_list<std::pair<const char*, const char*>> variables)
{
    QProcessEnvironment result;
    for (const auto& [name, value] : variables)
        result.insert(QString::fromLatin1(name), QString::fromUtf8(value));
    return result;
}

const QString Path = QStringLiteral("/etc/cortex/cortex.toml");

const QByteArray FullGateway = "models_config = \"models.toml\"\n"
                               "\n"
                               "[gateway]\n"
                               "listen = \"0.0.0.0:8080\"\n"
                               "metrics_listen = \":9090\"\n"
                               "\n"
                               "[eviction]\n"
                               "strategy = \"priority\"\n"
                               "defrag_after_cycles = 5\n"
                               "\n"
                               "[[neurons]]\n"
                               "name = \"one\"\n"
                               "endpoint = \"http://192.168.1.20:13131\"\n"
                               "\n"
                               "[[neurons]]\n"
                               "name = \"two\"\n"
                               "endpoint = \"https://gpu.example:443/base\"\n"
                               "\n"
                               "[entitlements]\n"
                               "require_auth = true\n"
                               "\n"
                               "[[entitlements.keys]]\n"
                               "key = \"sk-1\"\n"
                               "account_id = \"acme\"\n"
                               "key_id = \"k1\"\n"
                               "hard_cap = 1000\n"
                               "window = \"30d\"\n";

} // namespace

class TestConfig : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void gateway()
    {
        const GatewayConfig config = parseGatewayConfig(FullGateway, Path, {});
        QCOMPARE(config.listen, QStringLiteral("0.0.0.0:8080"));
        QCOMPARE(config.metricsListen, QStringLiteral(":9090"));
        QCOMPARE(config.evictionStrategy, QStringLiteral("priority"));
        QCOMPARE(config.defragAfterCycles, 5);
        QCOMPARE(config.neurons.size(), 2);
        QCOMPARE(config.neurons[1].name, QStringLiteral("two"));
        QCOMPARE(config.neurons[1].endpoint, QUrl(QStringLiteral("https://gpu.example:443/base")));
        QCOMPARE(config.modelsConfig, QStringLiteral("/etc/cortex/models.toml"));
        QVERIFY(config.requireAuth);
        QCOMPARE(config.keys.size(), 1);
        QCOMPARE(config.keys[0].hardCap, std::optional<qint64>(1000));
    }

    void emptyFilesGiveTheDefaults()
    {
        const GatewayConfig config = parseGatewayConfig({}, Path, {});
        QCOMPARE(config.listen, QStringLiteral("127.0.0.1:31313"));
        QVERIFY(config.modelsConfig.isEmpty());
        QVERIFY(!config.requireAuth);
        const NeuronConfig neuron = loadNeuronConfig({}, {});
        QCOMPARE(neuron.port, quint16(13131));
        QVERIFY(neuron.prefixCacheEnabled);
    }

    void environmentLiesOverTheGatewaysFile()
    {
        const GatewayConfig config = parseGatewayConfig(FullGateway, Path,
                                                        environment({{"CORTEX_GATEWAY__LISTEN", "127.0.0.1:1"},
                                                                     {"CORTEX_ENTITLEMENTS__REQUIRE_AUTH", "false"},
                                                                     {"CORTEX_EVICTION__DEFRAG_AFTER_CYCLES", "7"},
                                                                     {"CORTEX_MODELS_CONFIG", "/elsewhere/m.toml"},
                                                                     {"CORTEX_SHARED_DATA", "not ours"},
                                                                     {"PATH", "/bin"}}));
        QCOMPARE(config.listen, QStringLiteral("127.0.0.1:1"));
        QVERIFY(!config.requireAuth);
        QCOMPARE(config.defragAfterCycles, 7);
        QCOMPARE(config.modelsConfig, QStringLiteral("/elsewhere/m.toml"));
        QCOMPARE(config.metricsListen, QStringLiteral(":9090"));
    }

    void neuron()
    {
        const NeuronConfig config = parseNeuronConfig("port = 4000\n"
                                                      "[[default_models]]\n"
                                                      "model_id = \"a/b\"\n"
                                                      "quant = \"Q4_K_M\"\n"
                                                      "devices = [0, 1]\n"
                                                      "[models]\n"
                                                      "dirs = [\"models\", \"/abs\", \"~/m\"]\n"
                                                      "builtin = true\n"
                                                      "[sources.hub]\n"
                                                      "endpoint = \"https://hub.example\"\n"
                                                      "auth_env = \"MY_TOKEN\"\n"
                                                      "cache_dir = \"cache\"\n"
                                                      "[prefix_cache]\n"
                                                      "enabled = false\n",
                                                      QStringLiteral("/etc/neuron.toml"), {});
        QCOMPARE(config.port, quint16(4000));
        QCOMPARE(config.defaultModels.size(), 1);
        QCOMPARE(config.defaultModels[0].devices, (QList<int>{0, 1}));
        QCOMPARE(config.modelDirectories,
                 (QStringList{QStringLiteral("/etc/models"), QStringLiteral("/abs"),
                              QDir::homePath() + QStringLiteral("/m")}));
        QCOMPARE(config.sources.size(), 1);
        QCOMPARE(config.sources[0].name, QStringLiteral("hub"));
        QCOMPARE(config.sources[0].cacheDirectory, QStringLiteral("/etc/cache"));
        QVERIFY(config.offersBuiltinModels);
        QVERIFY(!config.prefixCacheEnabled);
    }

    void environmentLiesOverTheNeuronsFile()
    {
        const NeuronConfig config =
            parseNeuronConfig("port = 1\n[models]\ndirs = [\"a\"]", QStringLiteral("/n.toml"),
                              environment({{"NEURON_PORT", "2"},
                                           {"NEURON_LISTEN", "0.0.0.0"},
                                           {"NEURON_MODELS__DIRS", "/x, /y"},
                                           {"NEURON_PREFIX_CACHE__ENABLED", "false"},
                                           {"NEURON_SOURCES__MIRROR__ENDPOINT", "http://m:1"}}));
        QCOMPARE(config.port, quint16(2));
        QCOMPARE(config.listen, QStringLiteral("0.0.0.0"));
        QCOMPARE(config.modelDirectories, (QStringList{QStringLiteral("/x"), QStringLiteral("/y")}));
        QVERIFY(!config.prefixCacheEnabled);
        QCOMPARE(config.sources.size(), 1);
        QCOMPARE(config.sources[0].name, QStringLiteral("mirror"));

        const NeuronConfig array = loadNeuronConfig({}, environment({{"NEURON_MODELS__DIRS", "[\"/x,y\"]"}}));
        QCOMPARE(array.modelDirectories, QStringList{QStringLiteral("/x,y")});
    }

    void catalogue()
    {
        const Catalogue catalogue =
            parseCatalogue("[[models]]\n"
                           "id = \"org/big\"\n"
                           "harness = \"candle\"\n"
                           "quant = \"Q4_K_M\"\n"
                           "vram_mb = 40000\n"
                           "min_devices = 2\n"
                           "min_device_vram_mb = 24000\n"
                           "pinned_on = [\"one\"]\n"
                           "residency_priority = 5\n"
                           "source = \"hub:org/big\"\n"
                           "limit = { context = 8192, output = 1024 }\n"
                           "cost = { input = 0.5, output = 1, cache_read = 0.1, cache_write = 0.2 }\n"
                           "capabilities = [\"tools\"]\n"
                           "[[models]]\n"
                           "id = \"plain\"\n"
                           "[aliases]\n"
                           "small = \"plain\"\n"
                           "\"gpt-4o\" = \"org/big\"\n",
                           QStringLiteral("models.toml"));
        QCOMPARE(catalogue.models.size(), 2);
        const CatalogueModel& big = catalogue.models[0];
        QCOMPARE(big.harness, QStringLiteral("native"));
        QCOMPARE(big.limit, (ModelLimit{8192, 0, 1024}));
        QCOMPARE(big.cost.output, 1.0);
        QCOMPARE(big.residencyPriority, std::optional<int>(5));
        QVERIFY(!catalogue.models[1].residencyPriority);
        QCOMPARE(catalogue.aliases.value(QStringLiteral("gpt-4o")), QStringLiteral("org/big"));
    }

    void errors_data()
    {
        QTest::addColumn<QString>("file");
        QTest::addColumn<QByteArray>("text");
        QTest::addColumn<QString>("message"); ///< its beginning
        const auto row = [](const char* name, const char* file, const char* text, const char* message) {
            QTest::newRow(name) << QString::fromLatin1(file) << QByteArray(text) << QString::fromUtf8(message);
        };
        row("not TOML", "gateway", "[gateway]\nlisten = \n", "c.toml:2: ");
        row("key twice", "gateway", "[gateway]\nlisten = \"1\"\nlisten = \"2\"", "c.toml:3: ");
        row("not UTF-8", "gateway", "[gateway]\nlisten = \"\xFF\"", "c.toml:2: ");
        row("unknown key", "gateway", "[gateway]\nlisten = \"1\"\n\nlistn = 3",
            "c.toml:4: unknown key gateway.listn; the keys here are listen, metrics_listen");
        row("unknown table", "gateway", "\n[gatway]\n", "c.toml:2: unknown key gatway; the keys here are ");
        row("unknown key of a node", "gateway", "[[neurons]]\nname = \"a\"\nendpoint = \"http://a:1\"\nport = 1",
            "c.toml:4: unknown key neurons.port; the keys here are endpoint, name");
        row("type", "gateway", "[gateway]\nlisten = 31313",
            "c.toml:2: gateway.listen: expected a string, found a whole number");
        row("not a table", "gateway", "gateway = 1", "c.toml:1: gateway: expected a table, found a whole number");
        row("not tables", "gateway", "neurons = [1]",
            "c.toml:1: neurons: expected tables, each under [[…]], found a whole number");
        row("address", "gateway", "[gateway]\nlisten = \"here\"",
            "c.toml:2: gateway.listen: \"here\": expected ADDRESS:PORT");
        row("port", "gateway", "[gateway]\nlisten = \"127.0.0.1:70000\"",
            "c.toml:2: gateway.listen: \"127.0.0.1:70000\"");
        row("strategy", "gateway", "[eviction]\nstrategy = \"random\"",
            "c.toml:2: eviction.strategy: \"random\" is none of lru, priority");
        row("range", "gateway", "[eviction]\ndefrag_after_cycles = -1",
            "c.toml:2: eviction.defrag_after_cycles: -1 is not between 0");
        row("missing", "gateway", "[[neurons]]\nendpoint = \"http://a:1\"", "c.toml:1: neurons.name is missing");
        row("empty", "gateway", "[[neurons]]\nname = \"\"\nendpoint = \"http://a:1\"",
            "c.toml:2: neurons.name is empty");
        row("endpoint", "gateway", "[[neurons]]\nname = \"a\"\nendpoint = \"a:1\"",
            "c.toml:3: neurons.endpoint: \"a:1\" is not an address such as");
        row("endpoint with a query", "gateway", "[[neurons]]\nname = \"a\"\nendpoint = \"http://a:1?x=1\"",
            "c.toml:3: neurons.endpoint: a server's address has neither a query");
        row("endpoint with a fragment", "gateway", "[[neurons]]\nname = \"a\"\nendpoint = \"http://a:1#f\"",
            "c.toml:3: neurons.endpoint: a server's address has neither a query");
        row("endpoint twice", "gateway",
            "[[neurons]]\nname = \"a\"\nendpoint = \"http://a\"\n[[neurons]]\nname = \"b\"\nendpoint = "
            "\"HTTP://A:80/\"",
            "c.toml:6: neurons.endpoint: the node \"a\" is there already");
        row("keys are missing", "gateway", "[entitlements]\nrequire_auth = true",
            "c.toml:2: entitlements.require_auth: nobody could pass");
        row("blank in a key", "gateway", "[[entitlements.keys]]\nkey = \" a\"\nkey_id = \"b\"",
            "c.toml:2: entitlements.keys.key: a key neither begins nor ends with a blank");
        row("node twice", "gateway",
            "[[neurons]]\nname = \"a\"\nendpoint = \"http://a:1\"\n[[neurons]]\nname = \"a\"\nendpoint = "
            "\"http://b:1\"",
            "c.toml:5: neurons.name: \"a\" is there twice");
        row("boolean", "gateway", "[entitlements]\nrequire_auth = \"yes\"",
            "c.toml:2: entitlements.require_auth: expected true or false, found a string");
        row("fractional cap", "gateway", "[[entitlements.keys]]\nkey = \"a\"\nkey_id = \"b\"\nhard_cap = 1.5",
            "c.toml:4: entitlements.keys.hard_cap: expected a whole number, found a number with a fraction");
        row("harness", "models", "[[models]]\nid = \"a\"\nharness = \"vllm\"",
            "c.toml:3: models.harness: \"vllm\" is none of native, candle, openai");
        row("model twice", "models", "[[models]]\nid = \"a\"\n[[models]]\nid = \"a\"",
            "c.toml:4: models.id: \"a\" is there twice");
        row("devices", "models", "[[models]]\nid = \"a\"\nmin_devices = 0",
            "c.toml:3: models.min_devices: 0 is not between 1");
        row("list", "models", "[[models]]\nid = \"a\"\npinned_on = [\"x\", 1]",
            "c.toml:3: models.pinned_on: expected a string, found a whole number");
        row("cost", "models", "[[models]]\nid = \"a\"\ncost.input = -0.5",
            "c.toml:3: models.cost.input: -0.5 is not a number");
        row("infinite cost", "models", "[[models]]\nid = \"a\"\ncost.input = inf",
            "c.toml:3: models.cost.input: inf is not a number");
        row("limit key", "models", "[[models]]\nid = \"a\"\nlimit.contxt = 3",
            "c.toml:3: unknown key models.limit.contxt");
        row("alias is a model", "models", "[[models]]\nid = \"a\"\n[aliases]\na = \"b\"",
            "c.toml:4: aliases.a: a model has this name");
        row("alias of an alias", "models", "[aliases]\na = \"b\"\nb = \"c\"",
            "c.toml:2: aliases.a: \"b\" is an alias itself");
        row("alias type", "models", "[aliases]\na = 1", "c.toml:2: aliases.a: expected a string, found a whole number");
        row("alias with a dot", "models", "[aliases]\ngpt-3.5-turbo = \"a\"",
            "c.toml:2: aliases.gpt-3: expected a string (a name with a dot in it stands in quotes), found a table");
        row("big port", "neuron", "port = 65536", "c.toml:1: port: 65536 is not between 0 and 65535");
        row("interface", "neuron", "listen = \"eth0\"", "c.toml:1: listen: \"eth0\" is not an IP address");
        row("negative device", "neuron", "[[default_models]]\nmodel_id = \"a\"\ndevices = [-1]",
            "c.toml:3: default_models.devices: -1 is not between 0");
        row("source", "neuron", "[sources.hub]\nauth_env = \"A\"", "c.toml:1: sources.hub.endpoint is missing");
        row("sources", "neuron", "[sources]\nhub = \"x\"", "c.toml:2: sources.hub: expected a table, found a string");
    }

    void errors()
    {
        QFETCH(QString, file);
        QFETCH(QByteArray, text);
        QFETCH(QString, message);
        try {
            const QString path = QStringLiteral("c.toml");
            if (file == QLatin1String("gateway"))
                parseGatewayConfig(text, path, {});
            else if (file == QLatin1String("models"))
                parseCatalogue(text, path);
            else
                parseNeuronConfig(text, path, {});
            QFAIL("accepted");
        } catch (const InputError& error) {
            QVERIFY2(error.message().startsWith(message), qPrintable(error.message()));
            QVERIFY2(!error.message().contains(QLatin1Char('\n')), qPrintable(error.message()));
        }
    }

    void doubts()
    {
        const GatewayConfig config = parseGatewayConfig("[[neurons]]\nname = \"one\"\nendpoint = \"http://a:1\"\n"
                                                        "[[entitlements.keys]]\nkey = \"k\"\nkey_id = \"i\"\n",
                                                        Path, {});
        const Catalogue catalogue = parseCatalogue("[[models]]\nid = \"m\"\npinned_on = [\"one\", \"other\"]\n", Path);
        const QStringList found = doubtsAbout(config, catalogue);
        QCOMPARE(found.size(), 2);
        QVERIFY(found[0].contains(QLatin1String("require_auth")));
        QCOMPARE(found[1], QStringLiteral("model \"m\" is pinned_on \"other\", which is no node of [[neurons]]"));
        QVERIFY(doubtsAbout(parseGatewayConfig(FullGateway, Path, {}), catalogue).size() == 1);
        QVERIFY(doubtsAbout({}, {}).isEmpty());
    }

    void environmentErrors_data()
    {
        QTest::addColumn<QString>("variable");
        QTest::addColumn<QString>("value");
        QTest::addColumn<QString>("message");
        const auto row = [](const char* variable, const char* value, const char* message) {
            QTest::newRow(variable) << QString::fromLatin1(variable) << QString::fromLatin1(value)
                                    << QString::fromUtf8(message);
        };
        row("CORTEX_GATEWAY__LISTN", "x",
            "the environment variable CORTEX_GATEWAY__LISTN sets the key gateway.listn, which does not exist");
        row("CORTEX_GATEWAY__LISTEN", "x", "CORTEX_GATEWAY__LISTEN: \"x\": expected ADDRESS:PORT");
        row("CORTEX_EVICTION__STRATEGY", "x", "CORTEX_EVICTION__STRATEGY: \"x\" is none of lru, priority");
        row("CORTEX_EVICTION__DEFRAG_AFTER_CYCLES", "many", "CORTEX_EVICTION__DEFRAG_AFTER_CYCLES: \"many\": ");
        row("CORTEX_ENTITLEMENTS__REQUIRE_AUTH", "1",
            "CORTEX_ENTITLEMENTS__REQUIRE_AUTH: expected true or false, found a whole number");
    }

    void environmentErrors()
    {
        QFETCH(QString, variable);
        QFETCH(QString, value);
        QFETCH(QString, message);
        QProcessEnvironment variables;
        variables.insert(variable, value);
        try {
            parseGatewayConfig(FullGateway, Path, variables);
            QFAIL("accepted");
        } catch (const InputError& error) {
            QVERIFY2(error.message().startsWith(message), qPrintable(error.message()));
        }
    }

    void files()
    {
        QTemporaryDir folder;
        const QString path = folder.filePath(QStringLiteral("cortex.toml"));
        QFile file(path);
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write("models_config = \"sub/models.toml\"\n");
        file.close();
        QCOMPARE(loadGatewayConfig(path, {}).modelsConfig, folder.filePath(QStringLiteral("sub/models.toml")));
        try {
            loadCatalogue(folder.filePath(QStringLiteral("none.toml")));
            QFAIL("accepted");
        } catch (const InputError& error) {
            QCOMPARE(error.message(),
                     folder.filePath(QStringLiteral("none.toml"))
                         + QStringLiteral(": cannot be read: No such file or directory"));
        }
    }
};

QTEST_GUILESS_MAIN(TestConfig)
#include "tst_config.moc"
