// SPDX-License-Identifier: GPL-3.0-only
// The connection guard's request parser: two feeds of the same bytes, whole and in pieces, must agree, and limits must
// hold.
#include "core/http/requestparser.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

using cortex::RequestParser;

namespace {

constexpr qint64 HeaderLimit = 4096;
constexpr qint64 BodyLimit = 16384;

/// Parses all requests in `bytes`, `step` bytes at a time; a text of what was found.
QByteArray parseAll(QByteArrayView bytes, qsizetype step)
{
    RequestParser parser(HeaderLimit, BodyLimit);
    QByteArray found;
    qsizetype at = 0;
    while (at < bytes.size()) {
        at += parser.push(bytes.sliced(at).first(std::min(step, bytes.size() - at)));
        if (parser.state() == RequestParser::State::Failed)
            return found + "failed " + QByteArray::number(parser.errorStatus());
        if (parser.state() != RequestParser::State::Complete)
            continue;
        const cortex::HttpRequest request = parser.takeRequest();
        if (request.body.size() > BodyLimit || request.path.isEmpty())
            std::abort();
        found += request.method + ' ' + request.path.toUtf8() + ' '
            + QByteArray::number(request.headers.fields().size()) + ' ' + request.body + '\n';
    }
    return found;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    const QByteArrayView bytes(reinterpret_cast<const char*>(data), static_cast<qsizetype>(size));
    const QByteArray whole = parseAll(bytes, bytes.size());
    if (parseAll(bytes, 1) != whole || parseAll(bytes, 13) != whole)
        std::abort();
    return 0;
}
