// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/http/responsestream.h"
#include "neuron/daemon/models/loadedmodel.h"
#include "neuron/daemon/openai/completionformat.h"
#include "neuron/daemon/openai/requests.h"
#include "neuron/daemon/openai/tokenrelay.h"

#include <QElapsedTimer>
#include <QTimer>

namespace cortex::neuron {

/// One sequence being generated for one client, from submission to the last byte. A client that goes away, or a lease
/// that is revoked, cancels the sequence at once. Main thread.
class Generation : public QObject, private TokenReceiver {
    Q_OBJECT
public:
    Generation(ModelLease lease, std::shared_ptr<ResponseStream> response, CompletionFormat format,
               const GenerationOptions& options, std::optional<OutputParser> parser);
    ~Generation() override;

    /// Submits to the engine and, for a stream, sends the headers. Throws ApiError where the engine refuses.
    void start(std::vector<int32_t> prompt, TaskQueue& queue);

    const QString& modelId() const { return m_lease->id(); }
    /// Seconds from start() to the first text; nothing before it.
    std::optional<double> timeToFirstText() const { return m_timeToFirstText; }

Q_SIGNALS:
    void finished(const cortex::engine::SequenceResult& result); ///< once, last; delete it then

private:
    void deliver(const TokenBatch& batch) override;
    std::vector<OutputPiece> piecesOf(const TokenBatch& batch);
    void stream(const std::vector<OutputPiece>& pieces);
    void finish(const engine::SequenceResult& result);
    void fail(const QString& code, const QString& message);
    void cancel();

    ModelLease m_lease;
    std::shared_ptr<ResponseStream> m_response;
    CompletionFormat m_format;
    GenerationOptions m_options;
    std::shared_ptr<TokenRelay> m_relay;
    engine::SequenceId m_sequence = 0;
    bool m_submitted = false;
    std::optional<OutputParser> m_parser;
    CompletionOutput m_output; ///< of an answer that is not streamed
    QElapsedTimer m_clock;
    std::optional<double> m_timeToFirstText;
    QTimer m_keepAlive;
};

} // namespace cortex::neuron
