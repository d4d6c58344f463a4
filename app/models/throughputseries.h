// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/fleet/types.h"

#include <QHash>
#include <QObject>
#include <QPointF>

namespace cortex {

/// Tokens per second of the last five minutes, in total and by model, ready for a chart.
class ThroughputSeries : public QObject {
    Q_OBJECT
public:
    static constexpr int windowSeconds = 300;

    explicit ThroughputSeries(QObject* parent = nullptr);

    /// Takes the next second's sample. A sample older than the last one (a clock set back) drops those after it.
    void append(const ThroughputSample& sample);

    /// x: seconds before the newest sample (-300 … 0, ascending); y: tokens per second.
    QList<QPointF> total() const;
    QList<QPointF> ofModel(const QString& model) const;

    QStringList models() const; ///< that generated anything inside the window, sorted
    double current() const; ///< total of the newest sample; 0 without one
    double peak() const; ///< highest total inside the window
    int inFlight() const; ///< requests running at the newest sample

Q_SIGNALS:
    void changed();

private:
    struct Second {
        qint64 at = 0; ///< milliseconds since the epoch
        double total = 0;
        int inFlight = 0;
        QHash<QString, double> byModel;
    };
    template <typename Value>
    QList<QPointF> points(Value valueOf) const;

    QList<Second> m_seconds; ///< ascending in time, at most one for each second of the window
};

} // namespace cortex
