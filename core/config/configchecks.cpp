// SPDX-License-Identifier: GPL-3.0-only
#include "core/config/configchecks.h"

#include "core/error.h"
#include "core/http/httpserver.h"

#include <QFile>

namespace cortex {

QByteArray readConfigFile(const QString& path)
{
    constexpr qint64 MaxBytes = 8 * 1024 * 1024;
    QFile file(path);
    if (!file.open(QIODevice::ReadOnly))
        throw InputError(QStringLiteral("%1: cannot be read: %2").arg(path, file.errorString()));
    const QByteArray text = file.read(MaxBytes + 1);
    if (file.error() != QFileDevice::NoError)
        throw InputError(QStringLiteral("%1: cannot be read: %2").arg(path, file.errorString()));
    if (text.size() > MaxBytes)
        throw InputError(QStringLiteral("%1: is larger than %2 bytes").arg(path).arg(MaxBytes));
    return text;
}

QString requireUnique(ConfigTable& table, const char* key, QSet<QString>& seen)
{
    const QString text = table.requiredString(key);
    if (seen.contains(text))
        table.fail(key, QStringLiteral("\"%1\" is there twice").arg(text));
    seen.insert(text);
    return text;
}

QUrl requireHttpUrl(ConfigTable& table, const char* key)
{
    const QString text = table.requiredString(key);
    const QUrl url(text, QUrl::StrictMode);
    const bool isHttp = url.scheme() == QLatin1String("http") || url.scheme() == QLatin1String("https");
    if (!url.isValid() || !isHttp || url.host().isEmpty())
        table.fail(key, QStringLiteral("\"%1\" is not an address such as http://192.168.1.20:13131").arg(text));
    if (url.hasQuery() || url.hasFragment())
        table.fail(key, QStringLiteral("a server's address has neither a query (?) nor a fragment (#)"));
    return url;
}

QString listenAddress(ConfigTable& table, const char* key, const QString& absent)
{
    const QString text = table.string(key, absent);
    try {
        parseListenAddress(text);
    } catch (const InputError& error) {
        table.fail(key, error.message());
    }
    return text;
}

QString interfaceAddress(ConfigTable& table, const char* key, const QString& absent)
{
    const QString text = table.string(key, absent);
    const bool isName = text == QLatin1String("localhost") || text == QLatin1String("*");
    if (!isName && QHostAddress(text).isNull())
        table.fail(key,
                   QStringLiteral("\"%1\" is not an IP address; write 127.0.0.1, 0.0.0.0 for every interface, or one "
                                  "of this machine's")
                       .arg(text));
    return text;
}

} // namespace cortex
