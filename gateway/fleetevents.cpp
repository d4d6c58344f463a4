// SPDX-License-Identifier: GPL-3.0-only
#include "gateway/fleetevents.h"

#include "core/sse.h"

#include <QJsonDocument>

#include <algorithm>

namespace cortex {

namespace {

constexpr qint64 slowAboveBytes = 1024 * 1024;

template <typename T>
QByteArray frameOf(const QByteArray& event, const T& value)
{
    return sseFrame(event, QJsonDocument(toJson(value)).toJson(QJsonDocument::Compact));
}

} // namespace

void FleetEvents::add(const std::shared_ptr<ResponseStream>& response, const FleetSnapshot& fleet)
{
    response->beginEventStream();
    if (!response->isOpen())
        return; // it was a HEAD
    ResponseStream* raw = response.get();
    connect(raw, &ResponseStream::disconnected, this, [this, raw] { remove(raw); });
    connect(raw, &ResponseStream::drained, this, [this, raw] { catchUp(raw); });
    m_listeners.push_back({response, false});
    response->write(frameOf("fleet", fleet));
}

void FleetEvents::publish(const FleetSnapshot& fleet)
{
    if (m_listeners.empty())
        return;
    m_lastFleet = frameOf("fleet", fleet);
    for (Listener& listener : m_listeners)
        send(listener, m_lastFleet);
}

void FleetEvents::publish(const ThroughputSample& sample)
{
    if (m_listeners.empty())
        return;
    const QByteArray frame = frameOf("throughput", sample);
    for (Listener& listener : m_listeners) {
        if (listener.response->pendingBytes() < slowAboveBytes)
            listener.response->write(frame);
    }
}

void FleetEvents::send(Listener& listener, const QByteArray& frame)
{
    listener.missed = listener.response->pendingBytes() >= slowAboveBytes;
    if (!listener.missed)
        listener.response->write(frame);
}

void FleetEvents::catchUp(ResponseStream* response)
{
    for (Listener& listener : m_listeners) {
        if (listener.response.get() == response && listener.missed)
            send(listener, m_lastFleet);
    }
}

void FleetEvents::remove(ResponseStream* response)
{
    response->disconnect(this);
    std::erase_if(m_listeners, [&](const Listener& listener) { return listener.response.get() == response; });
}

void FleetEvents::closeAll()
{
    const std::vector<Listener> listeners = std::exchange(m_listeners, {});
    for (const Listener& listener : listeners) {
        listener.response->disconnect(this);
        listener.response->end();
    }
}

} // namespace cortex
