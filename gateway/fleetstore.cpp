// SPDX-License-Identifier: GPL-3.0-only
#include "gateway/fleetstore.h"

#include <algorithm>

namespace cortex {

namespace {
constexpr qint64 changedSpacingMs = 100;
}

FleetStore::FleetStore(const QList<NeuronEntry>& neurons, const Catalogue& catalogue, QObject* parent)
    : QObject(parent)
    , m_state(neurons, catalogue)
{
    m_clock.start();
    m_changedTimer.setSingleShot(true);
    m_changedTimer.setTimerType(Qt::PreciseTimer);
    connect(&m_changedTimer, &QTimer::timeout, this, [this] {
        m_lastChangedMs = nowMs();
        Q_EMIT changed();
    });
}

void FleetStore::scheduleChanged()
{
    if (!m_changedTimer.isActive())
        m_changedTimer.start(int(std::max<qint64>(0, m_lastChangedMs + changedSpacingMs - nowMs())));
}

} // namespace cortex
