// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/http/responsestream.h"

#include <QPointer>

namespace cortex {

class GuardedSocket;

/// The ResponseStream of a guarded connection: writes the status line, headers and chunks of HTTP/1.1 itself, so that
/// HEAD, Connection: close and HTTP/1.0 come out right with every version of Qt.
class GuardedResponse final : public ResponseStream {
    Q_OBJECT
public:
    GuardedResponse(GuardedSocket* socket, bool isHead, bool isHttp10);
    ~GuardedResponse() override;

    void respond(int status, const QByteArray& contentType, const QByteArray& body, const HttpHeaders& extra) override;
    void begin(int status, const QByteArray& contentType, const HttpHeaders& extra) override;
    void write(const QByteArray& bytes) override;
    void end() override;
    void abort() override;

    bool isBegun() const override { return m_begun; }
    bool isOpen() const override { return m_open; }
    qint64 pendingBytes() const override;

    // Called by the connection. Each may end in the deletion of this stream by a slot.
    void connectionLost();
    void flushed();

private:
    bool start(const char* what);
    void finish();
    QByteArray head(int status, const QByteArray& contentType, const HttpHeaders& extra, QByteArrayView framing);

    QPointer<GuardedSocket> m_socket;
    const bool m_isHead;
    const bool m_isHttp10;
    bool m_begun = false;
    bool m_open = true;
    bool m_chunked = false;
    bool m_hasBody = true; ///< false for HEAD, 204 and 304
};

} // namespace cortex
