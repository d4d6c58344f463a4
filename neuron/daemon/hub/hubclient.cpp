// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/hub/hubclient.h"

#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QRegularExpression>
#include <QTimer>

#include <algorithm>

namespace cortex::neuron {

namespace {

constexpr int maxAttempts = 5;
constexpr int maxRedirects = 5;
constexpr int maxWaitSeconds = 60;

QString unquoted(QByteArray etag)
{
    if (etag.startsWith("W/"))
        etag.remove(0, 2);
    if (etag.size() >= 2 && etag.startsWith('"') && etag.endsWith('"'))
        etag = etag.mid(1, etag.size() - 2);
    return QString::fromLatin1(etag);
}

QByteArray firstOf(const HttpHeaders& headers, QByteArrayView preferred, QByteArrayView otherwise)
{
    return headers.contains(preferred) ? headers.value(preferred) : headers.value(otherwise);
}

/// The answer to /api/models/…: {"sha", "siblings": [{"rfilename", "size"?}]}. Empty commit where it is anything else.
HubListing parseListing(const QByteArray& body)
{
    const QJsonObject info = QJsonDocument::fromJson(body).object();
    HubListing listing;
    for (const QJsonValue& value : info[QLatin1String("siblings")].toArray()) {
        const QJsonObject sibling = value.toObject();
        const double size = sibling[QLatin1String("size")].toDouble(-1);
        listing.files.append({sibling[QLatin1String("rfilename")].toString(), size < 1e18 ? qint64(size) : -1});
    }
    static const QRegularExpression hash(QStringLiteral("\\A[0-9a-f]{7,64}\\z"));
    const QString commit = info[QLatin1String("sha")].toString();
    if (hash.match(commit).hasMatch())
        listing.commit = commit;
    return listing;
}

} // namespace

struct HubClient::Question {
    QByteArray method;
    QUrl url;
    QString repository;
    QPointer<QObject> context;
    std::function<void(const std::variant<HttpReply*, HubFailure>&)> callback;
    int attempt = 1;
    int redirects = 0;
};

HubClient::HubClient(HubSettings settings, QObject* parent)
    : QObject(parent)
    , m_settings(std::move(settings))
{
}

void HubClient::list(const QString& repository, QObject* context, Callback<HubListing> callback)
{
    QUrl url = m_settings.endpoint;
    url.setPath(url.path() + QStringLiteral("/api/models/%1/revision/main").arg(repository));
    url.setQuery(QStringLiteral("blobs=true"));
    const auto receive = [repository,
                          callback = std::move(callback)](const std::variant<HttpReply*, HubFailure>& answer) {
        if (const auto* failure = std::get_if<HubFailure>(&answer))
            return callback(*failure);
        HubListing listing = parseListing(std::get<HttpReply*>(answer)->body());
        if (listing.commit.isEmpty())
            return callback(HubFailure{
                QStringLiteral("network"),
                QStringLiteral(
                    "the hub's answer about %1 is not one of a Hugging Face compatible hub; check HF_ENDPOINT")
                    .arg(repository)});
        for (const RepositoryFile& file : listing.files) {
            if (!isSafePath(file.path))
                return callback(HubFailure{
                    QStringLiteral("corrupt"),
                    QStringLiteral("%1 lists a file whose name leaves the repository (\"%2\"); nothing was fetched")
                        .arg(repository, file.path)});
        }
        callback(listing);
    };
    ask(std::make_shared<Question>(Question{"GET", url, repository, context, receive}));
}

void HubClient::describe(const QString& repository, const QString& commit, const QString& path, QObject* context,
                         Callback<HubFileInfo> callback)
{
    QUrl url = m_settings.endpoint;
    url.setPath(url.path() + QStringLiteral("/%1/resolve/%2/%3").arg(repository, commit, path));
    const auto receive = [repository, path,
                          callback = std::move(callback)](const std::variant<HttpReply*, HubFailure>& answer) {
        if (const auto* failure = std::get_if<HubFailure>(&answer))
            return callback(*failure);
        const HttpReply& reply = *std::get<HttpReply*>(answer);
        HubFileInfo info;
        info.etag = unquoted(firstOf(reply.headers(), "X-Linked-Etag", "ETag"));
        bool isNumber = false;
        info.bytes = firstOf(reply.headers(), "X-Linked-Size", "Content-Length").toLongLong(&isNumber);
        const QByteArray location = reply.headers().value("Location");
        info.location = location.isEmpty() ? reply.url() : QUrl::fromEncoded(location);
        if (info.etag.isEmpty() || !isNumber || info.bytes < 0)
            return callback(
                HubFailure{QStringLiteral("network"),
                           QStringLiteral("the hub tells neither hash nor size of %1 in %2").arg(path, repository)});
        callback(info);
    };
    ask(std::make_shared<Question>(Question{"HEAD", url, repository, context, receive}));
}

HttpReply* HubClient::download(const HubFileInfo& file, qint64 offset)
{
    HttpClientRequest request = makeRequest("GET", file.location);
    request.followRedirects = true;
    if (offset > 0)
        request.headers.append("Range", "bytes=" + QByteArray::number(offset) + "-");
    HttpReply* reply = m_http.send(request);
    reply->setStreaming(true);
    return reply;
}

HttpClientRequest HubClient::makeRequest(const QByteArray& method, const QUrl& url) const
{
    HttpClientRequest request;
    request.method = method;
    request.url = url;
    request.idleTimeout = std::chrono::seconds(60);
    request.headers.append("Accept-Encoding", "identity");
    request.headers.append("User-Agent", "cortex-neuron");
    const bool isEndpoint =
        url.scheme() == m_settings.endpoint.scheme() && url.authority() == m_settings.endpoint.authority();
    if (isEndpoint && !m_settings.token.isEmpty())
        request.headers.append("Authorization", "Bearer " + m_settings.token);
    return request;
}

void HubClient::ask(const std::shared_ptr<Question>& question)
{
    if (!question->context)
        return;
    HttpReply* reply = m_http.send(makeRequest(question->method, question->url));
    connect(reply, &HttpReply::finished, this, [this, question, reply] {
        answer(question, reply);
        reply->deleteLater();
    });
}

void HubClient::answer(const std::shared_ptr<Question>& question, HttpReply* reply)
{
    if (!question->context)
        return;
    if (isTransient(*reply) && question->attempt < maxAttempts) {
        QTimer::singleShot(backoffMs(question->attempt++, *reply), this, [this, question] { ask(question); });
        return;
    }
    // A relative redirect is a renamed repository and is followed; an absolute one is where the bytes are.
    const bool isRedirect = reply->status() >= 300 && reply->status() < 400;
    const QUrl location = QUrl::fromEncoded(reply->headers().value("Location"));
    if (isRedirect && location.isRelative() && !location.isEmpty() && question->redirects++ < maxRedirects) {
        question->url = question->url.resolved(location);
        return ask(question);
    }
    if (reply->failure() != HttpReply::Failure::None || reply->status() >= 400
        || (isRedirect && question->method == "GET"))
        return question->callback(refusal(question->repository, *reply));
    question->callback(reply);
}

bool HubClient::isTransient(const HttpReply& reply)
{
    if (reply.failure() == HttpReply::Failure::Timeout || reply.failure() == HttpReply::Failure::Broken)
        return true;
    return reply.status() == 408 || reply.status() == 429 || reply.status() >= 500;
}

int HubClient::backoffMs(int attempt, const HttpReply& reply)
{
    // ratelimit: "api";r=0;t=55 — t is the number of seconds until requests are welcome again.
    static const QRegularExpression limit(QStringLiteral("\\bt=(\\d{1,4})\\b"));
    const QRegularExpressionMatch match = limit.match(QString::fromLatin1(reply.headers().value("ratelimit")));
    if (reply.status() == 429 && match.hasMatch())
        return std::min(match.captured(1).toInt(), maxWaitSeconds) * 1000;
    return 250 << std::min(attempt, 6);
}

HubFailure HubClient::refusal(const QString& repository, const HttpReply& reply) const
{
    const QString hub = m_settings.endpoint.toString();
    if (reply.failure() != HttpReply::Failure::None)
        return {QStringLiteral("network"),
                QStringLiteral("%1 cannot be fetched: %2").arg(repository, reply.errorText())};
    const QByteArray code = reply.headers().value("X-Error-Code");
    if (code == "GatedRepo")
        return {QStringLiteral("gated"),
                QStringLiteral("%1 is gated: accept its terms at %2/%1, then set HF_TOKEN to a token of that account")
                    .arg(repository, hub)};
    if (code == "RepoNotFound" || (reply.status() == 401 && m_settings.token.isEmpty()))
        return {QStringLiteral("not_found"),
                QStringLiteral("%1 was not found at %2; check the spelling, and set HF_TOKEN where it is private")
                    .arg(repository, hub)};
    if (reply.status() == 401)
        return {QStringLiteral("unauthorized"), QStringLiteral("%1 refused the token; check HF_TOKEN").arg(hub)};
    if (reply.status() == 404)
        return {QStringLiteral("not_found"),
                QStringLiteral("%1: %2").arg(repository,
                                             code.isEmpty()
                                                 ? QStringLiteral("not found at ") + hub
                                                 : QString::fromUtf8(reply.headers().value("X-Error-Message")))};
    const QString detail = QString::fromUtf8(reply.headers().value("X-Error-Message").left(300));
    return {QStringLiteral("network"),
            QStringLiteral("%1 cannot be fetched: %2 answered %3 %4")
                .arg(repository, reply.url().host(), QString::number(reply.status()), detail)
                .trimmed()};
}

} // namespace cortex::neuron
