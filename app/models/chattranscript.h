// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QAbstractListModel>
#include <QJsonArray>

#include <optional>

namespace cortex {

/// Measured by the console, so it includes the network and the gateway.
struct ReplyTimings {
    std::optional<double> timeToFirstToken; ///< seconds from sending to the first token
    std::optional<double> tokensPerSecond; ///< from the first token to the last
    int tokens = 0; ///< generated; counted by stream events until the server tells the number
    bool operator==(const ReplyTimings&) const = default;
};

struct ChatMessage {
    enum class Author { User, Assistant };
    enum class State {
        Complete,
        Waiting, ///< sent; nothing has come back yet
        Streaming,
        Stopped, ///< by the user; the text stands as far as it came
        Failed, ///< see error; the text stands as far as it came
    };

    Author author = Author::User;
    State state = State::Complete;
    QString text;
    QString reasoning; ///< what the model thought before it answered
    QString model; ///< of an assistant's message: the id that was asked
    QString error; ///< for people
    QString finishReason; ///< as the server says it: "stop", "length", …
    ReplyTimings timings;

    bool isRunning() const { return state == State::Waiting || state == State::Streaming; }
};

/// The messages of one conversation, oldest first.
class ChatTranscript : public QAbstractListModel {
    Q_OBJECT
public:
    enum Role {
        AuthorRole = Qt::UserRole + 1, ///< ChatMessage::Author as int
        StateRole, ///< ChatMessage::State as int
        TextRole,
        ReasoningRole,
        ModelRole,
        ErrorRole,
        FinishReasonRole,
        TimingsRole, ///< ReplyTimings
    };

    explicit ChatTranscript(QObject* parent = nullptr);

    void append(const ChatMessage& message);
    /// Adds to the last message's text or reasoning and marks it as streaming.
    void appendText(const QString& delta);
    void appendReasoning(const QString& delta);
    void setTimings(const ReplyTimings& timings); ///< of the last message
    /// Ends the last message: `state` is Complete, Stopped or Failed, and `error` says why it failed.
    void finish(ChatMessage::State state, const QString& finishReason, const QString& error = {});
    void removeLast();
    void clear();

    bool isEmpty() const { return m_messages.isEmpty(); }
    const ChatMessage& at(int row) const { return m_messages.at(row); }
    const ChatMessage& last() const { return m_messages.last(); }

    /// The messages as the OpenAI dialect wants them. An exchange that failed without an answer is left out, so that
    /// the roles alternate.
    QJsonArray toRequestMessages() const;
    QString toMarkdown() const; ///< the whole conversation, for the clipboard

    int rowCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;

Q_SIGNALS:
    void textAppended(int row,
                      const QString& delta); ///< so that a view need not compare whole texts; dataChanged comes too
    void reasoningAppended(int row, const QString& delta);

private:
    void emitLastChanged(const QList<int>& roles);

    QList<ChatMessage> m_messages;
};

} // namespace cortex

Q_DECLARE_METATYPE(cortex::ReplyTimings)
