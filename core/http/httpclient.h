// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/http/httptypes.h"

#include <QObject>
#include <QUrl>

#include <chrono>
#include <memory>

namespace cortex {

struct HttpClientRequest {
    QByteArray method = "GET";
    QUrl url;
    HttpHeaders headers;
    QByteArray body;
    std::chrono::milliseconds connectTimeout{10'000};
    std::chrono::milliseconds idleTimeout{0}; ///< longest silence (noticed within twice as long); 0: no limit
    std::chrono::milliseconds totalTimeout{0}; ///< 0: no limit
    bool followRedirects = false; ///< Authorization never follows to another host, https never to http
    bool useProxy = false; ///< as https_proxy, no_proxy … say; fleet traffic never takes a proxy
    qint64 maxBodyBytes = 64 * 1024 * 1024; ///< of the body that the reply collects; streamed bodies have no limit
};

/// A request under way. Lives on the client's thread; delete it (or abort) to cancel, which closes the connection at
/// once. Without a consumer of `data` the body is collected and stands in body() at the end.
class HttpReply : public QObject {
    Q_OBJECT
public:
    enum class Failure { None, Refused, Resolve, Timeout, Tls, Broken, TooLarge, Aborted, Other };

    virtual int status() const = 0; ///< 0 before the headers
    virtual const HttpHeaders& headers() const = 0;
    virtual QByteArray body() const = 0;
    virtual QUrl url() const = 0; ///< after redirects
    virtual Failure failure() const = 0;
    virtual QString errorText() const = 0; ///< for people, naming host and port
    virtual bool isFinished() const = 0;
    /// true: `data` is emitted instead of collecting. Set at the latest in a slot of headersReceived.
    virtual void setStreaming(bool streaming) = 0;
    virtual void pause() = 0; ///< back-pressure: no `data` and no `finished` until resume; reading stops
    virtual void resume() = 0;
    virtual void abort() = 0; ///< closes the connection at once; `finished` follows from the event loop

Q_SIGNALS:
    void headersReceived();
    void data(const QByteArray& bytes);
    void finished(); ///< once, last; check failure() and status()
};

/// Streaming HTTP client on libcurl's multi interface, driven by Qt's event loop (QSocketNotifier and one timer). No
/// limit of connections per host; connections are kept and reused. One thread; never blocks.
class HttpClient : public QObject {
    Q_OBJECT
public:
    explicit HttpClient(QObject* parent = nullptr);
    ~HttpClient() override;

    /// Starts a request. The caller owns the reply (deleteLater after `finished` is fine).
    HttpReply* send(const HttpClientRequest& request);

private:
    class Private;
    std::unique_ptr<Private> d;
};

} // namespace cortex
