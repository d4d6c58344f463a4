// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/config/neuronconfig.h"
#include "neuron/daemon/api/inferenceapi.h"
#include "neuron/daemon/api/lifecycleapi.h"
#include "neuron/daemon/api/nodeapi.h"

namespace cortex::neuron {

/// The daemon, whole: puts the parts together and starts and stops them in order. Everything that a test replaces comes
/// in from outside. Main thread.
class Daemon : public QObject {
    Q_OBJECT
public:
    struct Options {
        NeuronConfig config;
        ModelRoots roots;
        QStringList load; ///< models to load at start, beside config.defaultModels
        DeviceMonitor::Options devices;
        std::chrono::milliseconds scanInterval{15'000};
    };
    /// `engines` and `fetcher` (may be null) must outlive the daemon.
    Daemon(const Options& options, EngineFactory& engines, ModelFetcher* fetcher);
    ~Daemon() override;

    /// Listens; then lists the models and loads the default ones. On failure: why, for people.
    [[nodiscard]] std::optional<QString> start();
    quint16 port() const { return m_server.port(); }

    /// Accepts no more, lets running answers end for up to `grace`, frees every model; then `stopped`. Once.
    void stop(std::chrono::milliseconds grace);

Q_SIGNALS:
    void stopped();

private:
    void loadDefaults();
    void partStopped();

    Options m_options;
    int m_stillStopping = 0;
    HttpServer m_server; // before the queue: tasks that never ran may hold responses
    TaskQueue m_queue; // before all that posts to it
    DeviceMonitor m_devices;
    ModelRegistry m_registry;
    ModelManager m_manager;
    Metrics m_metrics;
    NodeApi m_nodeApi;
    LifecycleApi m_lifecycleApi;
    InferenceApi m_inferenceApi;
};

/// Where the models of a configuration lie: its directories, its sources' caches, the Hugging Face cache, and what comes
/// with Cortex where that is offered.
ModelRoots modelRoots(const NeuronConfig& config, const QProcessEnvironment& environment);

} // namespace cortex::neuron
