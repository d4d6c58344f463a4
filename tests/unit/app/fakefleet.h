// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "app/models/fleetsource.h"

#include <QList>
#include <QPair>

namespace cortex::testing {

/// Parts of a fleet, with plausible values that a test changes where it matters.
DeviceInfo cudaDevice(int index, const QString& name, qint64 totalMb);
DeviceReading reading(int index, qint64 usedMb, qint64 totalMb, double utilization, double temperature);
NodeSnapshot onlineNode(const QString& name, const QList<DeviceInfo>& devices, const QList<DeviceReading>& readings);
NodeSnapshot offlineNode(const QString& name, const QString& error);
NodeModel nodeModel(const QString& id, ModelStatus status);
FleetModel fleetModel(const QString& id, ModelStatus status, const QStringList& nodes = {});
FleetSnapshot fleetOf(const QList<NodeSnapshot>& nodes, const QList<FleetModel>& models);
ThroughputSample sampleAt(qint64 second, const QList<QPair<QString, double>>& speeds);

/// Three nodes of which one is down, five models in different states: what a working day looks like.
FleetSnapshot busyFleet();

/// A source that emits what a test tells it to and records what it is asked.
class FakeFleetSource : public FleetSource {
    Q_OBJECT
public:
    using FleetSource::FleetSource;

    void start() override { ++starts; }
    void stop() override { ++stops; }
    void loadModel(const QString& id, const QString& node) override { loads.append({id, node}); }
    void unloadModel(const QString& id, const QString& node) override { unloads.append({id, node}); }

    int starts = 0;
    int stops = 0;
    QList<QPair<QString, QString>> loads;
    QList<QPair<QString, QString>> unloads;
};

} // namespace cortex::testing
