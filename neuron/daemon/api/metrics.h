// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/fleet/types.h"
#include "neuron/engine/engine.h"

#include <QByteArray>

#include <memory>
#include <optional>

namespace cortex::neuron {

/// GET /metrics: counters and histograms of what was served, gauges of what is now. Model labels are ids of models that
/// were loaded, so a client cannot make new ones. Main thread.
class Metrics {
public:
    Metrics();
    ~Metrics();

    /// A generating request ended. `timeToFirstText` in seconds.
    void generated(const QString& model, const engine::SequenceResult& result, std::optional<double> timeToFirstText);
    /// An inference request was answered with an error; `code` is the error's code or HTTP status.
    void refused(const QString& code);

    /// Prometheus text format 0.0.4, gauges taken from `health`.
    QByteArray text(const Health& health);

private:
    class Private;
    std::unique_ptr<Private> d;
};

} // namespace cortex::neuron
