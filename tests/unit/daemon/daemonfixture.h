// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/http/httpclient.h"
#include "core/sse.h"
#include "fakeengine.h"
#include "neuron/daemon/daemon.h"

#include <QJsonArray>
#include <QJsonDocument>
#include <QTemporaryDir>

#include <memory>

namespace cortex::neuron::test {

/// An answer, whole.
struct HttpAnswer {
    int status = 0;
    HttpHeaders headers;
    QByteArray body;
    QJsonObject json() const { return QJsonDocument::fromJson(body).object(); }
    QJsonObject error() const { return json().value(QLatin1String("error")).toObject(); }
};

/// An event stream being read.
class EventReader : public QObject {
public:
    explicit EventReader(HttpReply* reply);
    ~EventReader() override;
    int status() const { return m_reply->status(); }
    const HttpHeaders& headers() const { return m_reply->headers(); }
    const QList<SseEvent>& events() const { return m_events; }
    bool isFinished() const { return m_reply->isFinished(); }
    /// The events' data as JSON ("[DONE]" as an empty object).
    QList<QJsonObject> json() const;
    /// Closes the connection, as a client that goes away does.
    void hangUp() { m_reply->abort(); }

private:
    std::unique_ptr<HttpReply> m_reply;
    SseParser m_parser;
    QList<SseEvent> m_events;
};

/// A daemon over fake engines on a free port, with a folder of models that are empty files.
class DaemonFixture {
public:
    /// `files`: names in the models folder; a name that ends in "/" is a folder.
    explicit DaemonFixture(const QStringList& files, ModelFetcher* fetcher = nullptr, const QStringList& load = {},
                           std::chrono::milliseconds scanInterval = std::chrono::minutes(10));

    void addFile(const QString& name);
    void removeFile(const QString& name);
    QString path(const QString& name) const { return m_folder.filePath(name); }

    HttpAnswer send(const QByteArray& method, const QString& path, const QByteArray& body = {});
    HttpAnswer get(const QString& path) { return send("GET", path); }
    HttpAnswer post(const QString& path, const QByteArray& body) { return send("POST", path, body); }
    /// A request whose answer is waited for elsewhere.
    std::unique_ptr<HttpReply> begin(const QByteArray& method, const QString& path, const QByteArray& body = {});
    std::unique_ptr<EventReader> stream(const QByteArray& method, const QString& path, const QByteArray& body = {});

    QJsonObject model(const QString& id); ///< of GET /models; empty where it is not listed
    QString status(const QString& id) { return model(id).value(QLatin1String("status")).toString(); }
    bool load(const QString& id); ///< and waits until it is loaded

    FakeEngines engines; // before the daemon, which uses them to the end
    std::unique_ptr<Daemon> daemon;
    HttpClient client;

private:
    QTemporaryDir m_folder;
};

HttpAnswer answerOf(const HttpReply& reply);

} // namespace cortex::neuron::test
