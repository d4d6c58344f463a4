// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/fleet/types.h"
#include "gateway/fleetstate.h"

#include <QElapsedTimer>

namespace cortex {

/// Counts tokens as they pass and makes one sample of each interval.
class ThroughputMeter {
public:
    ThroughputMeter() { m_interval.start(); }
    void addTokens(const ReplicaKey& replica, int tokens) { m_tokens[replica] += tokens; }
    /// The speed since the last call, with an entry for each replica that is at work. Starts the next interval.
    ThroughputSample take(const FleetState& state);

private:
    QHash<ReplicaKey, qint64> m_tokens;
    QElapsedTimer m_interval;
};

} // namespace cortex
