// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/http/httpclient.h"
#include "core/sse.h"
#include "gateway/fleetstore.h"

#include <QTimer>

#include <chrono>
#include <memory>

namespace cortex {

struct WatchTiming {
    std::chrono::milliseconds firstRetry{250}; ///< doubles at each failure, up to maxRetry
    std::chrono::milliseconds maxRetry{5'000};
    std::chrono::milliseconds silence{
        10'000}; ///< a stream without a byte for so long is dead (health comes each second)
    std::chrono::milliseconds poll{2'000}; ///< of a node that has no /events
};

/// Keeps the fleet's state of one node true: reads its /events, or polls where it answers 404 for them, and tries again
/// with growing pauses where it cannot be reached. A node is online once its discovery, models and health are known.
/// Lives on the gateway's thread.
class NodeWatcher : public QObject {
    Q_OBJECT
public:
    NodeWatcher(HttpClient& client, FleetStore& store, const NeuronEntry& node, const WatchTiming& timing = {},
                QObject* parent = nullptr);
    ~NodeWatcher() override;

    void start();

private:
    struct Known {
        bool discovery = false;
        bool models = false;
        bool health = false;
    };

    void connectEvents();
    void onEventBytes(const QByteArray& bytes);
    void onEventsFinished();
    void handleEvent(const SseEvent& event);
    void pollNext(int step);
    void onPolled(int step);
    void take(const QByteArray& kind, const QByteArray& json);
    void goOnline();
    void goOffline(const QString& why);
    HttpReply* get(const QString& path);
    void drop();

    HttpClient& m_client;
    FleetStore& m_store;
    NeuronEntry m_node;
    WatchTiming m_timing;
    HttpReply* m_reply = nullptr;
    std::unique_ptr<SseParser> m_parser;
    Known m_known;
    bool m_online = false;
    std::chrono::milliseconds m_retry;
    QTimer m_timer; ///< to the next try, or the next poll
    bool m_polling = false;
};

} // namespace cortex
