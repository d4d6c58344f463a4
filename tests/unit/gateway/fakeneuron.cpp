// SPDX-License-Identifier: GPL-3.0-only
#include "fakeneuron.h"

#include "core/sse.h"

#include <QJsonDocument>
#include <QTest>

namespace cortex {

namespace {
QByteArray compact(const QJsonObject& json)
{
    return QJsonDocument(json).toJson(QJsonDocument::Compact);
}
} // namespace

FakeNeuron::FakeNeuron(bool hasEvents)
    : m_hasEvents(hasEvents)
{
    m_second.setInterval(200);
    connect(&m_second, &QTimer::timeout, this, &FakeNeuron::publishHealth);
}

quint16 FakeNeuron::listen(quint16 port)
{
    m_server = std::make_unique<HttpServer>();
    setRoutes();
    const std::optional<QString> error = m_server->listen(QHostAddress(QHostAddress::LocalHost), port);
    if (error)
        qFatal("FakeNeuron: %s", qPrintable(*error));
    m_port = m_server->port();
    m_second.start();
    return m_port;
}

QUrl FakeNeuron::endpoint() const
{
    return QUrl(QStringLiteral("http://127.0.0.1:%1").arg(m_port));
}

void FakeNeuron::close()
{
    m_second.stop();
    dropListeners();
    m_server->close(std::chrono::milliseconds(0));
    m_server.reset();
}

NodeModel* FakeNeuron::find(const QString& id)
{
    for (NodeModel& model : m_models) {
        if (model.id == id)
            return &model;
    }
    return nullptr;
}

void FakeNeuron::addModel(const QString& id, ModelStatus status)
{
    NodeModel model;
    model.id = id;
    model.harness = QStringLiteral("native");
    model.limit.context = 4096;
    m_models.append(model);
    setStatus(id, status);
}

void FakeNeuron::setStatus(const QString& id, ModelStatus status, double fraction, const QString& detail)
{
    NodeModel* model = find(id);
    model->status = status;
    model->progress.reset();
    if (status == ModelStatus::Loading || status == ModelStatus::Downloading)
        model->progress = ModelProgress{QStringLiteral("reading"), fraction, 0, 0, 0};
    model->servable.reset();
    if (status == ModelStatus::Failed)
        model->servable = Servable{false, QStringLiteral("load_failed"), detail};
    if (status == ModelStatus::Loaded && !m_activity.contains(id))
        m_activity.insert(id, ModelActivity{.id = id, .maxInFlight = 32, .maxQueueDepth = 64});
    if (status != ModelStatus::Loaded)
        m_activity.remove(id);
    publish("model", compact(toJson(*model)));
    publishHealth();
}

void FakeNeuron::removeModel(const QString& id)
{
    m_models.removeIf([&](const NodeModel& model) { return model.id == id; });
    m_activity.remove(id);
    publish("gone", compact({{QStringLiteral("id"), id}}));
}

ModelStatus FakeNeuron::status(const QString& id) const
{
    for (const NodeModel& model : m_models) {
        if (model.id == id)
            return model.status;
    }
    return ModelStatus::Unloaded;
}

void FakeNeuron::setActivity(const ModelActivity& activity)
{
    m_activity.insert(activity.id, activity);
    publishHealth();
}

void FakeNeuron::publish(const QByteArray& event, const QByteArray& data)
{
    sendRaw(sseFrame(event, data));
}

void FakeNeuron::publishHealth()
{
    publish("health", compact(toJson(health())));
}

void FakeNeuron::sendRaw(const QByteArray& bytes)
{
    for (const auto& listener : m_listeners)
        listener->write(bytes);
}

void FakeNeuron::dropListeners()
{
    const auto listeners = std::exchange(m_listeners, {});
    for (const auto& listener : listeners) {
        listener->disconnect(this);
        listener->abort();
    }
}

Discovery FakeNeuron::discovery() const
{
    Discovery discovery;
    discovery.hostname = QStringLiteral("fake");
    discovery.os = QStringLiteral("test");
    discovery.kernel = QStringLiteral("0");
    discovery.harnesses = QStringList{QStringLiteral("native")};
    discovery.devices = {DeviceInfo{0, QStringLiteral("Test CPU"), DeviceKind::Cpu, 16384, {}}};
    return discovery;
}

Health FakeNeuron::health() const
{
    Health health;
    health.uptimeSeconds = 1;
    health.activation = QStringLiteral("idle");
    health.devices = {DeviceReading{
        .index = 0, .vramUsedMb = 4096, .vramFreeMb = 12288, .utilizationPct = 25, .temperatureC = {}, .powerW = {}}};
    health.models = m_activity.values();
    return health;
}

QByteArray FakeNeuron::modelsJson() const
{
    QJsonArray array;
    for (const NodeModel& model : m_models)
        array.append(toJson(model));
    return QJsonDocument(array).toJson(QJsonDocument::Compact);
}

void FakeNeuron::setRoutes()
{
    using Response = std::shared_ptr<ResponseStream>;
    HttpServer& server = *m_server;
    server.route("GET", QStringLiteral("/discovery"), [this](const HttpRequest&, const Response& response) {
        response->respondJson(200, toJson(discovery()));
    });
    server.route("GET", QStringLiteral("/health"), [this](const HttpRequest&, const Response& response) {
        response->respondJson(200, toJson(health()));
    });
    server.route("GET", QStringLiteral("/models"), [this](const HttpRequest&, const Response& response) {
        response->respond(200, "application/json", modelsJson());
    });
    if (m_hasEvents) {
        server.route("GET", QStringLiteral("/events"), [this](const HttpRequest&, const Response& response) {
            response->beginEventStream();
            response->write(sseFrame("discovery", compact(toJson(discovery()))));
            response->write(sseFrame("models", modelsJson()));
            response->write(sseFrame("health", compact(toJson(health()))));
            ResponseStream* raw = response.get();
            connect(raw, &ResponseStream::disconnected, this, [this, raw] {
                std::erase_if(m_listeners, [&](const Response& listener) { return listener.get() == raw; });
            });
            m_listeners.push_back(response);
        });
    }
    server.route("POST", QStringLiteral("/models/load"), [this](const HttpRequest& request, const Response& response) {
        ++loadOrders;
        if (onLoad) {
            onLoad(request, response);
            return;
        }
        const QString id = QJsonDocument::fromJson(request.body).object().value(QLatin1String("model_id")).toString();
        if (!find(id))
            addModel(id);
        setStatus(id, ModelStatus::Loading);
        response->respondJson(200, {{QStringLiteral("status"), QStringLiteral("loading")}});
    });
    server.route("POST", QStringLiteral("/models/unload"),
                 [this](const HttpRequest& request, const Response& response) {
                     ++unloadOrders;
                     const QString id =
                         QJsonDocument::fromJson(request.body).object().value(QLatin1String("model_id")).toString();
                     setStatus(id, ModelStatus::Unloaded);
                     response->respondJson(200, {{QStringLiteral("status"), QStringLiteral("unloaded")}});
                 });
    for (const char* path : {"/v1/chat/completions", "/v1/completions"}) {
        server.route("POST", QString::fromLatin1(path), [this](const HttpRequest& request, const Response& response) {
            completionBodies.append(request.body);
            if (onCompletion)
                onCompletion(request, response);
        });
    }
}

} // namespace cortex
