// SPDX-License-Identifier: GPL-3.0-only
#include "gateway/throughputmeter.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace cortex {

ThroughputSample ThroughputMeter::take(const FleetState& state)
{
    const double seconds = std::max<qint64>(1, m_interval.restart()) / 1000.0;
    ThroughputSample sample;
    sample.at = QDateTime::currentDateTimeUtc();
    QHash<ReplicaKey, qint64> replicas = std::exchange(m_tokens, {});
    for (auto lease = state.allLeases().keyBegin(); lease != state.allLeases().keyEnd(); ++lease)
        replicas[*lease] += 0;
    for (auto replica = replicas.begin(); replica != replicas.end(); ++replica) {
        const double speed = double(replica.value()) / seconds;
        const int inFlight = state.leases(replica.key());
        sample.entries.append({replica.key().model, replica.key().node, speed, inFlight});
        sample.tokensPerSecond += speed;
        sample.inFlight += inFlight;
    }
    std::sort(sample.entries.begin(), sample.entries.end(),
              [](const auto& a, const auto& b) { return std::tie(a.model, a.node) < std::tie(b.model, b.node); });
    return sample;
}

} // namespace cortex
