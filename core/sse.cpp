// SPDX-License-Identifier: GPL-3.0-only
#include "core/sse.h"

namespace cortex {

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
