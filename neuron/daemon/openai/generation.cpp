// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/openai/generation.h"

#include "core/sse.h"
#include "neuron/daemon/apierror.h"

#include <QJsonDocument>

namespace cortex::neuron {

namespace {
constexpr std::chrono::seconds KeepAliveInterval{5}; ///< clients call anything silent dead
constexpr qint64 MaxPendingBytes = 16 * 1024 * 1024; ///< what a client may leave unread
} // namespace

Generation::Generation(ModelLease lease, std::shared_ptr<ResponseStream> response, CompletionFormat format,
                       const GenerationOptions& options, std::optional<OutputParser> parser)
    : m_lease(std::move(lease))
    , m_response(std::move(response))
    , m_format(std::move(format))
    , m_options(options)
    , m_parser(std::move(parser))
{
    connect(m_response.get(), &ResponseStream::disconnected, this, &Generation::cancel);
    connect(m_lease.operator->(), &LoadedModel::revoked, this, &Generation::cancel);
    connect(&m_keepAlive, &QTimer::timeout, this, [this] { m_response->write(sseComment("waiting")); });
}

Generation::~Generation()
{
    if (m_relay)
        m_relay->detach();
}

void Generation::start(std::vector<int32_t> prompt, TaskQueue& queue)
{
    engine::SequenceRequest request;
    request.prompt = std::move(prompt);
    request.maxTokens = m_options.maxTokens;
    request.sampling = m_options.sampling;
    request.stop = m_options.stop;
    request.ignoreEos = m_options.ignoreEos;
    m_relay = std::make_shared<TokenRelay>(queue, static_cast<TokenReceiver&>(*this));
    m_clock.start();
    try {
        m_sequence = m_lease->engine().submit(std::move(request), m_relay);
    } catch (const engine::Error& error) {
        throw ApiError::fromEngine(error, m_format.promptParam());
    }
    m_submitted = true;
    if (!m_options.stream)
        return;
    m_response->beginEventStream();
    if (const QByteArray opening = m_format.opening(); !opening.isEmpty())
        m_response->write(opening);
    m_keepAlive.start(KeepAliveInterval);
}

void Generation::cancel()
{
    if (m_submitted)
        m_lease->engine().cancel(m_sequence); // `finished` follows from the engine
}

void Generation::deliver(const TokenBatch& batch)
{
    if (!m_timeToFirstText && !batch.texts.empty())
        m_timeToFirstText = double(m_clock.nsecsElapsed()) * 1e-9;
    std::vector<OutputPiece> pieces = piecesOf(batch);
    if (m_options.stream) {
        stream(pieces);
    } else {
        for (OutputPiece& piece : pieces)
            m_output.add(std::move(piece));
    }
    if (batch.result)
        finish(*batch.result);
}

std::vector<OutputPiece> Generation::piecesOf(const TokenBatch& batch)
{
    std::vector<OutputPiece> pieces;
    for (const std::string& text : batch.texts) {
        if (!m_parser) {
            pieces.emplace_back(ContentText{text});
            continue;
        }
        for (OutputPiece& piece : m_parser->push(text))
            pieces.push_back(std::move(piece));
    }
    if (batch.result && m_parser) {
        for (OutputPiece& piece : m_parser->finish())
            pieces.push_back(std::move(piece));
    }
    return pieces;
}

void Generation::stream(const std::vector<OutputPiece>& pieces)
{
    QByteArray frames;
    for (const OutputPiece& piece : pieces)
        frames += m_format.piece(piece);
    if (frames.isEmpty())
        return;
    m_response->write(frames);
    m_keepAlive.start();
    if (m_response->pendingBytes() > MaxPendingBytes) {
        m_response->abort(); // it does not read
        cancel();
    }
}

void Generation::finish(const engine::SequenceResult& result)
{
    m_keepAlive.stop();
    switch (result.reason) {
    case engine::FinishReason::Failed:
        fail(QStringLiteral("engine_failed"), QString::fromStdString(result.error));
        break;
    case engine::FinishReason::Cancelled:
        fail(QStringLiteral("model_unloading"),
             QStringLiteral("the model was unloaded before the answer was complete"));
        break;
    case engine::FinishReason::Stop:
    case engine::FinishReason::StopString:
    case engine::FinishReason::Length:
        if (!m_options.stream) {
            m_response->respondJson(200, m_format.whole(m_output, result));
            break;
        }
        m_response->write(m_format.closing(result) + (m_options.includeUsage ? m_format.usage(result) : QByteArray())
                          + CompletionFormat::done());
        m_response->end();
        break;
    }
    Q_EMIT finished(result);
}

void Generation::fail(const QString& code, const QString& message)
{
    if (!m_response->isOpen())
        return; // nobody listens: the client went away
    const ApiError error = code == QLatin1String("model_unloading")
        ? ApiError::unavailable(code, message, 5)
        : ApiError(500, QStringLiteral("server_error"), code, message);
    if (!m_options.stream) {
        error.send(*m_response);
        return;
    }
    // In mid-stream: the error as a frame, and no [DONE], so that a cut answer never looks whole.
    m_response->write(sseFrame({}, QJsonDocument(error.toJson()).toJson(QJsonDocument::Compact)));
    m_response->end();
}

} // namespace cortex::neuron
