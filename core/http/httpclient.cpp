// SPDX-License-Identifier: GPL-3.0-only
#include "core/http/httpclient.h"

#include "core/http/curlreply.h"

#include <QSocketNotifier>
#include <QTimer>

#include <curl/curl.h>

#include <unordered_map>

namespace cortex {

/// Drives one multi handle. libcurl says which sockets and which time-out it waits for; the event loop calls back into
/// `act`. What replies have to say is emitted after libcurl has returned, never from inside its callbacks, so a slot
/// may start, abort or delete any transfer, or the client itself.
class HttpClient::Private final : public CurlMulti {
public:
    Private();
    ~Private() override;

    void add(CurlReply* reply) override;
    void remove(CurlReply* reply) override;
    void scheduleDelivery(CurlReply* reply) override;
    void kick() override;

private:
    struct Watch {
        QSocketNotifier* read = nullptr;
        QSocketNotifier* write = nullptr;
    };

    static int onSocket(CURL*, curl_socket_t socket, int what, void* self, void*);
    static int onTimer(CURLM*, long milliseconds, void* self);
    void watch(curl_socket_t socket, int what);
    void setNotifier(QSocketNotifier*& notifier, curl_socket_t socket, QSocketNotifier::Type type, bool on);
    static void releaseNotifier(QSocketNotifier*& notifier);
    void act(curl_socket_t socket, int events);
    void collectFinished();
    void deliver();

    CURLM* m_multi;
    QTimer m_timer;
    QTimer m_delivery; ///< for news that arise outside `act`
    std::unordered_map<curl_socket_t, Watch> m_watches;
    QHash<CURL*, CurlReply*> m_replies; ///< transfers under way
    QList<QPointer<CurlReply>> m_deliverable; ///< with news to emit
};

HttpClient::Private::Private()
{
    static const CURLcode global = curl_global_init(CURL_GLOBAL_DEFAULT);
    Q_ASSERT(global == CURLE_OK);
    m_multi = curl_multi_init();
    Q_CHECK_PTR(m_multi);
    curl_multi_setopt(m_multi, CURLMOPT_SOCKETFUNCTION, onSocket);
    curl_multi_setopt(m_multi, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(m_multi, CURLMOPT_TIMERFUNCTION, onTimer);
    curl_multi_setopt(m_multi, CURLMOPT_TIMERDATA, this);
    curl_multi_setopt(m_multi, CURLMOPT_MAXCONNECTS, 256L); // kept for reuse; how many run at once is not limited
    m_timer.setSingleShot(true);
    m_timer.setTimerType(Qt::PreciseTimer);
    QObject::connect(&m_timer, &QTimer::timeout, &m_timer, [this] { act(CURL_SOCKET_TIMEOUT, 0); });
    m_delivery.setSingleShot(true);
    QObject::connect(&m_delivery, &QTimer::timeout, &m_delivery, [this] { deliver(); });
}

HttpClient::Private::~Private()
{
    const QHash<CURL*, CurlReply*> replies = m_replies;
    for (CurlReply* reply : replies)
        reply->clientGone();
    for (auto& [socket, watch] : m_watches) {
        releaseNotifier(watch.read);
        releaseNotifier(watch.write);
    }
    curl_multi_cleanup(m_multi); // closes the kept connections, which removes their watches
}

void HttpClient::Private::add(CurlReply* reply)
{
    m_replies.insert(reply->handle(), reply);
    curl_multi_add_handle(m_multi, reply->handle()); // asks for a time-out of 0: the work begins in the event loop
}

void HttpClient::Private::remove(CurlReply* reply)
{
    if (m_replies.remove(reply->handle()) > 0)
        curl_multi_remove_handle(m_multi, reply->handle());
}

void HttpClient::Private::scheduleDelivery(CurlReply* reply)
{
    if (!m_deliverable.contains(reply))
        m_deliverable.append(reply);
    if (!m_delivery.isActive())
        m_delivery.start(0);
}

void HttpClient::Private::kick()
{
    m_timer.start(0);
}

int HttpClient::Private::onSocket(CURL*, curl_socket_t socket, int what, void* self, void*)
{
    static_cast<Private*>(self)->watch(socket, what);
    return 0;
}

int HttpClient::Private::onTimer(CURLM*, long milliseconds, void* self)
{
    QTimer& timer = static_cast<Private*>(self)->m_timer;
    if (milliseconds < 0)
        timer.stop();
    else
        timer.start(std::chrono::milliseconds(milliseconds));
    return 0;
}

void HttpClient::Private::watch(curl_socket_t socket, int what)
{
    Watch& watch = m_watches[socket];
    setNotifier(watch.read, socket, QSocketNotifier::Read, what == CURL_POLL_IN || what == CURL_POLL_INOUT);
    setNotifier(watch.write, socket, QSocketNotifier::Write, what == CURL_POLL_OUT || what == CURL_POLL_INOUT);
    if (what == CURL_POLL_REMOVE)
        m_watches.erase(socket);
}

void HttpClient::Private::setNotifier(QSocketNotifier*& notifier, curl_socket_t socket, QSocketNotifier::Type type,
                                      bool on)
{
    if (!on)
        return releaseNotifier(notifier);
    if (notifier)
        return;
    notifier = new QSocketNotifier(socket, type);
    const int event = type == QSocketNotifier::Read ? CURL_CSELECT_IN : CURL_CSELECT_OUT;
    QObject::connect(notifier, &QSocketNotifier::activated, &m_timer, [this, socket, event] { act(socket, event); });
}

/// The notifier may be the one whose signal we are in, and its descriptor may be closed, and reused, right after.
void HttpClient::Private::releaseNotifier(QSocketNotifier*& notifier)
{
    if (!notifier)
        return;
    notifier->setEnabled(false);
    std::exchange(notifier, nullptr)->deleteLater();
}

void HttpClient::Private::act(curl_socket_t socket, int events)
{
    int running = 0;
    curl_multi_socket_action(m_multi, socket, events, &running);
    collectFinished();
    deliver();
}

void HttpClient::Private::collectFinished()
{
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(m_multi, &left)) {
        if (message->msg != CURLMSG_DONE)
            continue;
        const CURLcode result = message->data.result;
        CurlReply* const reply = m_replies.value(message->easy_handle);
        remove(reply); // `message` is invalid from here on
        reply->transferEnded(result);
    }
}

void HttpClient::Private::deliver()
{
    // A slot may delete the client, and with it this object: nothing of ours is touched after the last emission.
    m_delivery.stop();
    const QList<QPointer<CurlReply>> replies = std::exchange(m_deliverable, {});
    for (const QPointer<CurlReply>& reply : replies) {
        if (reply)
            reply->deliver();
    }
}

HttpClient::HttpClient(QObject* parent)
    : QObject(parent)
    , d(std::make_unique<Private>())
{
}

HttpClient::~HttpClient() = default;

HttpReply* HttpClient::send(const HttpClientRequest& request)
{
    return new CurlReply(request, *d);
}

} // namespace cortex
