// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/hub/filetransfer.h"

#include "core/error.h"

#include <QFileInfo>
#include <QLocale>
#include <QStorageInfo>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace cortex::neuron {

namespace {

constexpr int maxAttempts = 6;
constexpr int lockPollMs = 200;

bool isSha256(const QString& etag)
{
    return etag.size() == 64;
}

bool isGitSha1(const QString& etag)
{
    return etag.size() == 40;
}

QString inMegabytes(qint64 bytes)
{
    return QLocale::c().formattedDataSize(bytes, 1, QLocale::DataSizeSIFormat);
}

} // namespace

FileTransfer::FileTransfer(HubClient& client, const HubCache& cache, const QString& repository, const QString& commit,
                           const QString& path, QObject* parent)
    : QObject(parent)
    , m_client(client)
    , m_cache(cache)
    , m_repository(repository)
    , m_commit(commit)
    , m_path(path)
{
    m_lockTimer.setSingleShot(true);
    m_lockTimer.setInterval(lockPollMs);
    connect(&m_lockTimer, &QTimer::timeout, this, &FileTransfer::lock);
}

FileTransfer::~FileTransfer()
{
    delete m_reply;
    if (m_hasher) {
        m_hasher->requestInterruption();
        m_hasher->wait();
    }
}

void FileTransfer::start()
{
    describe();
}

void FileTransfer::describe()
{
    m_client.describe(m_repository, m_commit, m_path, this,
                      [this](const std::variant<HubFileInfo, HubFailure>& answer) {
                          if (const auto* failure = std::get_if<HubFailure>(&answer))
                              return fail(failure->kind, failure->message);
                          begin(std::get<HubFileInfo>(answer));
                      });
}

void FileTransfer::begin(const HubFileInfo& file)
{
    const bool isFirst = m_file.etag.isEmpty();
    if (!isFirst && file.etag == m_file.etag) {
        m_file = file; // a fresh address for the bytes that we are in the middle of
        return request();
    }
    if (!isSafeEtag(file.etag))
        return fail(QStringLiteral("corrupt"),
                    QStringLiteral("%1: the hub's hash of %2 is no hash").arg(m_repository, m_path));
    m_file = file;
    lock();
}

void FileTransfer::lock()
{
    if (!m_lock.isOpen()) {
        m_lock.setFileName(m_cache.lockPath(m_file.etag));
        if (!m_lock.open(QIODevice::ReadWrite))
            return fail(QStringLiteral("no_space"),
                        QStringLiteral("%1: %2").arg(m_lock.fileName(), m_lock.errorString()));
    }
    if (::flock(m_lock.handle(), LOCK_EX | LOCK_NB) != 0) {
        m_lockTimer.start(); // another program fetches the same bytes; what it leaves is ours too
        return;
    }
    if (QFile::exists(m_cache.blobPath(m_file.etag))) {
        m_received = m_file.bytes;
        return publish();
    }
    prepareSpace();
}

void FileTransfer::prepareSpace()
{
    m_part.setFileName(m_cache.partPath(m_file.etag));
    if (!m_part.open(QIODevice::ReadWrite | QIODevice::Unbuffered))
        return fail(QStringLiteral("no_space"), QStringLiteral("%1: %2").arg(m_part.fileName(), m_part.errorString()));
    if (m_part.size() > m_file.bytes)
        m_part.resize(0);
    const QString folder = QFileInfo(m_part).path();
    const qint64 missing = m_file.bytes - m_part.size();
    const qint64 available = QStorageInfo(folder).bytesAvailable();
    if (available >= 0 && available < missing) {
        return fail(
            QStringLiteral("no_space"),
            QStringLiteral("not enough space for %1: %2 are missing, %3 are free in %4; make room or set HF_HUB_CACHE")
                .arg(m_path, inMegabytes(missing), inMegabytes(available), folder));
    }
    hashPart();
}

void FileTransfer::beginHash()
{
    m_hash = std::make_unique<QCryptographicHash>(isGitSha1(m_file.etag) ? QCryptographicHash::Sha1
                                                                         : QCryptographicHash::Sha256);
    if (isGitSha1(m_file.etag))
        m_hash->addData(QByteArray("blob " + QByteArray::number(m_file.bytes) + '\0'));
}

/// Reads what an earlier try left, on a thread of its own: it may be many gigabytes.
void FileTransfer::hashPart()
{
    beginHash();
    m_received = m_part.size();
    m_furthest = std::max(m_furthest, m_received);
    if (m_received == 0)
        return request();
    m_hasher.reset(QThread::create([path = m_part.fileName(), bytes = m_received, hash = m_hash.get()] {
        QFile file(path);
        if (!file.open(QIODevice::ReadOnly))
            return;
        for (qint64 left = bytes; left > 0 && !QThread::currentThread()->isInterruptionRequested();) {
            const QByteArray piece = file.read(std::min<qint64>(left, 1 << 20));
            if (piece.isEmpty())
                return;
            hash->addData(piece);
            left -= piece.size();
        }
    }));
    connect(m_hasher.get(), &QThread::finished, this, &FileTransfer::request);
    m_hasher->start();
}

