// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/hub/hubsettings.h"

#include <QDir>
#include <QFile>

#include <algorithm>

namespace cortex::neuron {

namespace {

QString expanded(QString path, const QString& home)
{
    if (path == QLatin1String("~") || path.startsWith(QLatin1String("~/")))
        path.replace(0, 1, home);
    return QDir::cleanPath(path);
}

QUrl endpointUrl(QString text)
{
    while (text.endsWith(QLatin1Char('/')))
        text.chop(1);
    return QUrl(text);
}

QByteArray tokenFromFile(const QString& path)
{
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? file.read(4096).trimmed() : QByteArray();
}

bool isTrue(const QString& value)
{
    const QString word = value.trimmed().toLower();
    return word == QLatin1String("1") || word == QLatin1String("true") || word == QLatin1String("yes")
        || word == QLatin1String("on");
}

} // namespace

HubSettings hubSettings(const QProcessEnvironment& environment)
{
    const QString home = environment.value(QStringLiteral("HOME"), QDir::homePath());
    const QString cacheHome = environment.value(QStringLiteral("XDG_CACHE_HOME"), home + QStringLiteral("/.cache"));
    const QString hubHome =
        expanded(environment.value(QStringLiteral("HF_HOME"), cacheHome + QStringLiteral("/huggingface")), home);

    HubSettings settings;
    settings.endpoint =
        endpointUrl(environment.value(QStringLiteral("HF_ENDPOINT"), QStringLiteral("https://huggingface.co")));
    settings.cacheDirectory =
        expanded(environment.value(QStringLiteral("HF_HUB_CACHE"), hubHome + QStringLiteral("/hub")), home);
    settings.token = environment.value(QStringLiteral("HF_TOKEN")).trimmed().toUtf8();
    if (settings.token.isEmpty())
        settings.token = tokenFromFile(
            expanded(environment.value(QStringLiteral("HF_TOKEN_PATH"), hubHome + QStringLiteral("/token")), home));
    settings.offline = isTrue(environment.value(QStringLiteral("HF_HUB_OFFLINE")));
    return settings;
}

HubSettings hubSettings(const QProcessEnvironment& environment, const NeuronConfig& config)
{
    HubSettings settings = hubSettings(environment);
    if (config.sources.isEmpty())
        return settings;
    const auto named = std::find_if(config.sources.begin(), config.sources.end(), [](const ModelSource& source) {
        return source.name == QLatin1String("huggingface");
    });
    const ModelSource& source = named == config.sources.end() ? config.sources.first() : *named;
    if (!source.endpoint.isEmpty()) {
        // The user's token belongs to the hub that the environment names, not to another.
        const QUrl endpoint = endpointUrl(source.endpoint);
        if (endpoint != settings.endpoint)
            settings.token.clear();
        settings.endpoint = endpoint;
    }
    if (!source.cacheDirectory.isEmpty())
        settings.cacheDirectory = source.cacheDirectory;
    if (!source.authEnvironment.isEmpty())
        settings.token = environment.value(source.authEnvironment).trimmed().toUtf8();
    return settings;
}

} // namespace cortex::neuron
