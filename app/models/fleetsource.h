// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/fleet/types.h"

#include <QObject>
#include <QUrl>

namespace cortex {

/// Where the console's fleet comes from: the gateway inside this process (GatewaySource), a fake in tests. Lives on the
/// GUI's thread; no call blocks.
class FleetSource : public QObject {
    Q_OBJECT
public:
    using QObject::QObject;

    virtual void start() = 0; ///< `started` or `startFailed` follows
    virtual void stop() = 0; ///< no signal follows
    /// An empty `node` lets the gateway choose; on unload it means everywhere.
    virtual void loadModel(const QString& id, const QString& node) = 0;
    virtual void unloadModel(const QString& id, const QString& node) = 0;

Q_SIGNALS:
    void started(const QUrl& endpoint); ///< root of the API, such as http://127.0.0.1:31313
    void startFailed(const QString& message);
    void fleetChanged(const cortex::FleetSnapshot& fleet);
    void throughput(const cortex::ThroughputSample& sample);
    void operationFailed(const QString& message);
};

} // namespace cortex
