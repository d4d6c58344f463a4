// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "app/models/chatsession.h"
#include "app/models/fleetmodelsmodel.h"
#include "app/models/fleetsource.h"
#include "app/models/fleettreemodel.h"
#include "app/models/throughputseries.h"

#include <memory>

namespace cortex {

/// What the main window shows and does: owns the source of the fleet and the models fed by it, and takes the operator's
/// actions.
class FleetController : public QObject {
    Q_OBJECT
public:
    enum class State { Stopped, Starting, Running, Failed };
    Q_ENUM(State)

    explicit FleetController(std::unique_ptr<FleetSource> source, QObject* parent = nullptr);
    ~FleetController() override;

    void start(); ///< also after a failure
    void stop();

    State state() const { return m_state; }
    QString failure() const { return m_failure; } ///< why the last start failed
    QUrl endpoint() const { return m_endpoint; } ///< root of the API while running, else empty
    QString clientEndpoint() const; ///< what clients are configured with: the root with /v1
    QString summary() const; ///< one line for the status bar
    bool hasSnapshot() const { return m_hasSnapshot; } ///< the fleet is known, be it empty

    FleetTreeModel* nodes() { return &m_nodes; }
    FleetModelsModel* models() { return &m_models; }
    ThroughputSeries* throughput() { return &m_throughput; }
    ChatSession* chat() { return &m_chat; }

    /// What can be done to a model now, for the actions' enabled state.
    bool canLoad(const QString& id) const;
    bool canUnload(const QString& id) const;
    QStringList loadTargets(const QString& id) const; ///< nodes online that do not hold the model yet
    QStringList loadedOn(const QString& id) const; ///< nodes that hold the model
    void loadModel(const QString& id, const QString& node = {});
    void unloadModel(const QString& id, const QString& node = {});

Q_SIGNALS:
    void stateChanged();
    void fleetChanged(); ///< the models are up to date
    void operationFailed(const QString& message); ///< of the operator's actions, for people

private:
    void setState(State state, const QUrl& endpoint, const QString& failure);
    void applySnapshot(const FleetSnapshot& fleet);

    FleetTreeModel m_nodes;
    FleetModelsModel m_models;
    ThroughputSeries m_throughput;
    ChatSession m_chat;
    State m_state = State::Stopped;
    QString m_failure;
    QUrl m_endpoint;
    bool m_hasSnapshot = false;
    std::unique_ptr<FleetSource> m_source; ///< last, so that it stops before what it feeds
};

} // namespace cortex
