// SPDX-License-Identifier: GPL-3.0-only
#include "core/config/gatewayconfig.h"

#include "core/config/configchecks.h"
#include "core/config/configreader.h"

#include <QSet>

#include <algorithm>
#include <limits>

namespace cortex {

namespace {

/// The same for two ways of writing one address.
QString serverOf(const QUrl& url)
{
    QString path = url.path();
    while (path.endsWith(QLatin1Char('/')))
        path.chop(1);
    const int port = url.port(url.scheme() == QLatin1String("https") ? 443 : 80);
    return QStringLiteral("%1://%2:%3%4").arg(url.scheme(), url.host()).arg(port).arg(path);
}

QList<NeuronEntry> readNeurons(ConfigTable& root)
{
    QList<NeuronEntry> neurons;
    QSet<QString> names;
    QHash<QString, QString> nameOfServer;
    for (ConfigTable& table : root.tables("neurons")) {
        NeuronEntry entry;
        entry.name = requireUnique(table, "name", names);
        entry.endpoint = requireHttpUrl(table, "endpoint");
        const QString server = serverOf(entry.endpoint);
        if (nameOfServer.contains(server))
            table.fail("endpoint", QStringLiteral("the node \"%1\" is there already").arg(nameOfServer.value(server)));
        nameOfServer.insert(server, entry.name);
        table.finish();
        neurons.append(entry);
    }
    return neurons;
}

QList<KeyEntry> readKeys(ConfigTable& entitlements)
{
    QList<KeyEntry> keys;
    QSet<QString> secrets;
    QSet<QString> ids;
    for (ConfigTable& table : entitlements.tables("keys")) {
        KeyEntry entry;
        entry.key = requireUnique(table, "key", secrets);
        // In a header they are no part of it.
        if (entry.key != entry.key.trimmed())
            table.fail("key", QStringLiteral("a key neither begins nor ends with a blank"));
        entry.accountId = table.string("account_id");
        entry.keyId = requireUnique(table, "key_id", ids);
        entry.hardCap = table.optionalInteger("hard_cap", 0);
        entry.window = table.string("window");
        table.finish();
        keys.append(entry);
    }
    return keys;
}

CatalogueModel readModel(ConfigTable& table, QSet<QString>& ids)
{
    CatalogueModel model;
    model.id = requireUnique(table, "id", ids);
    model.harness = table.oneOf(
        "harness", {QStringLiteral("native"), QStringLiteral("candle"), QStringLiteral("openai")}, model.harness);
    if (model.harness == QLatin1String("candle"))
        model.harness = QStringLiteral("native");
    model.quant = table.string("quant");
    model.vramMb = table.integer("vram_mb", 0, 0);
    model.minDevices = table.count("min_devices", 1, 1);
    model.minDeviceVramMb = table.integer("min_device_vram_mb", 0, 0);
    model.pinnedOn = table.strings("pinned_on");
    if (const auto priority = table.optionalInteger("residency_priority", 0))
        model.residencyPriority = static_cast<int>(std::min<qint64>(*priority, std::numeric_limits<int>::max()));
    model.source = table.string("source");
    ConfigTable limit = table.table("limit");
    model.limit = {limit.count("context", 0), limit.count("input", 0), limit.count("output", 0)};
    limit.finish();
    ConfigTable cost = table.table("cost");
    model.cost = {cost.number("input", 0, 0), cost.number("output", 0, 0), cost.number("cache_read", 0, 0),
                  cost.number("cache_write", 0, 0)};
    cost.finish();
    model.capabilities = table.strings("capabilities");
    table.finish();
    return model;
}

void readAliases(ConfigTable aliases, const QSet<QString>& ids, Catalogue& catalogue)
{
    const auto entries = aliases.stringEntries();
    for (const auto& [alias, target] : entries)
        catalogue.aliases.insert(alias, target);
    for (const auto& [alias, target] : entries) {
        const QByteArray key = alias.toUtf8();
        if (target.isEmpty())
            aliases.fail(key.constData(), QStringLiteral("the model's id is empty"));
        if (ids.contains(alias))
            aliases.fail(key.constData(), QStringLiteral("a model has this name as its id"));
        if (catalogue.aliases.contains(target))
            aliases.fail(key.constData(), QStringLiteral("\"%1\" is an alias itself; name the model").arg(target));
    }
}

} // namespace

GatewayConfig parseGatewayConfig(const QByteArray& text, const QString& path, const QProcessEnvironment& environment)
{
    ConfigSource source(text, path, QStringLiteral("CORTEX"), environment);
    ConfigTable root = source.root();
    GatewayConfig config;

    ConfigTable gateway = root.table("gateway");
    config.listen = listenAddress(gateway, "listen", config.listen);
    config.metricsListen = listenAddress(gateway, "metrics_listen", config.metricsListen);
    gateway.finish();

    ConfigTable eviction = root.table("eviction");
    config.evictionStrategy =
        eviction.oneOf("strategy", {QStringLiteral("lru"), QStringLiteral("priority")}, config.evictionStrategy);
    config.defragAfterCycles = eviction.count("defrag_after_cycles", config.defragAfterCycles);
    eviction.finish();

    config.neurons = readNeurons(root);
    config.modelsConfig = root.filePath("models_config");

    ConfigTable entitlements = root.table("entitlements");
    config.requireAuth = entitlements.boolean("require_auth", config.requireAuth);
    config.keys = readKeys(entitlements);
    if (config.requireAuth && config.keys.isEmpty())
        entitlements.fail("require_auth", QStringLiteral("nobody could pass: add [[entitlements.keys]]"));
    entitlements.finish();

    root.finish();
    source.finish();
    return config;
}

Catalogue parseCatalogue(const QByteArray& text, const QString& path)
{
    ConfigSource source(text, path, {}, {});
    ConfigTable root = source.root();
    Catalogue catalogue;
    QSet<QString> ids;
    for (ConfigTable& table : root.tables("models"))
        catalogue.models.append(readModel(table, ids));
    readAliases(root.table("aliases"), ids, catalogue);
    root.finish();
    return catalogue;
}

QStringList doubtsAbout(const GatewayConfig& config, const Catalogue& catalogue)
{
    QStringList doubts;
    if (!config.requireAuth && !config.keys.isEmpty())
        doubts.append(
            QStringLiteral("there are [[entitlements.keys]], but nobody has to show one: require_auth is off"));
    QStringList nodes;
    for (const NeuronEntry& neuron : config.neurons)
        nodes.append(neuron.name);
    for (const CatalogueModel& model : catalogue.models) {
        for (const QString& node : model.pinnedOn) {
            if (!nodes.contains(node))
                doubts.append(QStringLiteral("model \"%1\" is pinned_on \"%2\", which is no node of [[neurons]]")
                                  .arg(model.id, node));
        }
    }
    return doubts;
}

GatewayConfig loadGatewayConfig(const QString& path, const QProcessEnvironment& environment)
{
    return parseGatewayConfig(readConfigFile(path), path, environment);
}

Catalogue loadCatalogue(const QString& path)
{
    return parseCatalogue(readConfigFile(path), path);
}

} // namespace cortex
