// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "gateway/fleetstate.h"

#include <QElapsedTimer>
#include <QObject>
#include <QTimer>

#include <functional>

namespace cortex {

/// Owns the FleetState and is the only way to change it. Tells the router of each change of a node at once, and the
/// listeners (console, /api/events) of changes at most ten times a second. Lives on the gateway's thread.
class FleetStore : public QObject {
    Q_OBJECT
public:
    FleetStore(const QList<NeuronEntry>& neurons, const Catalogue& catalogue, QObject* parent = nullptr);

    const FleetState& state() const { return m_state; }
    /// Monotonic; the clock of PendingLoad and LoadFailure.
    qint64 nowMs() const { return m_now ? m_now() : m_clock.elapsed(); }
    /// For tests in which time must not pass by itself.
    void setClock(std::function<qint64()> now) { m_now = std::move(now); }

    /// Something that a node told: `change` gets the state, then nodeChanged follows.
    template <typename Change>
    void report(const QString& node, Change&& change)
    {
        change(m_state);
        scheduleChanged();
        Q_EMIT nodeChanged(node);
    }
    /// Something that the gateway itself did.
    template <typename Change>
    void edit(Change&& change)
    {
        change(m_state);
        scheduleChanged();
    }

Q_SIGNALS:
    void nodeChanged(const QString& node);
    void changed(); ///< at most ten a second

private:
    void scheduleChanged();

    FleetState m_state;
    QElapsedTimer m_clock;
    std::function<qint64()> m_now;
    QTimer m_changedTimer;
    qint64 m_lastChangedMs = -1000;
};

} // namespace cortex
