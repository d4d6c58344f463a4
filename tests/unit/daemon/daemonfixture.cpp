// SPDX-License-Identifier: GPL-3.0-only
#include "daemonfixture.h"

#include <QDir>
#include <QFile>
#include <QFileInfo>
#include <QTest>

namespace cortex::neuron::test {

EventReader::EventReader(HttpReply* reply)
    : m_reply(reply)
{
    m_reply->setStreaming(true);
    connect(reply, &HttpReply::data, this, [this](const QByteArray& bytes) { m_events += m_parser.push(bytes); });
}

EventReader::~EventReader() = default;

QList<QJsonObject> EventReader::json() const
{
    QList<QJsonObject> list;
    for (const SseEvent& event : m_events)
        list.append(QJsonDocument::fromJson(event.data).object());
    return list;
}

DaemonFixture::DaemonFixture(const QStringList& files, ModelFetcher* fetcher, const QStringList& load,
                             std::chrono::milliseconds scanInterval)
{
    for (const QString& file : files)
        addFile(file);
    Daemon::Options options;
    options.config.port = 0;
    options.roots.directories = {m_folder.path()};
    options.load = load;
    options.devices.nvmlLibrary = QStringLiteral("/nonexistent/libnvidia-ml.so.1");
    options.scanInterval = scanInterval;
    daemon = std::make_unique<Daemon>(options, engines, fetcher);
    const auto failure = daemon->start();
    if (failure)
        qFatal("%s", qPrintable(*failure));
    // The folder is listed in the background; the tests begin with the models known.
    const auto known = [this] { return QJsonDocument::fromJson(get(QStringLiteral("/models")).body).array().size(); };
    if (!QTest::qWaitFor([&] { return known() == files.size(); }))
        qFatal("the daemon does not list its models");
}

void DaemonFixture::addFile(const QString& name)
{
    QDir().mkpath(QFileInfo(m_folder.filePath(name)).path());
    QFile file(path(name));
    if (!file.open(QIODevice::WriteOnly))
        qFatal("cannot write %s", qPrintable(file.fileName()));
}

void DaemonFixture::removeFile(const QString& name)
{
    QFile::remove(path(name));
}

HttpAnswer answerOf(const HttpReply& reply)
{
    return {reply.status(), reply.headers(), reply.body()};
}

std::unique_ptr<HttpReply> DaemonFixture::begin(const QByteArray& method, const QString& path, const QByteArray& body)
{
    HttpClientRequest request;
    request.method = method;
    request.url = QUrl(QStringLiteral("http://127.0.0.1:%1%2").arg(daemon->port()).arg(path));
    request.body = body;
    return std::unique_ptr<HttpReply>(client.send(request));
}

HttpAnswer DaemonFixture::send(const QByteArray& method, const QString& path, const QByteArray& body)
{
    const auto reply = begin(method, path, body);
    if (!QTest::qWaitFor([&] { return reply->isFinished(); }, 20'000))
        qFatal("no answer from %s", qPrintable(path));
    return answerOf(*reply);
}

std::unique_ptr<EventReader> DaemonFixture::stream(const QByteArray& method, const QString& path,
                                                   const QByteArray& body)
{
    return std::make_unique<EventReader>(begin(method, path, body).release());
}

QJsonObject DaemonFixture::model(const QString& id)
{
    const QJsonArray models = QJsonDocument::fromJson(get(QStringLiteral("/models")).body).array();
    for (const QJsonValue& value : models) {
        if (value.toObject().value(QLatin1String("id")).toString() == id)
            return value.toObject();
    }
    return {};
}

bool DaemonFixture::load(const QString& id)
{
    post(QStringLiteral("/models/load"),
         QJsonDocument(QJsonObject{{QStringLiteral("model_id"), id}}).toJson(QJsonDocument::Compact));
    return QTest::qWaitFor([&] { return status(id) == QLatin1String("loaded"); });
}

} // namespace cortex::neuron::test
