// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/daemon.h"

#include "neuron/daemon/hub/hubsettings.h"
#include "neuron/engine/engine.h"

#include <QLoggingCategory>

Q_LOGGING_CATEGORY(lcDaemon, "neuron.daemon")

namespace cortex::neuron {

Daemon::Daemon(const Options& options, EngineFactory& engines, ModelFetcher* fetcher)
    : m_options(options)
    , m_devices(options.devices)
    , m_manager(m_registry, engines, fetcher, m_queue, {options.roots, options.config.threads, options.scanInterval})
    , m_nodeApi(m_devices, m_registry, m_manager, m_metrics)
    , m_lifecycleApi(m_manager)
    , m_inferenceApi(m_manager, m_registry, m_metrics, m_queue)
{
    m_nodeApi.addRoutes(m_server);
    m_lifecycleApi.addRoutes(m_server);
    m_inferenceApi.addRoutes(m_server);
}

Daemon::~Daemon() = default;

std::optional<QString> Daemon::start()
{
    QHostAddress address;
    if (!address.setAddress(m_options.config.listen))
        return QStringLiteral("listen: \"%1\" is not an IP address").arg(m_options.config.listen);
    if (const auto failure = m_server.listen(address, m_options.config.port))
        return failure;
    for (const DeviceInfo& device : m_devices.discovery().devices)
        qCInfo(lcDaemon).noquote() << "device" << device.index << device.name << "with" << device.vramTotalMb << "MB";
    if (const auto reason = m_devices.discovery().cudaUnavailableReason)
        qCInfo(lcDaemon).noquote() << "computing on the CPU:" << *reason;
    m_manager.start([this] {
        qCInfo(lcDaemon).noquote()
            << "models known:" << m_registry.models().size() << "in"
            << (m_options.roots.directories + m_options.roots.hubCaches).join(QLatin1String(", "));
        loadDefaults();
    });
    return std::nullopt;
}

void Daemon::loadDefaults()
{
    QList<LoadRequest> requests;
    for (const DefaultModel& model : std::as_const(m_options.config.defaultModels)) {
        LoadRequest request;
        request.modelId = model.modelId;
        request.quant = model.quant;
        request.devices = model.devices;
        requests.append(request);
    }
    for (const QString& id : std::as_const(m_options.load)) {
        LoadRequest request;
        request.modelId = id;
        requests.append(request);
    }
    for (const LoadRequest& request : requests) {
        m_manager.load(request, [id = request.modelId](const Answer<ModelStatus>& answer) {
            if (answer.error)
                qCWarning(lcDaemon).noquote() << "default model" << id << "is not loaded:" << answer.error->message;
        });
    }
}

void Daemon::stop(std::chrono::milliseconds grace)
{
    // Answers cut short at the end of the grace still have to be told so.
    constexpr std::chrono::seconds LastWords{2};
    m_stillStopping = 2;
    connect(&m_server, &HttpServer::closed, this, &Daemon::partStopped);
    m_nodeApi.close();
    m_inferenceApi.stop();
    m_server.close(grace + LastWords);
    m_manager.unloadAll(grace, [this] { partStopped(); });
}

void Daemon::partStopped()
{
    if (--m_stillStopping == 0)
        Q_EMIT stopped();
}

ModelRoots modelRoots(const NeuronConfig& config, const QProcessEnvironment& environment)
{
    ModelRoots roots{config.modelDirectories, {hubSettings(environment, config).cacheDirectory}};
    for (const ModelSource& source : config.sources) {
        if (!source.cacheDirectory.isEmpty() && !roots.hubCaches.contains(source.cacheDirectory))
            roots.hubCaches.append(source.cacheDirectory);
    }
    if (config.offersBuiltinModels)
        roots.directories.append(QString::fromStdString(engine::builtinModels().string()));
    return roots;
}

} // namespace cortex::neuron
