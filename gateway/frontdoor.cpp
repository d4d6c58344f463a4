// SPDX-License-Identifier: GPL-3.0-only
#include "gateway/frontdoor.h"

#include "core/error.h"
#include "core/version.h"
#include "gateway/modellist.h"

#include <QJsonArray>
#include <QJsonDocument>

namespace cortex {

namespace {

constexpr qsizetype maxOrderBytes = 64 * 1024;

void respondError(const std::shared_ptr<ResponseStream>& response, const RouteError& error)
{
    response->respondJson(error.status, error.toJson(), error.headers());
}

/// The optional {"node"} of an operator's order. Throws InputError, which the server answers with 400.
QString nodeOf(const QByteArray& body)
{
    if (body.size() > maxOrderBytes)
        throw InputError(QStringLiteral("The body of an order has at most %1 bytes.").arg(maxOrderBytes));
    if (body.trimmed().isEmpty())
        return {};
    const QJsonDocument document = QJsonDocument::fromJson(body);
    const QJsonValue node = document.object().value(QLatin1String("node"));
    if (!document.isObject() || (!node.isUndefined() && !node.isNull() && !node.isString()))
        throw InputError(QStringLiteral("The body must be empty or a JSON object such as {\"node\": \"NAME\"}."));
    return node.toString();
}

void respondOperation(const std::shared_ptr<ResponseStream>& response, const ModelRouter::Operation& operation,
                      const QString& model, bool load)
{
    if (operation.error) {
        respondError(response, *operation.error);
        return;
    }
    const QString done = load ? QStringLiteral("loaded") : QStringLiteral("unloaded");
    response->respondJson(operation.done ? 200 : 202,
                          {{QStringLiteral("status"), operation.done ? done : QStringLiteral("loading")},
                           {QStringLiteral("model"), model},
                           {QStringLiteral("node"), operation.node}});
}

} // namespace

FrontDoor::FrontDoor(HttpServer& server, const GatewayConfig& config, FleetStore& store, ModelRouter& router,
                     Proxy& proxy, FleetEvents& events)
    : m_server(server)
    , m_authenticator(config)
    , m_store(store)
    , m_router(router)
    , m_proxy(proxy)
    , m_events(events)
{
    m_server.setAdmission([this](const HttpRequest& head) { return admit(head); });
    m_server.route("GET", QStringLiteral("/"),
                   [this](const HttpRequest&, const Response& response) { about(response); });
    m_server.route("GET", QStringLiteral("/health"),
                   [this](const HttpRequest&, const Response& response) { health(response); });
    setClientRoutes();
    setOperatorRoutes();
}

/// A key is asked for before a request's body, and at every path but two: probes and load balancers have none.
std::optional<HttpRefusal> FrontDoor::admit(const HttpRequest& head) const
{
    if (head.path == QLatin1String("/") || head.path == QLatin1String("/health"))
        return std::nullopt;
    const std::optional<RouteError> refusal = m_authenticator.check(head.headers);
    if (!refusal)
        return std::nullopt;
    HttpHeaders headers = refusal->headers();
    headers.append("WWW-Authenticate", "Bearer"); // a 401 has to say what it asks for (RFC 9110, 15.5.2)
    return HttpRefusal{.status = refusal->status,
                       .body = QJsonDocument(refusal->toJson()).toJson(QJsonDocument::Compact),
                       .headers = headers};
}

void FrontDoor::setClientRoutes()
{
    for (const char* path : {"/v1/chat/completions", "/v1/completions"}) {
        const QString route = QString::fromLatin1(path);
        m_server.route("POST", route, [this, route](const HttpRequest& request, const Response& response) {
            m_proxy.forward(request, response, route);
        });
    }
    m_server.route("GET", QStringLiteral("/v1/models"), [this](const HttpRequest&, const Response& response) {
        response->respondJson(200, modelList(m_store.state().snapshot(), m_created));
    });
    m_server.route("GET", QStringLiteral("/v1/models/{id}"),
                   [this](const HttpRequest& request, const Response& response) { model(request, response); });
}

void FrontDoor::setOperatorRoutes()
{
    m_server.route("GET", QStringLiteral("/api/fleet"), [this](const HttpRequest&, const Response& response) {
        response->respondJson(200, toJson(m_store.state().snapshot()));
    });
    m_server.route("GET", QStringLiteral("/api/events"), [this](const HttpRequest&, const Response& response) {
        m_events.add(response, m_store.state().snapshot());
    });
    m_server.route("POST", QStringLiteral("/api/models/{id}/load"),
                   [this](const HttpRequest& request, const Response& response) { operate(request, response, true); });
    m_server.route("POST", QStringLiteral("/api/models/{id}/unload"),
                   [this](const HttpRequest& request, const Response& response) { operate(request, response, false); });
}

void FrontDoor::about(const Response& response) const
{
    const QJsonArray paths{QStringLiteral("/v1/models"),      QStringLiteral("/v1/chat/completions"),
                           QStringLiteral("/v1/completions"), QStringLiteral("/health"),
                           QStringLiteral("/api/fleet"),      QStringLiteral("/api/events")};
    response->respondJson(200,
                          {{QStringLiteral("service"), QStringLiteral("cortex gateway")},
                           {QStringLiteral("version"), version()},
                           {QStringLiteral("paths"), paths}});
}

void FrontDoor::health(const Response& response) const
{
    const FleetState& state = m_store.state();
    int online = 0;
    int loaded = 0;
    for (int i = 0; i < state.nodeCount(); ++i) {
        const NodeSnapshot& node = state.node(i);
        if (node.status != NodeStatus::Online)
            continue;
        ++online;
        for (const NodeModel& here : node.models)
            loaded += here.status == ModelStatus::Loaded ? 1 : 0;
    }
    response->respondJson(200,
                          {{QStringLiteral("status"), QStringLiteral("ok")},
                           {QStringLiteral("version"), version()},
                           {QStringLiteral("nodes"), state.nodeCount()},
                           {QStringLiteral("nodes_online"), online},
                           {QStringLiteral("replicas_loaded"), loaded}});
}

void FrontDoor::model(const HttpRequest& request, const Response& response) const
{
    const QString id = request.captures.value(QStringLiteral("id"));
    if (const std::optional<QJsonObject> entry = modelListEntry(m_store.state().snapshot(), id, m_created))
        response->respondJson(200, *entry);
    else
        respondError(response, modelNotFound(id));
}

void FrontDoor::operate(const HttpRequest& request, const Response& response, bool load)
{
    const QString name = request.captures.value(QStringLiteral("id"));
    const QString id = m_store.state().resolve(name);
    if (id.isEmpty()) {
        respondError(response, modelNotFound(name));
        return;
    }
    const QString node = nodeOf(request.body);
    const auto done = [response, id, load](const ModelRouter::Operation& operation) {
        respondOperation(response, operation, id, load);
    };
    if (load)
        m_router.load(id, node, done);
    else
        m_router.unload(id, node, done);
}

} // namespace cortex
