// SPDX-License-Identifier: GPL-3.0-only
#include "app/models/throughputseries.h"

#include <QSet>

#include <algorithm>

namespace cortex {

ThroughputSeries::ThroughputSeries(QObject* parent)
    : QObject(parent)
{
}

void ThroughputSeries::append(const ThroughputSample& sample)
{
    Second second;
    second.at = sample.at.toMSecsSinceEpoch();
    second.total = sample.tokensPerSecond;
    second.inFlight = sample.inFlight;
    for (const ThroughputSample::Entry& entry : sample.entries) {
        if (entry.tokensPerSecond > 0)
            second.byModel[entry.model] += entry.tokensPerSecond;
    }
    while (!m_seconds.isEmpty() && m_seconds.last().at >= second.at)
        m_seconds.removeLast();
    m_seconds.append(second);
    const qint64 oldest = second.at - qint64(windowSeconds) * 1000;
    while (m_seconds.first().at < oldest || m_seconds.size() > windowSeconds + 1)
        m_seconds.removeFirst();
    Q_EMIT changed();
}

template <typename Value>
QList<QPointF> ThroughputSeries::points(Value valueOf) const
{
    QList<QPointF> points;
    points.reserve(m_seconds.size());
    for (const Second& second : m_seconds)
        points.append({double(second.at - m_seconds.last().at) / 1000, valueOf(second)});
    return points;
}

QList<QPointF> ThroughputSeries::total() const
{
    return points([](const Second& second) { return second.total; });
}

QList<QPointF> ThroughputSeries::ofModel(const QString& model) const
{
    return points([&model](const Second& second) { return second.byModel.value(model); });
}

QStringList ThroughputSeries::models() const
{
    QSet<QString> seen;
    for (const Second& second : m_seconds) {
        for (auto entry = second.byModel.keyBegin(); entry != second.byModel.keyEnd(); ++entry)
            seen.insert(*entry);
    }
    QStringList sorted = seen.values();
    sorted.sort();
    return sorted;
}

double ThroughputSeries::current() const
{
    return m_seconds.isEmpty() ? 0 : m_seconds.last().total;
}

double ThroughputSeries::peak() const
{
    double highest = 0;
    for (const Second& second : m_seconds)
        highest = std::max(highest, second.total);
    return highest;
}

int ThroughputSeries::inFlight() const
{
    return m_seconds.isEmpty() ? 0 : m_seconds.last().inFlight;
}

} // namespace cortex
