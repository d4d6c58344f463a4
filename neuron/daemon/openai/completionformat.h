// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/daemon/openai/outputparser.h"
#include "neuron/engine/engine.h"

#include <QByteArray>
#include <QJsonObject>
#include <QString>

namespace cortex::neuron {

/// An answer as far as it has come.
struct CompletionOutput {
    std::string reasoning;
    std::string text;
    std::vector<ToolCall> toolCalls;
    void add(OutputPiece piece);
};

/// The JSON of one answer in OpenAI's shapes: "chat.completion(.chunk)" or "text_completion". Chunks come as whole SSE
/// frames. A stream is: opening() (chat: the role), piece()…, closing(), usage() where asked for, done(). Reasoning is
/// `reasoning_content`, as DeepSeek named it and others followed.
class CompletionFormat {
public:
    enum class Kind { Chat, Text };
    /// `model` is echoed. Makes a fresh id and takes the time.
    CompletionFormat(Kind kind, const QString& model);

    const QString& id() const { return m_id; }
    /// The parameter of the request that holds the prompt.
    QString promptParam() const;
    QByteArray opening() const;
    QByteArray piece(const OutputPiece& piece); ///< of a text completion: content only
    QByteArray closing(const engine::SequenceResult& result) const;
    QByteArray usage(const engine::SequenceResult& result) const;
    static QByteArray done();

    /// The answer that is not streamed.
    QJsonObject whole(const CompletionOutput& output, const engine::SequenceResult& result);

private:
    QJsonObject envelope(bool chunk) const;
    QJsonObject choice(const QJsonObject& content, const QJsonValue& finishReason) const;
    QJsonObject toolCall(const ToolCall& call);
    QJsonObject message(const CompletionOutput& output);
    QString finishReason(const engine::SequenceResult& result) const;
    QByteArray frame(const QJsonObject& choice, const QJsonObject& extra = {}) const;

    Kind m_kind;
    QString m_id;
    QString m_model;
    qint64 m_created;
    int m_toolCalls = 0; ///< given out
};

} // namespace cortex::neuron
