// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/api/eventhub.h"

#include "core/sse.h"

#include <algorithm>

namespace cortex::neuron {

namespace {
constexpr qint64 MaxPendingBytes = 4 * 1024 * 1024;
} // namespace

void EventHub::add(const std::shared_ptr<ResponseStream>& listener, const QList<Event>& first)
{
    listener->beginEventStream();
    QByteArray bytes;
    for (const Event& event : first)
        bytes += sseFrame(event.first, event.second);
    listener->write(bytes);
    m_listeners.append(listener);
    ResponseStream* key = listener.get();
    connect(key, &ResponseStream::disconnected, this, [this, key] {
        // Not from within the stream's own signal: this may be its last reference.
        QMetaObject::invokeMethod(
            this, [this, key] { m_listeners.removeIf([key](const auto& other) { return other.get() == key; }); },
            Qt::QueuedConnection);
    });
}

void EventHub::broadcast(const Event& event)
{
    const QByteArray frame = sseFrame(event.first, event.second);
    for (const auto& listener : std::as_const(m_listeners)) {
        if (listener->pendingBytes() > MaxPendingBytes)
            listener->abort();
        else
            listener->write(frame);
    }
    m_listeners.removeIf([](const auto& listener) { return !listener->isOpen(); });
}

void EventHub::close()
{
    const auto listeners = std::exchange(m_listeners, {});
    for (const auto& listener : listeners)
        listener->end();
}

} // namespace cortex::neuron
