// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QByteArray>
#include <QList>

namespace cortex {

/// One server-sent event.
struct SseEvent {
    QByteArray event; ///< empty for the default type
    QByteArray data;
    QByteArray id; ///< the stream's last event id, which outlives the event that brought it
};

/// Parses a text/event-stream as bytes arrive (WHATWG HTML, 9.2.6): CR, LF and CRLF, multi-line data, comments, BOM.
/// Memory is bounded: an event larger than `maxEventBytes` sets overflowed() and the rest is ignored.
class SseParser {
public:
    explicit SseParser(qsizetype maxEventBytes = 16 * 1024 * 1024)
        : m_maxEventBytes(maxEventBytes)
    {
    }
    QList<SseEvent> push(QByteArrayView bytes);
    bool overflowed() const { return m_overflowed; }

private:
    void endLine(QList<SseEvent>& events);
    qsizetype m_maxEventBytes;
    QByteArray m_line;
    SseEvent m_event;
    bool m_hasData = false;
    bool m_sawCarriageReturn = false;
    bool m_atStart = true;
    bool m_overflowed = false;
};

/// The bytes of one event, ready to send.
QByteArray sseFrame(const QByteArray& event, const QByteArray& data);
QByteArray sseComment(const QByteArray& text);

} // namespace cortex
