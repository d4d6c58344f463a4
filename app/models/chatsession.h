// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "app/models/chatstreamreader.h"
#include "app/models/chattranscript.h"
#include "core/http/httpclient.h"

#include <QElapsedTimer>
#include <QUrl>

namespace cortex {

/// One conversation with one model at a time over /v1/chat/completions, streamed. Lives on the GUI's thread and never
/// blocks it. Everything that goes wrong ends up as readable text in the transcript's last message.
class ChatSession : public QObject {
    Q_OBJECT
public:
    explicit ChatSession(QObject* parent = nullptr);
    ~ChatSession() override; ///< cancels a reply under way

    ChatTranscript* transcript() { return &m_transcript; }

    /// The gateway's root, such as http://127.0.0.1:31313; an empty one means that there is none.
    void setEndpoint(const QUrl& endpoint);
    /// Sent as a bearer token; empty: none.
    void setApiKey(const QString& key);
    void setModel(const QString& id);
    QString model() const { return m_model; }

    bool isBusy() const { return m_reply != nullptr; }
    bool canSend() const; ///< an endpoint and a model are there, and no reply is under way
    bool canRegenerate() const; ///< as canSend, and there is a reply to ask for again

    /// Asks with the history; `text` that is only white space is ignored. Needs canSend().
    void send(const QString& text);
    /// Replaces the last reply by a new one, of the model now chosen. Needs canRegenerate().
    void regenerate();
    /// Cancels the reply under way; what has come of it stays.
    void stop();
    /// A new conversation.
    void clear();

Q_SIGNALS:
    void modelChanged();
    void stateChanged(); ///< of isBusy, canSend, canRegenerate

private:
    void requestReply();
    void readData(const QByteArray& bytes);
    void apply(const ChatDelta& delta);
    void countToken();
    void takeServerTimings(const ChatDelta& delta);
    void replyFinished();
    void finish(ChatMessage::State state, const QString& error = {});
    QString failureText() const;

    HttpClient m_client;
    ChatTranscript m_transcript;
    QUrl m_endpoint;
    QString m_apiKey;
    QString m_model;

    HttpReply* m_reply = nullptr; ///< of the reply under way
    ChatStreamReader m_reader;
    QByteArray m_errorBody; ///< of an answer that is not 200
    QString m_finishReason;
    ReplyTimings m_timings;
    bool m_serverMeasured = false; ///< m_timings.tokensPerSecond is the server's own figure
    QElapsedTimer m_sinceSent;
};

} // namespace cortex
