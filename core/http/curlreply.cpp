// SPDX-License-Identifier: GPL-3.0-only
#include "core/http/curlreply.h"

#include <cerrno>
#include <cstring>

namespace cortex {

namespace {

constexpr qsizetype MaxIncomingBytes = 256 * 1024; ///< before slots get to see them
constexpr qint64 MaxHeaderBytes = 256 * 1024; ///< of all answers along the redirects
constexpr int MaxHeaderLines = 4000; ///< likewise; fewer than libcurl's own limit, which came with 8.6

QString seconds(std::chrono::milliseconds time)
{
    return QString::number(static_cast<double>(time.count()) / 1000.0);
}

} // namespace

CurlReply::CurlReply(const HttpClientRequest& request, CurlMulti& multi)
    : m_multi(&multi)
    , m_easy(curl_easy_init())
    , m_request(request)
    , m_url(request.url)
{
    Q_CHECK_PTR(m_easy);
    setOptions(request);
    setMethod(request);
    setHeaders(request);
    if (request.idleTimeout.count() > 0) {
        connect(&m_idle, &QTimer::timeout, this, &CurlReply::checkProgress);
        m_idle.start(request.idleTimeout);
        m_sinceCheck.start();
    }
    multi.add(this);
}

CurlReply::~CurlReply()
{
    release();
}

// ------------------------------------------------------------------------------------------------------- request

void CurlReply::setOptions(const HttpClientRequest& request)
{
    curl_easy_setopt(m_easy, CURLOPT_URL, request.url.toEncoded(QUrl::RemoveFragment).constData());
    curl_easy_setopt(m_easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(m_easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(m_easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(m_easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(m_easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(m_easy, CURLOPT_BUFFERSIZE, 64L * 1024L);
    curl_easy_setopt(m_easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connectTimeout.count()));
    curl_easy_setopt(m_easy, CURLOPT_TIMEOUT_MS, static_cast<long>(request.totalTimeout.count()));
    if (request.useProxy)
        curl_easy_setopt(m_easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    else
        curl_easy_setopt(m_easy, CURLOPT_PROXY, ""); // whatever the environment says
    if (request.followRedirects) {
        // libcurl drops Authorization (and Cookie) by itself when a redirect leaves scheme, host or port.
        const bool isTls = request.url.scheme() == QLatin1String("https");
        curl_easy_setopt(m_easy, CURLOPT_FOLLOWLOCATION, 1L);
        curl_easy_setopt(m_easy, CURLOPT_MAXREDIRS, 10L);
        curl_easy_setopt(m_easy, CURLOPT_REDIR_PROTOCOLS_STR, isTls ? "https" : "http,https");
    }
    curl_easy_setopt(m_easy, CURLOPT_HEADERFUNCTION, onHeader);
    curl_easy_setopt(m_easy, CURLOPT_HEADERDATA, this);
    curl_easy_setopt(m_easy, CURLOPT_WRITEFUNCTION, onBody);
    curl_easy_setopt(m_easy, CURLOPT_WRITEDATA, this);
}

void CurlReply::setMethod(const HttpClientRequest& request)
{
    const bool isPost = request.method == "POST";
    if (request.method == "HEAD")
        curl_easy_setopt(m_easy, CURLOPT_NOBODY, 1L);
    if (isPost || !request.body.isEmpty()) {
        curl_easy_setopt(m_easy, CURLOPT_POST, 1L);
        curl_easy_setopt(m_easy, CURLOPT_POSTFIELDS, m_request.body.constData());
        curl_easy_setopt(m_easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(m_request.body.size()));
    }
    // Only where needed: a custom POST would stay a POST after a 303.
    if (!isPost && request.method != "HEAD" && (request.method != "GET" || !request.body.isEmpty()))
        curl_easy_setopt(m_easy, CURLOPT_CUSTOMREQUEST, request.method.constData());
}

void CurlReply::setHeaders(const HttpClientRequest& request)
{
    const auto append = [this](const QByteArray& line) {
        curl_slist* const list = curl_slist_append(m_headerList, line.constData());
        Q_CHECK_PTR(list);
        m_headerList = list;
    };
    for (const auto& [name, value] : request.headers.fields()) {
        QByteArray clean = value;
        clean.replace('\r', ' ').replace('\n', ' '); // a line end would begin another header
        append(clean.isEmpty() ? name + ';' : name + ": " + clean);
    }
    // libcurl would add these two by itself: a round trip before large bodies, and a form's type.
    append("Expect:");
    if (!request.headers.contains("Content-Type"))
        append("Content-Type:");
    curl_easy_setopt(m_easy, CURLOPT_HTTPHEADER, m_headerList);
}

// ---------------------------------------------------------------------------- libcurl's callbacks: nothing is emitted

size_t CurlReply::onHeader(char* data, size_t size, size_t count, void* self)
{
    const bool accepted = static_cast<CurlReply*>(self)->header(QByteArray(data, static_cast<qsizetype>(size * count)));
    return accepted ? size * count : 0;
}

size_t CurlReply::onBody(char* data, size_t size, size_t count, void* self)
{
    return static_cast<CurlReply*>(self)->receive(QByteArrayView(data, static_cast<qsizetype>(size * count)));
}

bool CurlReply::header(QByteArray line)
{
    if (m_headersComplete) // a trailer
        return true;
    m_headerBytes += line.size();
    if (m_headerBytes > MaxHeaderBytes || ++m_headerLines > MaxHeaderLines) {
        m_failure = Failure::TooLarge;
        return false;
    }
    line = line.trimmed();
    const qsizetype colon = line.indexOf(':');
    if (line.isEmpty())
        endHeaders();
    else if (line.startsWith("HTTP/")) // a new block: after 1xx, or after a redirect
        m_headers = {};
    else if (colon > 0)
        m_headers.append(line.first(colon), line.sliced(colon + 1).trimmed());
    return true;
}

void CurlReply::endHeaders()
{
    long status = 0;
    curl_easy_getinfo(m_easy, CURLINFO_RESPONSE_CODE, &status);
    const bool redirects =
        m_request.followRedirects && status >= 300 && status < 400 && status != 304 && m_headers.contains("Location");
    if (status < 200 || redirects)
        return;
    m_status = static_cast<int>(status);
    noteUrl();
    m_headersComplete = true;
    m_multi->scheduleDelivery(this);
}

void CurlReply::noteUrl()
{
    const char* url = nullptr;
    if (curl_easy_getinfo(m_easy, CURLINFO_EFFECTIVE_URL, &url) == CURLE_OK && url)
        m_url = QUrl::fromEncoded(url);
}

size_t CurlReply::receive(QByteArrayView bytes)
{
    if (!m_headersComplete) // the body of a redirect
        return static_cast<size_t>(bytes.size());
    // libcurl keeps these bytes and reads no further. It may read many buffers before it returns to us, and nobody can
    // call pause() in between: hence the second reason.
    m_isHeld = m_incoming.size() >= MaxIncomingBytes;
    if (m_paused || m_isHeld)
        return CURL_WRITEFUNC_PAUSE;
    if (!m_streaming && m_body.size() + m_incoming.size() + bytes.size() > m_request.maxBodyBytes) {
        m_failure = Failure::TooLarge;
        return CURL_WRITEFUNC_ERROR;
    }
    m_incoming.append(bytes.data(), bytes.size());
    m_multi->scheduleDelivery(this);
    return static_cast<size_t>(bytes.size());
}

// ------------------------------------------------------------------------------------------------------- control

void CurlReply::pause()
{
    if (std::exchange(m_paused, true) || m_ended)
        return;
    curl_easy_pause(m_easy, CURLPAUSE_RECV);
}

void CurlReply::resume()
{
    if (!std::exchange(m_paused, false))
        return;
    if (!m_ended)
        readOn();
    else
        QMetaObject::invokeMethod(this, &CurlReply::deliver, Qt::QueuedConnection);
}

void CurlReply::readOn()
{
    m_isHeld = false;
    curl_easy_pause(m_easy, CURLPAUSE_CONT); // may call receive() with what was held back
    m_multi->kick();
    m_multi->scheduleDelivery(this);
}

void CurlReply::abort()
{
    if (m_ended)
        return;
    m_incoming.clear();
    m_paused = false;
    end(Failure::Aborted, QStringLiteral("the request to %1 was cancelled").arg(peerText()));
    QMetaObject::invokeMethod(this, &CurlReply::deliver, Qt::QueuedConnection);
}

void CurlReply::clientGone()
{
    abort();
}

/// Silence is measured over both directions, so that a long upload is not taken for it; a pause of ours does not count.
void CurlReply::checkProgress()
{
    // Where the event loop itself stood still, what the peer has sent may lie unread: it gets its time again.
    if (std::chrono::milliseconds(m_sinceCheck.restart()) > m_request.idleTimeout * 3 / 2)
        return;
    curl_off_t up = 0;
    curl_off_t down = 0;
    curl_easy_getinfo(m_easy, CURLINFO_SIZE_UPLOAD_T, &up);
    curl_easy_getinfo(m_easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
    const qint64 progress = up + down + (m_headersComplete ? 1 : 0);
    if (m_paused || std::exchange(m_progress, progress) != progress)
        return;
    end(Failure::Timeout, QStringLiteral("%1 sent nothing for %2 s").arg(peerText(), seconds(m_request.idleTimeout)));
    deliver();
}

// ------------------------------------------------------------------------------------------------------- the end

void CurlReply::transferEnded(CURLcode result)
{
    CurlMulti* const multi = m_multi;
    noteUrl(); // a failure is the last hop's
    if (result == CURLE_OK)
        end(Failure::None, {});
    else if (m_failure == Failure::TooLarge)
        end(Failure::TooLarge,
            m_headersComplete
                ? QStringLiteral("the answer of %1 is larger than %2 bytes").arg(peerText()).arg(m_request.maxBodyBytes)
                : QStringLiteral("the answer of %1 has headers of more than %2 bytes or %3 lines")
                      .arg(peerText())
                      .arg(MaxHeaderBytes)
                      .arg(MaxHeaderLines));
    else
        end(failureOf(result), describe(result));
    multi->scheduleDelivery(this);
}

void CurlReply::end(Failure failure, const QString& errorText)
{
    m_ended = true;
    m_idle.stop();
    m_failure = failure;
    m_errorText = errorText;
    release();
}

void CurlReply::release()
{
    if (!m_multi)
        return;
    std::exchange(m_multi, nullptr)->remove(this);
    curl_easy_cleanup(std::exchange(m_easy, nullptr));
    curl_slist_free_all(std::exchange(m_headerList, nullptr));
}

void CurlReply::deliver()
{
    const QPointer<CurlReply> alive(this);
    if (m_headersComplete && !std::exchange(m_headersAnnounced, true)) {
        Q_EMIT headersReceived();
        if (!alive)
            return;
    }
    if (m_paused)
        return; // resume() comes back here
    if (!m_incoming.isEmpty()) {
        const QByteArray bytes = std::exchange(m_incoming, {});
        if (!m_streaming)
            m_body.append(bytes);
        else
            Q_EMIT data(bytes);
        if (!alive || m_paused)
            return;
    }
    if (m_isHeld && !m_ended)
        readOn();
    if (m_ended && m_incoming.isEmpty() && !std::exchange(m_finished, true))
        Q_EMIT finished();
}

// ------------------------------------------------------------------------------------------------- words for people

QString CurlReply::peerText() const
{
    const QString host = m_url.host();
    const int port = m_url.port(m_url.scheme() == QLatin1String("https") ? 443 : 80);
    return (host.contains(QLatin1Char(':')) ? QStringLiteral("[%1]:%2") : QStringLiteral("%1:%2")).arg(host).arg(port);
}

QString CurlReply::describe(CURLcode result) const
{
    const QString peer = peerText();
    long error = 0;
    switch (result) {
    case CURLE_COULDNT_CONNECT:
        curl_easy_getinfo(m_easy, CURLINFO_OS_ERRNO, &error);
        if (error == ECONNREFUSED)
            return QStringLiteral("%1 refused the connection").arg(peer);
        return QStringLiteral("cannot connect to %1: %2").arg(peer, qt_error_string(static_cast<int>(error)));
    case CURLE_COULDNT_RESOLVE_HOST:
        return QStringLiteral("no address is known for the host %1").arg(m_url.host());
    case CURLE_COULDNT_RESOLVE_PROXY:
        return QStringLiteral("no address is known for the proxy on the way to %1").arg(peer);
    case CURLE_OPERATION_TIMEDOUT: {
        double connected = 0;
        curl_easy_getinfo(m_easy, CURLINFO_CONNECT_TIME, &connected);
        if (connected > 0)
            return QStringLiteral("%1 did not finish within %2 s").arg(peer, seconds(m_request.totalTimeout));
        return QStringLiteral("%1 did not accept the connection in time").arg(peer);
    }
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
        return QStringLiteral("%1 closed the connection before the answer was complete").arg(peer);
    case CURLE_TOO_MANY_REDIRECTS:
        return QStringLiteral("%1 redirects in circles").arg(peer);
    case CURLE_UNSUPPORTED_PROTOCOL:
        if (isNoHttp(result))
            return QStringLiteral("%1 does not answer in HTTP").arg(peer);
        [[fallthrough]];
    case CURLE_URL_MALFORMAT:
        return QStringLiteral("%1 is not an http or https address").arg(m_request.url.toDisplayString());
    default:
        return QStringLiteral("%1: %2").arg(peer, QString::fromUtf8(curl_easy_strerror(result)));
    }
}

/// libcurl has one code for an address that it will not fetch and for a server that answers in something else.
bool CurlReply::isNoHttp(CURLcode result) const
{
    long redirects = 0;
    curl_easy_getinfo(m_easy, CURLINFO_REDIRECT_COUNT, &redirects);
    return result == CURLE_UNSUPPORTED_PROTOCOL && redirects == 0
        && m_request.url.scheme().startsWith(QLatin1String("http"));
}

HttpReply::Failure CurlReply::failureOf(CURLcode result) const
{
    switch (result) {
    case CURLE_UNSUPPORTED_PROTOCOL:
        return isNoHttp(result) ? Failure::Broken : Failure::Other;
    case CURLE_COULDNT_CONNECT:
        return Failure::Refused;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return Failure::Resolve;
    case CURLE_OPERATION_TIMEDOUT:
        return Failure::Timeout;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
        return Failure::Tls;
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return Failure::Broken;
    default:
        return Failure::Other;
    }
}

} // namespace cortex
