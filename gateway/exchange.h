// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "gateway/completionrequest.h"
#include "gateway/proxy.h"
#include "gateway/streamtap.h"

#include <QElapsedTimer>
#include <QPointer>
#include <QTimer>

namespace cortex {

/// One completion request from its arrival to the end of its answer: waits for a lease, sends the request to the node,
/// copies the answer's bytes back as they come, and cleans up whichever side breaks first. Deletes itself.
///
/// A stream of events is copied byte for byte; anything else is collected and answered whole, so that a node that
/// breaks off half way gives a clean 502. While a streaming client waits it gets SSE comments, which clients ignore,
/// between frames.
class Exchange : public QObject {
    Q_OBJECT
public:
    Exchange(const ProxyContext& context, const std::shared_ptr<ResponseStream>& response, const QString& path,
             QObject* parent);
    ~Exchange() override;

    void start(const QByteArray& body);

private:
    void onAnswer(ModelRouter::Answer answer);
    void sendUpstream();
    void onHeaders();
    void onData(const QByteArray& bytes);
    void relay(const QByteArray& bytes);
    void onUpstreamFinished();
    void endRelay(const QString& fault);
    void answerCollected();
    void onClientGone();
    void onNodeChanged(const QString& node);
    void onKeepAlive();
    void beginStream();
    void fail(const RouteError& error);
    void sayLastWords(const QByteArray& frame);
    void dropUpstream();
    void finish(bool failed);
    void close();

    ProxyContext m_context;
    std::shared_ptr<ResponseStream> m_response;
    QString m_path;
    QByteArray m_body; ///< the client's, until it is sent
    CompletionRequest m_request;
    QString m_model; ///< resolved
    ModelRouter::Ticket m_ticket = 0;
    Lease m_lease;
    QPointer<HttpReply> m_upstream;
    bool m_relaying = false; ///< the node streams events, and they go through
    QByteArray m_collected; ///< the node's answer where it is not relayed
    StreamTap m_tap;
    QElapsedTimer m_clock; ///< since arrival
    QElapsedTimer m_sinceWrite;
    std::optional<qint64> m_firstTokenMs;
    qint64 m_lastTokenMs = 0;
    QTimer m_keepAliveTimer;
    QTimer m_lostNodeTimer;
    bool m_cut = false; ///< the stream ends with an error frame, and by closing the connection
    bool m_recorded = false;
};

} // namespace cortex
