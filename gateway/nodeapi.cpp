// SPDX-License-Identifier: GPL-3.0-only
#include "gateway/nodeapi.h"

#include <QJsonDocument>
#include <QJsonObject>

namespace cortex {

namespace {
constexpr std::chrono::seconds loadTimeout{60};
constexpr std::chrono::seconds drain{30};
constexpr std::chrono::seconds unloadTimeout = drain + std::chrono::seconds(30);
} // namespace

QUrl nodeUrl(const QUrl& endpoint, const QString& path)
{
    QUrl url = endpoint;
    QString base = url.path();
    while (base.endsWith(QLatin1Char('/')))
        base.chop(1);
    url.setPath(base + path);
    url.setQuery(QString());
    return url;
}

QString errorTextOf(int status, const QByteArray& body)
{
    const QJsonValue error = QJsonDocument::fromJson(body).object().value(QLatin1String("error"));
    QString text = error.isObject() ? error.toObject().value(QLatin1String("message")).toString() : error.toString();
    const QString suggestion = error.toObject().value(QLatin1String("suggestion")).toString();
    if (!suggestion.isEmpty())
        text += QStringLiteral(" (%1)").arg(suggestion);
    return text.isEmpty() ? QStringLiteral("the node answered HTTP %1").arg(status) : text.left(2000);
}

NodeApi::NodeApi(HttpClient& client, const QHash<QString, QUrl>& endpoints, QObject* parent)
    : QObject(parent)
    , m_client(client)
    , m_endpoints(endpoints)
{
}

void NodeApi::load(const QString& node, const QString& nodeModelId, const QString& quant, Done done)
{
    QJsonObject body{{QStringLiteral("model_id"), nodeModelId}};
    if (!quant.isEmpty())
        body.insert(QStringLiteral("quant"), quant);
    post(node, QStringLiteral("/models/load"), body, loadTimeout, std::move(done));
}

void NodeApi::unload(const QString& node, const QString& nodeModelId, Done done)
{
    const QJsonObject body{{QStringLiteral("model_id"), nodeModelId},
                           {QStringLiteral("drain_seconds"), qint64(drain.count())}};
    post(node, QStringLiteral("/models/unload"), body, unloadTimeout, std::move(done));
}

void NodeApi::post(const QString& node, const QString& path, const QJsonObject& body, std::chrono::milliseconds timeout,
                   Done done)
{
    HttpClientRequest request;
    request.method = "POST";
    request.url = nodeUrl(m_endpoints.value(node), path);
    request.headers.append("Content-Type", "application/json");
    request.body = QJsonDocument(body).toJson(QJsonDocument::Compact);
    request.totalTimeout = timeout;
    request.maxBodyBytes = 1024 * 1024;
    HttpReply* reply = m_client.send(request);
    reply->setParent(this);
    connect(reply, &HttpReply::finished, this, [reply, done = std::move(done)] {
        reply->deleteLater();
        if (reply->failure() != HttpReply::Failure::None)
            done(reply->errorText());
        else if (reply->status() / 100 != 2)
            done(errorTextOf(reply->status(), reply->body()));
        else
            done(std::nullopt);
    });
}

} // namespace cortex
