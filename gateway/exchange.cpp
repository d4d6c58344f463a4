// SPDX-License-Identifier: GPL-3.0-only
#include "gateway/exchange.h"

#include "core/error.h"
#include "core/sse.h"
#include "gateway/nodeapi.h"

#include <QJsonDocument>
#include <QLoggingCategory>

namespace cortex {

namespace {

constexpr qint64 pauseAboveBytes = 256 * 1024;
constexpr qint64 maxCollectedBytes = 64 * 1024 * 1024;
constexpr std::chrono::seconds connectTimeout{5};

/// One line for an SSE comment; ids come from configs and nodes and may hold anything.
QByteArray oneLine(const QString& text)
{
    QByteArray line = text.toUtf8();
    line.replace('\n', ' ').replace('\r', ' ');
    return line;
}

/// A node's error body as one data frame. What is not an OpenAI error object is put into one.
QByteArray errorFrame(int status, const QByteArray& body)
{
    const QJsonDocument document = QJsonDocument::fromJson(body);
    if (document.object().value(QLatin1String("error")).isObject())
        return sseFrame({}, document.toJson(QJsonDocument::Compact));
    return upstreamError(errorTextOf(status, body)).toSseFrame();
}

} // namespace

Exchange::Exchange(const ProxyContext& context, const std::shared_ptr<ResponseStream>& response, const QString& path,
                   QObject* parent)
    : QObject(parent)
    , m_context(context)
    , m_response(response)
    , m_path(path)
{
    m_clock.start();
    m_sinceWrite.start();
    m_keepAliveTimer.setSingleShot(true);
    m_lostNodeTimer.setSingleShot(true);
    connect(&m_keepAliveTimer, &QTimer::timeout, this, &Exchange::onKeepAlive);
    connect(&m_lostNodeTimer, &QTimer::timeout, this, [this] {
        dropUpstream();
        fail(upstreamError(QStringLiteral("The node %1 went away while it answered.").arg(m_lease.node())));
    });
    connect(m_response.get(), &ResponseStream::disconnected, this, &Exchange::onClientGone);
}

Exchange::~Exchange()
{
    m_context.router.cancel(m_ticket);
    dropUpstream();
}

void Exchange::start(const QByteArray& body)
{
    try {
        m_request = parseCompletionRequest(body);
    } catch (const InputError& error) {
        fail(invalidRequest(error.message()));
        return;
    }
    m_model = m_context.store.state().resolve(m_request.model);
    if (m_model.isEmpty()) {
        fail(modelNotFound(m_request.model));
        return;
    }
    m_body = body;
    if (m_request.stream)
        m_keepAliveTimer.start(m_context.timing.firstKeepAlive);
    m_ticket = m_context.router.acquire(m_model, [this](ModelRouter::Answer answer) { onAnswer(std::move(answer)); });
}

void Exchange::onAnswer(ModelRouter::Answer answer)
{
    m_ticket = 0;
    if (const RouteError* error = std::get_if<RouteError>(&answer)) {
        fail(*error);
        return;
    }
    m_lease = std::move(std::get<Lease>(answer));
    sendUpstream();
}

void Exchange::sendUpstream()
{
    HttpClientRequest request;
    request.method = "POST";
    request.url = nodeUrl(m_lease.endpoint(), m_path);
    request.headers.append("Content-Type", "application/json");
    request.headers.append("Accept", m_request.stream ? "text/event-stream" : "application/json");
    request.body =
        m_request.model == m_lease.nodeModelId() ? m_body : withModel(m_body, m_request, m_lease.nodeModelId());
    request.connectTimeout = connectTimeout;
    m_body.clear();
    m_upstream = m_context.client.send(request);
    m_upstream->setParent(this);
    m_upstream->setStreaming(true);
    connect(m_upstream, &HttpReply::headersReceived, this, &Exchange::onHeaders);
    connect(m_upstream, &HttpReply::data, this, &Exchange::onData);
    connect(m_upstream, &HttpReply::finished, this, &Exchange::onUpstreamFinished);
    connect(m_response.get(), &ResponseStream::drained, m_upstream, &HttpReply::resume);
    connect(&m_context.store, &FleetStore::nodeChanged, this, &Exchange::onNodeChanged);
}

void Exchange::onHeaders()
{
    const QByteArray type = m_upstream->headers().value("content-type").toLower();
    m_relaying = m_request.stream && m_upstream->status() == 200 && type.startsWith("text/event-stream");
    if (m_relaying)
        beginStream();
}

void Exchange::beginStream()
{
    if (!m_response->isBegun())
        m_response->beginEventStream();
}

void Exchange::onData(const QByteArray& bytes)
{
    m_lostNodeTimer.stop();
    if (m_relaying) {
        relay(bytes);
        return;
    }
    m_collected += bytes;
    if (m_collected.size() > maxCollectedBytes) {
        dropUpstream();
        fail(upstreamError(QStringLiteral("The node %1 sent an answer of more than %2 MiB.")
                               .arg(m_lease.node())
                               .arg(maxCollectedBytes / 1024 / 1024)));
    }
}

void Exchange::relay(const QByteArray& bytes)
{
    m_response->write(bytes);
    m_sinceWrite.restart();
    if (m_response->pendingBytes() > pauseAboveBytes && m_upstream)
        m_upstream->pause();
    const int tokens = m_tap.push(bytes);
    if (tokens == 0)
        return;
    m_lastTokenMs = m_clock.elapsed();
    if (!m_firstTokenMs)
        m_firstTokenMs = m_lastTokenMs;
    m_context.meter.addTokens({m_lease.node(), m_lease.model()}, tokens);
}

void Exchange::onUpstreamFinished()
{
    const HttpReply::Failure failure = m_upstream->failure();
    if (failure == HttpReply::Failure::None) {
        if (m_relaying)
            endRelay(
                QStringLiteral("The node %1 ended its stream before the answer was complete.").arg(m_lease.node()));
        else
            answerCollected();
        return;
    }
    const QString text =
        QStringLiteral("The node %1 failed to answer: %2").arg(m_lease.node(), m_upstream->errorText());
    const bool unreached = failure == HttpReply::Failure::Refused || failure == HttpReply::Failure::Resolve;
    if (m_relaying)
        endRelay(text);
    else
        fail(unreached ? unavailable(QStringLiteral("node_unreachable"), text, 5) : upstreamError(text));
}

/// Nothing more comes of a relayed stream. However properly its connection ended, the stream is whole only where the
/// node said so; `fault` is what to say where it said nothing.
void Exchange::endRelay(const QString& fault)
{
    if (m_tap.sawDone()) {
        m_response->end();
        finish(false);
    } else if (m_tap.sawError()) {
        m_cut = true;
        finish(true);
    } else {
        fail(upstreamError(fault));
    }
}

/// The node's whole answer, which is no event stream: a completion in one piece, or an error of its own, passed on as
/// it is.
void Exchange::answerCollected()
{
    const int status = m_upstream->status();
    const bool failed = status / 100 != 2;
    if (m_response->isBegun()) {
        sayLastWords(failed
                         ? errorFrame(status, m_collected)
                         : upstreamError(QStringLiteral("The node %1 did not stream its answer.").arg(m_lease.node()))
                               .toSseFrame());
        finish(true);
        return;
    }
    HttpHeaders extra;
    if (m_upstream->headers().contains("retry-after"))
        extra.append("Retry-After", m_upstream->headers().value("retry-after"));
    m_response->respond(status, m_upstream->headers().value("content-type"), m_collected, extra);
    finish(failed);
}

void Exchange::onClientGone()
{
    // Closing the connection to the node is what stops its work.
    dropUpstream();
    finish(false);
    close();
}

void Exchange::onNodeChanged(const QString& node)
{
    if (!m_lease.isHeld() || node != m_lease.node())
        return;
    // Losing its event stream does not prove that a node has lost its requests; time and silence do.
    if (m_context.store.state().findNode(node)->status != NodeStatus::Offline)
        m_lostNodeTimer.stop();
    else if (!m_lostNodeTimer.isActive())
        m_lostNodeTimer.start(m_context.timing.lostNode);
}

void Exchange::onKeepAlive()
{
    const std::chrono::milliseconds silent(m_sinceWrite.elapsed());
    const std::chrono::milliseconds due =
        m_response->isBegun() ? m_context.timing.keepAlive : m_context.timing.firstKeepAlive;
    if (silent < due) {
        m_keepAliveTimer.start(due - silent);
        return;
    }
    beginStream();
    if (m_tap.isAtBoundary() && m_response->pendingBytes() < pauseAboveBytes) {
        m_response->write(sseComment(m_lease.isHeld() ? QByteArrayLiteral("working on the prompt")
                                                      : oneLine(m_context.router.waitReason(m_model))));
    }
    m_sinceWrite.restart();
    m_keepAliveTimer.start(m_context.timing.keepAlive);
}

/// Ends the request with an error in the form that its answer's state allows.
void Exchange::fail(const RouteError& error)
{
    if (!m_response->isBegun())
        m_response->respondJson(error.status, error.toJson(), error.headers());
    else
        sayLastWords(error.toSseFrame());
    finish(true);
}

/// An error frame, and then no proper end: a stream that was cut must not look whole. The connection is closed when the
/// client has taken the frame; see finish.
void Exchange::sayLastWords(const QByteArray& frame)
{
    // A frame that the node broke off in the middle would swallow ours.
    m_response->write(m_tap.isAtBoundary() ? frame : "\n\n" + frame);
    m_cut = true;
}

void Exchange::dropUpstream()
{
    if (!m_upstream)
        return;
    m_upstream->disconnect(this);
    m_upstream->abort();
    m_upstream->deleteLater();
    m_upstream = nullptr;
}

/// The request is over: counts it, gives the lease back, and goes once the answer's bytes are with the client.
void Exchange::finish(bool failed)
{
    if (m_recorded)
        return;
    m_recorded = true;
    m_keepAliveTimer.stop();
    m_lostNodeTimer.stop();
    RequestRecord record;
    record.model = m_model;
    record.node = m_lease.node();
    record.failed = failed;
    record.seconds = double(m_clock.elapsed()) / 1000;
    record.streamedTokens = m_tap.chunks();
    record.usage = m_relaying ? m_tap.usage() : usageOf(m_collected);
    if (m_firstTokenMs) {
        record.secondsToFirstToken = double(*m_firstTokenMs) / 1000;
        record.secondsDecoding = double(m_lastTokenMs - *m_firstTokenMs) / 1000;
    }
    m_context.metrics.record(record);
    if (!m_relaying && record.usage)
        m_context.meter.addTokens({m_lease.node(), m_lease.model()}, int(record.usage->completionTokens));
    m_context.router.cancel(m_ticket);
    m_lease.release();
    if (!m_cut || !m_response->isOpen()) {
        close();
        return;
    }
    // Closing resets the connection, and a reset overtakes what is on its way: let the error frame get there first.
    const auto closeSoon = [this] { QTimer::singleShot(m_context.timing.flight, this, &Exchange::close); };
    if (m_response->pendingBytes() == 0)
        closeSoon();
    else
        connect(m_response.get(), &ResponseStream::drained, this, closeSoon);
    QTimer::singleShot(m_context.timing.lastWords, this, &Exchange::close);
}

void Exchange::close()
{
    if (m_cut && m_response->isOpen())
        m_response->abort();
    m_response->disconnect(this);
    deleteLater();
}

} // namespace cortex
