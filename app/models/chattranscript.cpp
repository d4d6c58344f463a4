// SPDX-License-Identifier: GPL-3.0-only
#include "app/models/chattranscript.h"

#include <QJsonObject>

namespace cortex {

ChatTranscript::ChatTranscript(QObject* parent)
    : QAbstractListModel(parent)
{
}

void ChatTranscript::append(const ChatMessage& message)
{
    const int row = int(m_messages.size());
    beginInsertRows({}, row, row);
    m_messages.append(message);
    endInsertRows();
}

void ChatTranscript::appendText(const QString& delta)
{
    m_messages.last().text += delta;
    m_messages.last().state = ChatMessage::State::Streaming;
    Q_EMIT textAppended(int(m_messages.size()) - 1, delta);
    emitLastChanged({TextRole, StateRole, Qt::DisplayRole, Qt::AccessibleTextRole});
}

void ChatTranscript::appendReasoning(const QString& delta)
{
    m_messages.last().reasoning += delta;
    m_messages.last().state = ChatMessage::State::Streaming;
    Q_EMIT reasoningAppended(int(m_messages.size()) - 1, delta);
    emitLastChanged({ReasoningRole, StateRole});
}

void ChatTranscript::setTimings(const ReplyTimings& timings)
{
    m_messages.last().timings = timings;
    emitLastChanged({TimingsRole});
}

void ChatTranscript::finish(ChatMessage::State state, const QString& finishReason, const QString& error)
{
    ChatMessage& message = m_messages.last();
    message.state = state;
    message.finishReason = finishReason;
    message.error = error;
    emitLastChanged({StateRole, FinishReasonRole, ErrorRole});
}

void ChatTranscript::removeLast()
{
    const int row = int(m_messages.size()) - 1;
    beginRemoveRows({}, row, row);
    m_messages.removeLast();
    endRemoveRows();
}

void ChatTranscript::clear()
{
    if (isEmpty())
        return;
    beginRemoveRows({}, 0, int(m_messages.size()) - 1);
    m_messages.clear();
    endRemoveRows();
}

void ChatTranscript::emitLastChanged(const QList<int>& roles)
{
    const QModelIndex changed = index(int(m_messages.size()) - 1);
    Q_EMIT dataChanged(changed, changed, roles);
}

QJsonArray ChatTranscript::toRequestMessages() const
{
    using Author = ChatMessage::Author;
    QJsonArray messages;
    for (qsizetype row = 0; row < m_messages.size(); ++row) {
        const ChatMessage& message = m_messages.at(row);
        const bool isAssistant = message.author == Author::Assistant;
        if (isAssistant && message.text.isEmpty())
            continue;
        const bool hasReply = row + 1 < m_messages.size();
        if (!isAssistant && hasReply && !m_messages.at(row + 1).isRunning() && m_messages.at(row + 1).text.isEmpty())
            continue;
        messages.append(
            QJsonObject{{QStringLiteral("role"), isAssistant ? QStringLiteral("assistant") : QStringLiteral("user")},
                        {QStringLiteral("content"), message.text}});
    }
    return messages;
}

QString ChatTranscript::toMarkdown() const
{
    QStringList blocks;
    for (const ChatMessage& message : m_messages) {
        const QString author = message.author == ChatMessage::Author::User ? tr("You") : message.model;
        blocks.append(QStringLiteral("**%1**\n\n%2\n").arg(author, message.text));
    }
    return blocks.join(QLatin1Char('\n'));
}

int ChatTranscript::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : int(m_messages.size());
}

QVariant ChatTranscript::data(const QModelIndex& index, int role) const
{
    if (!checkIndex(index, CheckIndexOption::IndexIsValid))
        return {};
    const ChatMessage& message = m_messages.at(index.row());
    switch (role) {
    case Qt::DisplayRole:
    case TextRole:
        return message.text;
    case Qt::AccessibleTextRole:
        return message.author == ChatMessage::Author::User ? tr("You: %1").arg(message.text)
                                                           : tr("%1: %2").arg(message.model, message.text);
    case AuthorRole:
        return int(message.author);
    case StateRole:
        return int(message.state);
    case ReasoningRole:
        return message.reasoning;
    case ModelRole:
        return message.model;
    case ErrorRole:
        return message.error;
    case FinishReasonRole:
        return message.finishReason;
    case TimingsRole:
        return QVariant::fromValue(message.timings);
    default:
        return {};
    }
}

} // namespace cortex
