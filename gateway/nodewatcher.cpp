// SPDX-License-Identifier: GPL-3.0-only
#include "gateway/nodewatcher.h"

#include "core/error.h"
#include "gateway/nodeapi.h"

#include <QJsonDocument>
#include <QLoggingCategory>
#include <QRandomGenerator>

#include <algorithm>

namespace cortex {

Q_LOGGING_CATEGORY(lcNodes, "cortex.gateway.nodes")

namespace {

constexpr qsizetype maxEventBytes = 8 * 1024 * 1024;
constexpr std::chrono::seconds pollTimeout{5};

struct PollStep {
    const char* path;
    const char* kind; ///< of the event that carries the same
};
constexpr std::array pollSteps{PollStep{"/discovery", "discovery"}, PollStep{"/models", "models"},
                               PollStep{"/health", "health"}};

QJsonDocument parse(const QByteArray& kind, const QByteArray& json)
{
    QJsonParseError error;
    const QJsonDocument document = QJsonDocument::fromJson(json, &error);
    if (error.error != QJsonParseError::NoError) {
        throw InputError(QStringLiteral("its %1 is not JSON: %2 at byte %3")
                             .arg(QString::fromLatin1(kind.left(40)), error.errorString())
                             .arg(error.offset));
    }
    return document;
}

/// Not in step with the other gateways and watchers that lost the same node.
std::chrono::milliseconds jittered(std::chrono::milliseconds pause)
{
    return pause * QRandomGenerator::global()->bounded(80, 121) / 100;
}

} // namespace

NodeWatcher::NodeWatcher(HttpClient& client, FleetStore& store, const NeuronEntry& node, const WatchTiming& timing,
                         QObject* parent)
    : QObject(parent)
    , m_client(client)
    , m_store(store)
    , m_node(node)
    , m_timing(timing)
    , m_retry(timing.firstRetry)
{
    m_timer.setSingleShot(true);
    connect(&m_timer, &QTimer::timeout, this, [this] {
        if (m_polling)
            pollNext(0);
        else
            connectEvents();
    });
}

NodeWatcher::~NodeWatcher()
{
    drop();
}

void NodeWatcher::start()
{
    connectEvents();
}

void NodeWatcher::drop()
{
    if (!m_reply)
        return;
    m_reply->disconnect(this);
    m_reply->abort();
    m_reply->deleteLater();
    m_reply = nullptr;
}

HttpReply* NodeWatcher::get(const QString& path)
{
    HttpClientRequest request;
    request.url = nodeUrl(m_node.endpoint, path);
    request.connectTimeout = std::min<std::chrono::milliseconds>(m_timing.silence, std::chrono::seconds(5));
    request.maxBodyBytes = maxEventBytes;
    if (path == QLatin1String("/events")) {
        request.headers.append("Accept", "text/event-stream");
        request.idleTimeout = m_timing.silence;
    } else {
        request.totalTimeout = pollTimeout;
    }
    HttpReply* reply = m_client.send(request);
    reply->setParent(this);
    return reply;
}

void NodeWatcher::connectEvents()
{
    m_known = {};
    m_parser = std::make_unique<SseParser>(maxEventBytes);
    m_reply = get(QStringLiteral("/events"));
    m_reply->setStreaming(true);
    connect(m_reply, &HttpReply::data, this, &NodeWatcher::onEventBytes);
    connect(m_reply, &HttpReply::finished, this, &NodeWatcher::onEventsFinished);
}

void NodeWatcher::onEventBytes(const QByteArray& bytes)
{
    if (m_reply->status() != 200)
        return;
    try {
        for (const SseEvent& event : m_parser->push(bytes))
            handleEvent(event);
        if (m_parser->overflowed())
            throw InputError(QStringLiteral("it sent an event of more than %1 MiB").arg(maxEventBytes / 1024 / 1024));
    } catch (const InputError& error) {
        goOffline(error.message());
    }
}

void NodeWatcher::onEventsFinished()
{
    const int status = m_reply->status();
    if (status == 404) {
        drop();
        m_polling = true;
        pollNext(0);
    } else if (status != 0 && status != 200) {
        goOffline(QStringLiteral("it answered HTTP %1 to GET /events").arg(status));
    } else if (m_reply->failure() != HttpReply::Failure::None) {
        goOffline(m_reply->errorText());
    } else {
        goOffline(QStringLiteral("it closed its event stream"));
    }
}

void NodeWatcher::handleEvent(const SseEvent& event)
{
    take(event.event, event.data);
    if (m_known.discovery && m_known.models && m_known.health)
        goOnline();
}

/// One event, or the answer of the GET that carries the same. Kinds that we do not know are a newer node's: ignored.
void NodeWatcher::take(const QByteArray& kind, const QByteArray& json)
{
    if (kind == "discovery") {
        const Discovery discovery = discoveryFromJson(parse(kind, json).object());
        m_known.discovery = true;
        m_store.report(m_node.name, [&](FleetState& state) { state.setDiscovery(m_node.name, discovery); });
    } else if (kind == "models") {
        const QList<NodeModel> models = nodeModelsFromJson(parse(kind, json).array());
        m_known.models = true;
        m_store.report(m_node.name, [&](FleetState& state) { state.setModels(m_node.name, models); });
    } else if (kind == "health") {
        const Health health = healthFromJson(parse(kind, json).object());
        m_known.health = true;
        m_store.report(m_node.name, [&](FleetState& state) {
            state.touch(m_node.name);
            state.setHealth(m_node.name, health);
        });
    } else if (kind == "model") {
        const NodeModel model = nodeModelFromJson(parse(kind, json).object());
        m_store.report(m_node.name, [&](FleetState& state) { state.setModel(m_node.name, model, m_store.nowMs()); });
    } else if (kind == "gone") {
        const QString id = parse(kind, json).object().value(QLatin1String("id")).toString();
        m_store.report(m_node.name, [&](FleetState& state) { state.removeModel(m_node.name, id); });
    }
}

void NodeWatcher::pollNext(int step)
{
    if (step == int(pollSteps.size())) {
        goOnline();
        m_timer.start(m_timing.poll);
        return;
    }
    m_reply = get(QString::fromLatin1(pollSteps.at(size_t(step)).path));
    connect(m_reply, &HttpReply::finished, this, [this, step] { onPolled(step); });
}

void NodeWatcher::onPolled(int step)
{
    const PollStep& asked = pollSteps.at(size_t(step));
    if (m_reply->failure() != HttpReply::Failure::None) {
        goOffline(m_reply->errorText());
        return;
    }
    if (m_reply->status() != 200) {
        goOffline(
            QStringLiteral("it answered HTTP %1 to GET %2").arg(m_reply->status()).arg(QLatin1String(asked.path)));
        return;
    }
    try {
        take(asked.kind, m_reply->body());
    } catch (const InputError& error) {
        goOffline(error.message());
        return;
    }
    drop();
    pollNext(step + 1);
}

void NodeWatcher::goOnline()
{
    m_retry = m_timing.firstRetry;
    if (m_online)
        return;
    m_online = true;
    qCInfo(lcNodes).noquote()
        << QStringLiteral("node %1 is online%2").arg(m_node.name, m_polling ? QStringLiteral(" (polled)") : QString());
    m_store.report(m_node.name, [&](FleetState& state) { state.setNodeStatus(m_node.name, NodeStatus::Online); });
}

void NodeWatcher::goOffline(const QString& why)
{
    drop();
    m_polling = false;
    const NodeSnapshot* before = m_store.state().findNode(m_node.name);
    if (m_online || (before && before->error != why))
        qCWarning(lcNodes).noquote() << QStringLiteral("node %1 is offline: %2").arg(m_node.name, why);
    m_online = false;
    m_store.report(m_node.name, [&](FleetState& state) { state.setNodeStatus(m_node.name, NodeStatus::Offline, why); });
    m_timer.start(jittered(m_retry));
    m_retry = std::min(m_retry * 2, m_timing.maxRetry);
}

} // namespace cortex
