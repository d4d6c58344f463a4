// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/config/gatewayconfig.h"
#include "core/fleet/types.h"

#include <QObject>
#include <QThread>

#include <memory>
#include <optional>
#include <semaphore>

namespace cortex {

class TaskQueue;

/// The whole gateway: front door, router, node watchers, metrics. `cortex serve` and the console both host one. Create
/// it, move it to its thread if it is to have one (GatewayThread does), call start there. Single writer of the fleet's
/// state; everybody else gets snapshots by signal.
class Gateway : public QObject {
    Q_OBJECT
public:
    Gateway(GatewayConfig config, Catalogue catalogue);
    ~Gateway() override;

    /// Opens the ports and begins to watch the nodes. Returns what went wrong, for people, or nothing. On its own
    /// thread.
    [[nodiscard]] std::optional<QString> start();
    /// Finishes running requests within `graceMs`, closes the ports, then emits stopped.
    Q_INVOKABLE void stop(int graceMs);

    quint16 port() const; ///< that clients talk to; valid after start
    quint16 metricsPort() const;

    /// Operator's requests; answers come as fleetChanged and operationFailed. An empty `node` lets placement choose.
    Q_INVOKABLE void loadModel(const QString& modelId, const QString& node);
    Q_INVOKABLE void unloadModel(const QString& modelId, const QString& node);

Q_SIGNALS:
    void fleetChanged(const cortex::FleetSnapshot& fleet); ///< at most ten a second
    void throughput(const cortex::ThroughputSample& sample); ///< once a second
    void operationFailed(const QString& message);
    void stopped();

private:
    void wire();
    std::optional<QString> listen();

    GatewayConfig m_config;
    Catalogue m_catalogue;
    class Private;
    std::unique_ptr<Private> d; ///< from start on: everything that belongs to the thread of start
};

/// Runs a Gateway on a thread of its own, for the console. Created, started and destroyed on the GUI's thread; the
/// gateway's signals arrive there, queued.
class GatewayThread : public QObject {
    Q_OBJECT
public:
    GatewayThread(GatewayConfig config, Catalogue catalogue, QObject* parent = nullptr);
    ~GatewayThread() override; ///< stops and joins

    void start(); ///< `started` or `startFailed` follows
    void loadModel(const QString& modelId, const QString& node);
    void unloadModel(const QString& modelId, const QString& node);

Q_SIGNALS:
    void started(quint16 port);
    void startFailed(const QString& message);
    void fleetChanged(const cortex::FleetSnapshot& fleet);
    void throughput(const cortex::ThroughputSample& sample);
    void operationFailed(const QString& message);

private:
    void run();

    std::unique_ptr<Gateway> m_gateway; ///< lives and dies on m_thread
    std::unique_ptr<QThread> m_thread;
    std::binary_semaphore m_ended{0}; ///< run() is over
    std::unique_ptr<TaskQueue> m_orders; ///< to m_thread; outlives it
    std::unique_ptr<TaskQueue> m_news; ///< to our thread
};

} // namespace cortex
