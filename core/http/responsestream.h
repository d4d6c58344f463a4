// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/http/httptypes.h"

#include <QJsonObject>
#include <QObject>

namespace cortex {

/// The answer to one request: either `respond` once, or `begin`, any number of `write`, `end`. Lives on the server's
/// thread. Writing to a client that has gone is harmless. Dropping the last reference without an answer sends a 500;
/// dropping it in mid-stream aborts the connection, so that a cut stream never looks whole.
class ResponseStream : public QObject {
    Q_OBJECT
public:
    /// A whole answer.
    virtual void respond(int status, const QByteArray& contentType, const QByteArray& body,
                         const HttpHeaders& extra = {}) = 0;
    /// Starts a streamed answer (chunked; for HTTP/1.0 until close). Headers are sent at once. Where no body may follow
    /// (HEAD, 204, 304) the answer has ended with them, and isOpen() is false.
    virtual void begin(int status, const QByteArray& contentType, const HttpHeaders& extra = {}) = 0;
    /// Sends bytes now, as one chunk.
    virtual void write(const QByteArray& bytes) = 0;
    virtual void end() = 0;
    /// Closes the connection without finishing the answer.
    virtual void abort() = 0;

    virtual bool isBegun() const = 0;
    virtual bool isOpen() const = 0; ///< false after end, abort or the client's departure
    virtual qint64 pendingBytes() const = 0; ///< written and not yet taken by the network: back-pressure

    void respondJson(int status, const QJsonObject& json, const HttpHeaders& extra = {});
    /// begin() with text/event-stream, Cache-Control: no-cache and X-Accel-Buffering: no.
    void beginEventStream(const HttpHeaders& extra = {});

Q_SIGNALS:
    void disconnected(); ///< the client went away before the end; once
    void drained(); ///< pendingBytes fell to zero
};

} // namespace cortex
