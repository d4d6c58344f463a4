// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/api/nodeapi.h"

#include "core/version.h"
#include "neuron/daemon/apierror.h"

#include <QJsonArray>
#include <QJsonDocument>
#include <QRegularExpression>

namespace cortex::neuron {

namespace {

using Response = std::shared_ptr<ResponseStream>;

QByteArray compact(const QJsonObject& object)
{
    return QJsonDocument(object).toJson(QJsonDocument::Compact);
}

QByteArray modelsJson(const ModelRegistry& registry)
{
    QJsonArray list;
    for (const KnownModel& known : registry.models())
        list.append(toJson(known.model));
    return QJsonDocument(list).toJson(QJsonDocument::Compact);
}

} // namespace

NodeApi::NodeApi(DeviceMonitor& devices, ModelRegistry& registry, ModelManager& manager, Metrics& metrics)
    : m_devices(devices)
    , m_registry(registry)
    , m_manager(manager)
    , m_metrics(metrics)
{
    m_uptime.start();
    m_readings = m_devices.read();
    m_everySecond.setInterval(1000);
    connect(&m_everySecond, &QTimer::timeout, this, &NodeApi::readDevices);
    m_everySecond.start();
    connect(&m_registry, &ModelRegistry::changed, this, [this](const NodeModel& model) {
        m_events.broadcast({"model", compact(toJson(model))});
    });
    connect(&m_registry, &ModelRegistry::gone, this, [this](const QString& id) {
        m_events.broadcast({"gone", compact({{QStringLiteral("id"), id}})});
    });
}

void NodeApi::addRoutes(HttpServer& server)
{
    server.route("GET", QStringLiteral("/discovery"), [this](const HttpRequest&, const Response& response) {
        response->respondJson(200, toJson(m_devices.discovery()));
    });
    server.route("GET", QStringLiteral("/health"), [this](const HttpRequest&, const Response& response) {
        response->respondJson(200, toJson(health()));
    });
    server.route("GET", QStringLiteral("/models"), [this](const HttpRequest&, const Response& response) {
        response->respond(200, "application/json", modelsJson(m_registry));
    });
    server.route("GET", QStringLiteral("/models/{id}/endpoint"),
                 [this](const HttpRequest& request, const Response& response) { sendEndpoint(request, *response); });
    server.route("GET", QStringLiteral("/events"),
                 [this](const HttpRequest&, const Response& response) { addListener(response); });
    server.route("GET", QStringLiteral("/metrics"), [this](const HttpRequest&, const Response& response) {
        response->respond(200, "text/plain; version=0.0.4; charset=utf-8", m_metrics.text(health()));
    });
    server.route("GET", QStringLiteral("/version"), [](const HttpRequest&, const Response& response) {
        response->respondJson(
            200, {{QStringLiteral("name"), QStringLiteral("neuron")}, {QStringLiteral("version"), version()}});
    });
}

Health NodeApi::health() const
{
    Health health;
    health.uptimeSeconds = m_uptime.elapsed() / 1000;
    health.activation = m_manager.activation();
    health.devices = m_readings;
    health.models = m_manager.activity();
    return health;
}

void NodeApi::readDevices()
{
    m_readings = m_devices.read();
    if (!m_events.isEmpty())
        m_events.broadcast({"health", compact(toJson(health()))});
}

void NodeApi::addListener(const Response& response)
{
    m_events.add(response,
                 {{"discovery", compact(toJson(m_devices.discovery()))},
                  {"models", modelsJson(m_registry)},
                  {"health", compact(toJson(health()))}});
}

void NodeApi::sendEndpoint(const HttpRequest& request, ResponseStream& response) const
{
    const QString name = request.captures.value(QStringLiteral("id"));
    const KnownModel* known = m_registry.find(m_registry.resolve(name));
    if (!known)
        return ApiError::modelNotFound(QStringLiteral("The model `%1` does not exist on this node").arg(name))
            .send(response);
    if (known->model.status != ModelStatus::Loaded) {
        return ApiError(409, QStringLiteral("invalid_request_error"), QStringLiteral("model_not_loaded"),
                        QStringLiteral("The model `%1` is %2").arg(name, toString(known->model.status)))
            .send(response);
    }
    // The address by which this client reached us is one that works for it.
    static const QRegularExpression plainHost(QStringLiteral("^[A-Za-z0-9.:\\[\\]_-]+$"));
    const QString host = QString::fromLatin1(request.headers.value("Host"));
    if (!plainHost.match(host).hasMatch())
        return ApiError::badRequest(QStringLiteral("the request needs a Host header to answer with an address"))
            .send(response);
    response.respondJson(200, {{QStringLiteral("url"), QStringLiteral("http://%1/v1").arg(host)}});
}

void NodeApi::close()
{
    m_everySecond.stop();
    m_events.close();
}

} // namespace cortex::neuron
