// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/fleet/types.h"
#include "core/http/responsestream.h"

#include <QObject>

#include <memory>
#include <vector>

namespace cortex {

/// GET /api/events: sends every listener the fleet at each change and the throughput each second. A listener that reads
/// slowly skips pictures and gets the latest one when it has caught up.
class FleetEvents : public QObject {
    Q_OBJECT
public:
    using QObject::QObject;

    void add(const std::shared_ptr<ResponseStream>& response, const FleetSnapshot& fleet);
    void publish(const FleetSnapshot& fleet);
    void publish(const ThroughputSample& sample);
    void closeAll(); ///< ends every listener's stream

private:
    struct Listener {
        std::shared_ptr<ResponseStream> response;
        bool missed = false; ///< a picture was skipped
    };
    void send(Listener& listener, const QByteArray& frame);
    void catchUp(ResponseStream* response);
    void remove(ResponseStream* response);

    std::vector<Listener> m_listeners;
    QByteArray m_lastFleet; ///< frame
};

} // namespace cortex
