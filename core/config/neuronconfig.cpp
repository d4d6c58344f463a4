// SPDX-License-Identifier: GPL-3.0-only
#include "core/config/neuronconfig.h"

#include "core/config/configchecks.h"
#include "core/config/configreader.h"

namespace cortex {

namespace {

DefaultModel readDefaultModel(ConfigTable& table)
{
    DefaultModel model;
    model.modelId = table.requiredString("model_id");
    model.quant = table.string("quant");
    model.devices = table.counts("devices");
    table.finish();
    return model;
}

ModelSource readSource(const QString& name, ConfigTable& table)
{
    ModelSource source;
    source.name = name;
    source.endpoint = requireHttpUrl(table, "endpoint").toString(QUrl::FullyEncoded);
    source.authEnvironment = table.string("auth_env");
    source.cacheDirectory = table.filePath("cache_dir");
    table.finish();
    return source;
}

} // namespace

NeuronConfig parseNeuronConfig(const QByteArray& text, const QString& path, const QProcessEnvironment& environment)
{
    ConfigSource source(text, path, QStringLiteral("NEURON"), environment);
    ConfigTable root = source.root();
    NeuronConfig config;
    config.listen = interfaceAddress(root, "listen", config.listen);
    config.port = static_cast<quint16>(root.integer("port", config.port, 0, 65535));
    config.threads = static_cast<int>(root.integer("threads", config.threads, 0, 4096));
    for (ConfigTable& table : root.tables("default_models"))
        config.defaultModels.append(readDefaultModel(table));

    ConfigTable models = root.table("models");
    config.modelDirectories = models.filePaths("dirs");
    config.offersBuiltinModels = models.boolean("builtin", config.offersBuiltinModels);
    models.finish();

    for (auto& [name, table] : root.namedTables("sources"))
        config.sources.append(readSource(name, table));

    ConfigTable prefixCache = root.table("prefix_cache");
    config.prefixCacheEnabled = prefixCache.boolean("enabled", config.prefixCacheEnabled);
    prefixCache.finish();

    root.finish();
    source.finish();
    return config;
}

NeuronConfig loadNeuronConfig(const QString& path, const QProcessEnvironment& environment)
{
    return parseNeuronConfig(path.isEmpty() ? QByteArray() : readConfigFile(path), path, environment);
}

} // namespace cortex