void FileTransfer::request()
{
    Q_EMIT progressed(m_received);
    if (m_received == m_file.bytes)
        return verify();
    m_part.seek(m_received);
    m_reply = m_client.download(m_file, m_received);
    connect(m_reply, &HttpReply::headersReceived, this, &FileTransfer::receiveHeaders);
    connect(m_reply, &HttpReply::data, this, &FileTransfer::receive);
    connect(m_reply, &HttpReply::finished, this, &FileTransfer::endOfReply);
}

void FileTransfer::receiveHeaders()
{
    const int status = m_reply->status();
    const bool continues = status == 206
        && m_reply->headers().value("Content-Range").startsWith("bytes " + QByteArray::number(m_received) + '-');
    if (!continues && (status == 200 || status == 206))
        restartFromZero(); // the server starts over
}

void FileTransfer::restartFromZero()
{
    m_part.resize(0);
    m_part.seek(0);
    m_received = 0;
    beginHash();
}

void FileTransfer::receive(const QByteArray& bytes)
{
    if (m_reply->status() != 200 && m_reply->status() != 206)
        return; // the body of a refusal
    if (m_received + bytes.size() > m_file.bytes) {
        m_part.remove();
        return fail(QStringLiteral("corrupt"),
                    QStringLiteral("%1 of %2 is longer than the hub said; nothing was kept").arg(m_path, m_repository));
    }
    if (m_part.write(bytes) != bytes.size()) {
        return fail(QStringLiteral("no_space"),
                    QStringLiteral("%1: %2; what has arrived is kept, make space and fetch again")
                        .arg(m_part.fileName(), m_part.errorString()));
    }
    m_hash->addData(bytes);
    m_received += bytes.size();
    if (m_received > m_furthest) {
        m_furthest = m_received;
        m_attempt = 1;
    }
    Q_EMIT progressed(m_received);
}

void FileTransfer::endOfReply()
{
    HttpReply* reply = std::exchange(m_reply, nullptr);
    reply->deleteLater();
    if (m_received == m_file.bytes)
        return verify();
    if (m_attempt >= maxAttempts) {
        const HubFailure failure = m_client.refusal(m_repository, *reply);
        return fail(failure.kind,
                    failure.message + QStringLiteral("; what has arrived is kept, fetch again to resume"));
    }
    const bool isExpired =
        reply->failure() == HttpReply::Failure::None && (reply->status() == 403 || reply->status() == 401);
    const bool isBadRange = reply->failure() == HttpReply::Failure::None && reply->status() == 416;
    if (isBadRange)
        restartFromZero();
    if (isExpired || isBadRange) {
        ++m_attempt;
        return describe();
    }
    const bool isCut = reply->status() == 200 || reply->status() == 206 || reply->status() == 0;
    if (!isCut && !HubClient::isTransient(*reply)) {
        const HubFailure failure = m_client.refusal(m_repository, *reply);
        return fail(failure.kind, failure.message);
    }
    retry(HubClient::backoffMs(m_attempt, *reply));
}

void FileTransfer::retry(int delayMs)
{
    ++m_attempt;
    QTimer::singleShot(delayMs, this, &FileTransfer::request);
}

void FileTransfer::verify()
{
    const QString actual = QString::fromLatin1(m_hash->result().toHex());
    if ((isSha256(m_file.etag) || isGitSha1(m_file.etag)) && actual != m_file.etag) {
        m_part.remove();
        return fail(
            QStringLiteral("corrupt"),
            QStringLiteral(
                "%1 of %2 arrived damaged: its %3 is %4 where the hub says %5; nothing was kept, fetch it again")
                .arg(m_path, m_repository, isSha256(m_file.etag) ? QStringLiteral("SHA-256") : QStringLiteral("SHA-1"),
                     actual, m_file.etag));
    }
    if (::fsync(m_part.handle()) != 0
        || std::rename(QFile::encodeName(m_part.fileName()).constData(),
                       QFile::encodeName(m_cache.blobPath(m_file.etag)).constData())
            != 0)
        return fail(QStringLiteral("no_space"),
                    QStringLiteral("%1: %2").arg(m_part.fileName(), QString::fromLocal8Bit(std::strerror(errno))));
    publish();
}

void FileTransfer::publish()
{
    try {
        m_cache.link(m_commit, m_path, m_file.etag);
    } catch (const InputError& error) {
        return fail(QStringLiteral("no_space"), error.message());
    }
    m_part.close();
    m_lock.close(); // releases the lock
    Q_EMIT progressed(m_file.bytes);
    Q_EMIT finished();
}

void FileTransfer::fail(const QString& kind, const QString& message)
{
    if (m_reply) {
        m_reply->disconnect(this);
        std::exchange(m_reply, nullptr)->deleteLater();
    }
    m_part.close();
    m_lock.close();
    Q_EMIT failed({kind, message});
}

} // namespace cortex::neuron
