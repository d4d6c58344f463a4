// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/daemon/hub/hubcache.h"
#include "neuron/daemon/hub/hubclient.h"

#include <QCryptographicHash>
#include <QFile>
#include <QThread>
#include <QTimer>

#include <memory>

namespace cortex::neuron {

/// Brings one file of a repository into the cache, in this order: ask for hash and size; take the lock; continue the
/// part that an earlier try left; check size and hash; rename the part to a blob; link it into the snapshot. Ends with
/// one of `finished` and `failed`. Deleting it stops it; the part stays.
class FileTransfer : public QObject {
    Q_OBJECT
public:
    FileTransfer(HubClient& client, const HubCache& cache, const QString& repository, const QString& commit,
                 const QString& path, QObject* parent = nullptr);
    ~FileTransfer() override;

    void start();

Q_SIGNALS:
    void progressed(qint64 bytes); ///< of this file, so far
    void finished();
    void failed(const cortex::neuron::HubFailure& failure);

private:
    void describe();
    void begin(const HubFileInfo& file);
    void lock();
    void prepareSpace();
    void hashPart();
    void request();
    void receiveHeaders();
    void receive(const QByteArray& bytes);
    void endOfReply();
    void verify();
    void publish();
    void retry(int delayMs);
    void restartFromZero();
    void fail(const QString& kind, const QString& message);
    void beginHash();

    HubClient& m_client;
    const HubCache m_cache;
    const QString m_repository;
    const QString m_commit;
    const QString m_path;
    HubFileInfo m_file;
    QFile m_part;
    QFile m_lock;
    QTimer m_lockTimer;
    std::unique_ptr<QCryptographicHash> m_hash; ///< of the bytes in m_part, up to m_received
    std::unique_ptr<QThread> m_hasher;
    HttpReply* m_reply = nullptr;
    qint64 m_received = 0;
    qint64 m_furthest = 0; ///< the most that m_received ever was
    int m_attempt = 1; ///< tries since m_furthest last grew: bytes that come again are no progress
};

} // namespace cortex::neuron

Q_DECLARE_METATYPE(cortex::neuron::HubFailure)
