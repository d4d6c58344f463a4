// SPDX-License-Identifier: GPL-3.0-only
#include "gateway/gateway.h"

#include "core/error.h"
#include "gateway/frontdoor.h"
#include "gateway/nodeapi.h"
#include "gateway/nodewatcher.h"

#include <QLoggingCategory>

namespace cortex {

Q_LOGGING_CATEGORY(lcGateway, "cortex.gateway")

namespace {

QHash<QString, QUrl> endpointsOf(const GatewayConfig& config)
{
    QHash<QString, QUrl> endpoints;
    for (const NeuronEntry& neuron : config.neurons)
        endpoints.insert(neuron.name, neuron.endpoint);
    return endpoints;
}

void logLoad(const QString& model, const QString& node, const QString& error)
{
    if (error.isEmpty())
        qCInfo(lcGateway).noquote() << QStringLiteral("%1 is loaded on %2").arg(model, node);
    else
        qCWarning(lcGateway).noquote() << QStringLiteral("loading %1 on %2 failed: %3").arg(model, node, error);
}

} // namespace

/// The parts, in the order in which they need each other; they are taken down in reverse.
class Gateway::Private {
public:
    Private(const GatewayConfig& config, const Catalogue& catalogue)
        : store(config.neurons, catalogue)
        , nodeApi(client, endpointsOf(config))
        , router(store, nodeApi)
        , proxy({store, router, client, metrics, meter, {}})
        , frontDoor(server, config, store, router, proxy, events)
    {
    }

    HttpClient client;
    FleetStore store;
    NodeApi nodeApi;
    ModelRouter router;
    Metrics metrics;
    ThroughputMeter meter;
    HttpServer server;
    HttpServer metricsServer;
    FleetEvents events;
    Proxy proxy;
    FrontDoor frontDoor;
    QTimer second;
    std::vector<std::unique_ptr<NodeWatcher>> watchers;
};

Gateway::Gateway(GatewayConfig config, Catalogue catalogue)
    : m_config(std::move(config))
    , m_catalogue(std::move(catalogue))
{
    qRegisterMetaType<FleetSnapshot>();
    qRegisterMetaType<ThroughputSample>();
}

Gateway::~Gateway() = default;

std::optional<QString> Gateway::start()
{
    d = std::make_unique<Private>(m_config, m_catalogue);
    wire();
    std::optional<QString> error = listen();
    if (error) {
        d.reset();
        return error;
    }
    for (const QString& doubt : doubtsAbout(m_config, m_catalogue))
        qCWarning(lcGateway).noquote() << doubt;
    for (const NeuronEntry& neuron : m_config.neurons) {
        d->watchers.push_back(std::make_unique<NodeWatcher>(d->client, d->store, neuron));
        d->watchers.back()->start();
    }
    d->second.start(1000);
    Q_EMIT fleetChanged(d->store.state().snapshot());
    return std::nullopt;
}

/// Connects the parts to each other and to our signals.
void Gateway::wire()
{
    connect(&d->store, &FleetStore::changed, this, [this] {
        const FleetSnapshot fleet = d->store.state().snapshot();
        d->events.publish(fleet);
        Q_EMIT fleetChanged(fleet);
    });
    connect(&d->second, &QTimer::timeout, this, [this] {
        const ThroughputSample sample = d->meter.take(d->store.state());
        d->events.publish(sample);
        Q_EMIT throughput(sample);
    });
    connect(&d->router, &ModelRouter::loadStarted, this, [this](const QString& model, const QString& node, bool byOperator) {
        qCInfo(lcGateway).noquote() << QStringLiteral("loading %1 on %2").arg(model, node);
        if (!byOperator)
            d->metrics.countColdStart(model, node);
    });
    connect(&d->router, &ModelRouter::loadEnded, this,
            [this](const QString& model, const QString& node, bool byOperator, const QString& error) {
                logLoad(model, node, error);
                if (byOperator && !error.isEmpty())
                    Q_EMIT operationFailed(QStringLiteral("Loading '%1' on %2 failed: %3").arg(model, node, error));
            });
    d->metricsServer.route("GET", QStringLiteral("/metrics"),
                           [this](const HttpRequest&, const std::shared_ptr<ResponseStream>& response) {
                               response->respond(200, "text/plain; version=0.0.4; charset=utf-8",
                                                 d->metrics.text(d->store.state(), d->router.waiting()));
                           });
}

std::optional<QString> Gateway::listen()
{
    try {
        const auto [address, port] = parseListenAddress(m_config.listen);
        if (std::optional<QString> error = d->server.listen(address, port))
            return error;
        const auto [metricsAddress, metricsPort] = parseListenAddress(m_config.metricsListen);
        return d->metricsServer.listen(metricsAddress, metricsPort);
    } catch (const InputError& error) {
        return error.message();
    }
}

void Gateway::stop(int graceMs)
{
    if (!d) {
        Q_EMIT stopped();
        return;
    }
    d->second.stop();
    d->watchers.clear();
    d->router.shutDown();
    d->events.closeAll();
    connect(
        &d->server, &HttpServer::closed, this,
        [this] {
            d->metricsServer.close(std::chrono::milliseconds(0));
            Q_EMIT stopped();
        },
        Qt::SingleShotConnection);
    d->server.close(std::chrono::milliseconds(graceMs));
}

quint16 Gateway::port() const
{
    return d ? d->server.port() : 0;
}

quint16 Gateway::metricsPort() const
{
    return d ? d->metricsServer.port() : 0;
}

void Gateway::loadModel(const QString& modelId, const QString& node)
{
    if (!d)
        return;
    d->router.load(modelId, node, [this](const ModelRouter::Operation& operation) {
        if (operation.error && !operation.ordered)
            Q_EMIT operationFailed(operation.error->message);
    });
}

void Gateway::unloadModel(const QString& modelId, const QString& node)
{
    if (!d)
        return;
    d->router.unload(modelId, node, [this](const ModelRouter::Operation& operation) {
        if (operation.error)
            Q_EMIT operationFailed(operation.error->message);
    });
}

} // namespace cortex
