// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/http/httpclient.h"

#include <QElapsedTimer>
#include <QPointer>
#include <QTimer>

#include <curl/curl.h>

namespace cortex {

class CurlReply;

/// What a reply needs of its client.
class CurlMulti {
public:
    virtual ~CurlMulti() = default;
    virtual void add(CurlReply* reply) = 0;
    virtual void remove(CurlReply* reply) = 0; ///< closes the connection of an unfinished transfer
    virtual void scheduleDelivery(CurlReply* reply) = 0; ///< has deliver() called as soon as libcurl has returned
    virtual void kick() = 0; ///< has libcurl look after its transfers soon
};

/// One transfer: an easy handle, and what its callbacks have brought that was not emitted yet.
class CurlReply final : public HttpReply {
    Q_OBJECT
public:
    CurlReply(const HttpClientRequest& request, CurlMulti& multi);
    ~CurlReply() override;

    int status() const override { return m_status; }
    const HttpHeaders& headers() const override { return m_headers; }
    QByteArray body() const override { return m_body; }
    QUrl url() const override { return m_url; }
    Failure failure() const override { return m_failure; }
    QString errorText() const override { return m_errorText; }
    bool isFinished() const override { return m_finished; }
    void setStreaming(bool streaming) override { m_streaming = streaming; }
    void pause() override;
    void resume() override;
    void abort() override;

    // The client's side.
    CURL* handle() const { return m_easy; }
    void transferEnded(CURLcode result);
    void deliver(); ///< emits what is new; a slot may delete this
    void clientGone();

private:
    static size_t onHeader(char* data, size_t size, size_t count, void* self);
    static size_t onBody(char* data, size_t size, size_t count, void* self);
    void setOptions(const HttpClientRequest& request);
    void setMethod(const HttpClientRequest& request);
    void setHeaders(const HttpClientRequest& request);
    bool header(QByteArray line);
    void endHeaders();
    void noteUrl();
    void readOn();
    size_t receive(QByteArrayView bytes);
    void checkProgress();
    void end(Failure failure, const QString& errorText);
    void release();
    bool isNoHttp(CURLcode result) const;
    Failure failureOf(CURLcode result) const;
    QString describe(CURLcode result) const;
    QString peerText() const;

    CurlMulti* m_multi; ///< null once the transfer is over
    CURL* m_easy;
    curl_slist* m_headerList = nullptr;
    const HttpClientRequest m_request; ///< libcurl reads the body in place
    QTimer m_idle;
    QElapsedTimer m_sinceCheck;
    qint64 m_progress = 0; ///< bytes moved when m_idle last looked

    int m_status = 0;
    HttpHeaders m_headers;
    qint64 m_headerBytes = 0;
    int m_headerLines = 0;
    QUrl m_url;
    QByteArray m_body;
    QByteArray m_incoming; ///< received, neither emitted nor collected yet
    bool m_streaming = false;
    bool m_paused = false; ///< by our user
    bool m_isHeld = false; ///< by us, until what has come was emitted
    bool m_headersComplete = false;
    bool m_headersAnnounced = false;
    bool m_ended = false; ///< nothing more will come
    bool m_finished = false; ///< and that was said, or is about to be
    Failure m_failure = Failure::None;
    QString m_errorText;
};

} // namespace cortex
