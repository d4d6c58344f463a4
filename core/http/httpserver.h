// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/http/httptypes.h"
#include "core/http/responsestream.h"

#include <QObject>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>

namespace cortex {

/// What a connection may take of us. The guard enforces these before a request reaches a route.
struct HttpLimits {
    qint64 maxHeaderBytes = 64 * 1024; ///< of request line, headers and trailers together
    qint64 maxBodyBytes = 64 * 1024 * 1024;
    /// Of all bodies together, from their first byte to the end of the answer; what goes beyond gets a 503.
    qint64 maxBufferedBytes = 1024 * 1024 * 1024;
    int maxConnections = 4096; ///< further ones get a 503
    std::chrono::milliseconds headerTimeout{15'000}; ///< from a request's first byte to the end of its headers
    std::chrono::milliseconds bodyTimeout{120'000}; ///< from there to the end of its body
    std::chrono::milliseconds idleTimeout{75'000}; ///< between requests
    std::chrono::milliseconds writeTimeout{
        120'000}; ///< a client that takes no byte of its answer for so long is cut off
    std::chrono::milliseconds lingerTimeout{2'000}; ///< after an error: for a client to stop sending and close
    std::chrono::milliseconds lingerLimit{30'000}; ///< likewise, for one that goes on sending
};

/// The answer to a request that is not let in: a JSON body.
struct HttpRefusal {
    int status = 403;
    QByteArray body;
    HttpHeaders headers;
};

/// HTTP/1.1 server over QHttpServer, with the connection guard that QHttpServer lacks: one request at a time per
/// connection (pipelined ones wait), strict framing (no request smuggling), limits, time-outs, HEAD without body,
/// Connection: close, HTTP/1.0, Expect: 100-continue, 405 with Allow. What a web page of another origin has a browser
/// send gets a 403. Lives on one thread with an event loop, where the handlers run too; they must not block. An
/// InputError thrown by a handler before it answers becomes a 400 with its text. A client that closes its sending side
/// counts as gone. core/http/README.md has the life of a connection.
class HttpServer : public QObject {
    Q_OBJECT
public:
    using Handler = std::function<void(const HttpRequest& request, const std::shared_ptr<ResponseStream>& response)>;
    /// Bodies of the errors that the server itself answers (400, 403, 404, 405, 408, 411, 413, 414, 431, 503 …), so
    /// that each API keeps its own error shape. Default: OpenAI's.
    using ErrorBody = std::function<QByteArray(int status, const QString& message)>;
    /// Asked at the end of a request's head, before any of its body is taken.
    using Admission = std::function<std::optional<HttpRefusal>(const HttpRequest& head)>;

    explicit HttpServer(const HttpLimits& limits = {}, QObject* parent = nullptr);
    ~HttpServer() override;

    /// `pattern`: literal segments and `{name}` parts; a `{name}` in the middle or at the end takes one or more whole
    /// segments (model ids hold slashes): "/models/{id}/endpoint". Literal routes win over captures. A route of GET
    /// also answers HEAD. All routes are set before listen.
    void route(const QByteArray& method, const QString& pattern, Handler handler);
    void setErrorBody(ErrorBody errorBody);
    /// Who may come in. Default: everybody but foreign pages, who never may.
    void setAdmission(Admission admission);

    /// Listens; `port` 0 takes a free one. On failure: a message that names address and port, and what to do.
    [[nodiscard]] std::optional<QString> listen(const QHostAddress& address, quint16 port);
    quint16 port() const;
    int connectionCount() const;

    /// Stops accepting; emits `closed` when running responses have ended, or at once after `grace`, aborting the rest.
    void close(std::chrono::milliseconds grace);

Q_SIGNALS:
    void closed();

private:
    class Private;
    std::unique_ptr<Private> d;
};

/// Parses "ADDRESS:PORT", "[V6]:PORT", ":PORT" (every interface) or "PORT" (this machine only). An address is a number,
/// "localhost" or "*". Throws InputError.
QPair<QHostAddress, quint16> parseListenAddress(const QString& text);

} // namespace cortex
