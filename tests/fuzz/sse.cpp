// SPDX-License-Identifier: GPL-3.0-only
// Server-sent events: the same stream in any pieces gives the same events, within the bound.
#include "core/sse.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace {

constexpr qsizetype Limit = 4096;

QByteArray parseAll(QByteArrayView bytes, qsizetype step)
{
    cortex::SseParser parser(Limit);
    QByteArray found;
    for (qsizetype at = 0; at < bytes.size(); at += step) {
        for (const cortex::SseEvent& event : parser.push(bytes.sliced(at).first(std::min(step, bytes.size() - at)))) {
            if (event.data.size() > Limit)
                std::abort();
            found += event.event + '|' + event.data + '|' + event.id + ';';
        }
    }
    return found;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    const QByteArrayView bytes(reinterpret_cast<const char*>(data), static_cast<qsizetype>(size));
    if (bytes.isEmpty())
        return 0;
    const QByteArray whole = parseAll(bytes, bytes.size());
    if (parseAll(bytes, 1) != whole || parseAll(bytes, 7) != whole)
        std::abort();
    return 0;
}
