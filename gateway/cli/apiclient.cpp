// SPDX-License-Identifier: GPL-3.0-only
#include "gateway/cli/apiclient.h"

#include "core/error.h"

#include <QEventLoop>
#include <QJsonDocument>

#include <exception>
#include <memory>

namespace cortex::cli {

namespace {

QString unreachable(const QString& url, const HttpReply& reply)
{
    return QStringLiteral(
               "No gateway answers at %1: %2. Is 'cortex serve' or the console running there? (--url names another)")
        .arg(url, reply.errorText());
}

QString refusal(const HttpReply& reply, const QByteArray& body)
{
    const QJsonObject error = QJsonDocument::fromJson(body).object().value(QLatin1String("error")).toObject();
    QString text = error.value(QLatin1String("message")).toString();
    if (reply.status() == 401)
        text += QStringLiteral(" Set CORTEX_API_KEY.");
    return text.isEmpty() ? QStringLiteral("The gateway answered HTTP %1.").arg(reply.status()) : text;
}

} // namespace

ApiClient::ApiClient(const QString& url)
    : m_base(url, QUrl::StrictMode)
{
    const bool http = m_base.scheme() == QLatin1String("http") || m_base.scheme() == QLatin1String("https");
    if (!m_base.isValid() || !http || m_base.host().isEmpty())
        throw InputError(
            QStringLiteral("'%1' is no address of a gateway; it looks like http://127.0.0.1:31313.").arg(url));
}

HttpClientRequest ApiClient::request(const QByteArray& method, const QString& path) const
{
    HttpClientRequest request;
    request.method = method;
    request.url = m_base;
    QString base = m_base.path(QUrl::FullyEncoded);
    while (base.endsWith(QLatin1Char('/')))
        base.chop(1);
    request.url.setPath(base + path, QUrl::StrictMode);
    request.connectTimeout = std::chrono::seconds(5);
    const QByteArray key = qgetenv("CORTEX_API_KEY");
    if (!key.isEmpty())
        request.headers.append("Authorization", "Bearer " + key);
    return request;
}

QJsonObject ApiClient::await(HttpReply* reply)
{
    const std::unique_ptr<HttpReply> owned(reply);
    QEventLoop loop;
    QObject::connect(reply, &HttpReply::finished, &loop, &QEventLoop::quit);
    if (!reply->isFinished())
        loop.exec();
    if (reply->failure() != HttpReply::Failure::None)
        throw InputError(unreachable(url(), *reply));
    if (reply->status() / 100 != 2)
        throw InputError(refusal(*reply, reply->body()));
    const QJsonDocument document = QJsonDocument::fromJson(reply->body());
    if (!document.isObject())
        throw InputError(QStringLiteral("What answers at %1 is no cortex gateway.").arg(url()));
    return document.object();
}

QJsonObject ApiClient::get(const QString& path)
{
    HttpClientRequest asked = request("GET", path);
    asked.totalTimeout = std::chrono::seconds(30);
    return await(m_client.send(asked));
}

QJsonObject ApiClient::post(const QString& path, const QJsonObject& body)
{
    HttpClientRequest asked = request("POST", path);
    asked.headers.append("Content-Type", "application/json");
    asked.body = QJsonDocument(body).toJson(QJsonDocument::Compact);
    asked.totalTimeout = std::chrono::seconds(120);
    return await(m_client.send(asked));
}

void ApiClient::follow(const std::function<bool(const SseEvent& event)>& onEvent)
{
    HttpClientRequest asked = request("GET", QStringLiteral("/api/events"));
    asked.headers.append("Accept", "text/event-stream");
    asked.idleTimeout = std::chrono::seconds(15);
    const std::unique_ptr<HttpReply> reply(m_client.send(asked));
    reply->setStreaming(true);
    SseParser parser;
    QEventLoop loop;
    QByteArray refused;
    bool enough = false;
    std::exception_ptr thrown; // an exception must not cross the event loop
    QObject::connect(reply.get(), &HttpReply::data, &loop, [&](const QByteArray& bytes) {
        if (reply->status() != 200) {
            refused += bytes;
            return;
        }
        try {
            for (const SseEvent& event : parser.push(bytes)) {
                enough = enough || !onEvent(event);
                if (enough)
                    break;
            }
        } catch (...) {
            thrown = std::current_exception();
        }
        if (enough || thrown)
            loop.quit();
    });
    QObject::connect(reply.get(), &HttpReply::finished, &loop, &QEventLoop::quit);
    loop.exec();
    if (thrown)
        std::rethrow_exception(thrown);
    if (enough)
        return;
    if (reply->failure() != HttpReply::Failure::None)
        throw InputError(unreachable(url(), *reply));
    if (reply->status() != 200)
        throw InputError(refusal(*reply, refused));
    throw InputError(QStringLiteral("The gateway at %1 has stopped.").arg(url()));
}

QString modelPath(const QString& id, const QString& action)
{
    return QStringLiteral("/api/models/%1/%2").arg(QString::fromLatin1(QUrl::toPercentEncoding(id, "/:")), action);
}

} // namespace cortex::cli
