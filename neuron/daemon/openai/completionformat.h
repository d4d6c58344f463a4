// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/engine.h"

#include <QByteArray>
#include <QJsonObject>
#include <QString>

namespace cortex::neuron {

/// The JSON of one answer in OpenAI's shapes: "chat.completion(.chunk)" or "text_completion". Chunks come as whole SSE
/// frames. A stream is: opening() (chat: the role), text()…, closing(), usage() where asked for, done().
class CompletionFormat {
public:
    enum class Kind { Chat, Text };
    /// `model` is echoed. Makes a fresh id and takes the time.
    CompletionFormat(Kind kind, const QString& model);

    const QString& id() const { return m_id; }
    /// The parameter of the request that holds the prompt.
    QString promptParam() const;
    QByteArray opening() const;
    QByteArray text(const std::string& text) const;
    QByteArray closing(const engine::SequenceResult& result) const;
    QByteArray usage(const engine::SequenceResult& result) const;
    static QByteArray done();

    /// The answer that is not streamed.
    QJsonObject whole(const std::string& text, const engine::SequenceResult& result) const;

private:
    QJsonObject envelope(bool chunk) const;
    QJsonObject choice(const QJsonObject& content, const QJsonValue& finishReason) const;
    QByteArray frame(const QJsonObject& choice, const QJsonObject& extra = {}) const;

    Kind m_kind;
    QString m_id;
    QString m_model;
    qint64 m_created;
};

} // namespace cortex::neuron
