// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "gateway/fleetstate.h"
#include "gateway/streamtap.h"

#include <QHash>

#include <memory>
#include <optional>

namespace cortex {

/// How one request to a model ended, for the metrics.
struct RequestRecord {
    QString model; ///< resolved; never a client's free text, so that labels stay few
    QString node; ///< empty: it never got one
    double seconds = 0;
    std::optional<double> secondsToFirstToken;
    double secondsDecoding = 0; ///< from the first token to the last
    qint64 streamedTokens = 0;
    std::optional<TokenUsage> usage;
    bool failed = false;
};

/// The gateway's Prometheus metrics, names as in DESIGN.md. Counters and histograms are kept by prometheus-cpp; gauges
/// are read off the fleet's state at each scrape, so that a node or a model that is gone leaves none behind.
/// Thread-safe where prometheus-cpp is; used from the gateway's thread.
class Metrics {
public:
    Metrics();
    ~Metrics();
    void record(const RequestRecord& request);
    void countColdStart(const QString& model, const QString& node);
    /// The text format 0.0.4. `waiting`: requests that wait in the router, by model.
    QByteArray text(const FleetState& state, const QHash<QString, int>& waiting) const;

private:
    class Private;
    std::unique_ptr<Private> d;
};

} // namespace cortex
