// SPDX-License-Identifier: GPL-3.0-only
#include "core/sse.h"

#include <algorithm>

namespace cortex {

QList<SseEvent> SseParser::push(QByteArrayView bytes)
{
    QList<SseEvent> events;
    while (!bytes.isEmpty() && !m_overflowed) {
        if (m_sawCarriageReturn && bytes.front() == '\n')
            bytes = bytes.sliced(1); // the second half of a CRLF
        m_sawCarriageReturn = false;

        const auto end = std::find_if(bytes.begin(), bytes.end(), [](char c) { return c == '\n' || c == '\r'; });
        const qsizetype length = end - bytes.begin();
        if (m_line.size() + m_event.data.size() + length > m_maxEventBytes) {
            m_overflowed = true;
            m_line.clear();
            m_event = {};
            break;
        }
        m_line.append(bytes.data(), length);
        if (end == bytes.end())
            break;
        m_sawCarriageReturn = *end == '\r';
        bytes = bytes.sliced(length + 1);
        endLine(events);
    }
    return events;
}

void SseParser::endLine(QList<SseEvent>& events)
{
    if (std::exchange(m_atStart, false) && m_line.startsWith("\xEF\xBB\xBF"))
        m_line.remove(0, 3);

    if (m_line.isEmpty()) {
        // An event without data is not dispatched; the id outlives the event (it is the stream's last event id).
        if (m_hasData)
            events.append(m_event);
        m_event = {{}, {}, m_event.id};
        m_hasData = false;
        return;
    }

    const qsizetype colon = m_line.indexOf(':');
    const QByteArrayView field = colon < 0 ? QByteArrayView(m_line) : QByteArrayView(m_line).first(colon);
    QByteArrayView value = colon < 0 ? QByteArrayView() : QByteArrayView(m_line).sliced(colon + 1);
    if (value.startsWith(' '))
        value = value.sliced(1);
    if (field == "data") {
        if (m_hasData)
            m_event.data += '\n';
        m_event.data += value;
        m_hasData = true;
    } else if (field == "event") {
        m_event.event = value.toByteArray();
    } else if (field == "id" && !value.contains('\0')) {
        m_event.id = value.toByteArray();
    } // anything else is a comment (empty field name), a retry time or unknown, and ignored
    m_line.clear();
}

QByteArray sseFrame(const QByteArray& event, const QByteArray& data)
{
    QByteArray frame;
    frame.reserve(event.size() + data.size() + 24);
    if (!event.isEmpty())
        frame += "event: " + event + '\n';
    for (const QByteArray& line : data.split('\n'))
        frame += "data: " + line + '\n';
    return frame += '\n';
}

QByteArray sseComment(const QByteArray& text)
{
    return ": " + text + "\n\n";
}

} // namespace cortex
