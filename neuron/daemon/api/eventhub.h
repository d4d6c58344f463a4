// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/http/responsestream.h"

#include <QList>
#include <QPair>

#include <memory>

namespace cortex::neuron {

/// The listeners of GET /events. A listener that does not read is cut off and may connect again, which gives it the
/// whole state afresh. Main thread.
class EventHub : public QObject {
    Q_OBJECT
public:
    using Event = QPair<QByteArray, QByteArray>; ///< name, data

    /// Begins the stream and sends `first`.
    void add(const std::shared_ptr<ResponseStream>& listener, const QList<Event>& first);
    void broadcast(const Event& event);
    bool isEmpty() const { return m_listeners.isEmpty(); }
    /// Ends every stream.
    void close();

private:
    QList<std::shared_ptr<ResponseStream>> m_listeners;
};

} // namespace cortex::neuron
