// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/daemon/hub/filetransfer.h"
#include "neuron/daemon/modelfetcher.h"

#include <QElapsedTimer>

namespace cortex::neuron {

/// Fetches models from one hub into its cache; the daemon's ModelFetcher.
class HubFetcher : public ModelFetcher {
public:
    explicit HubFetcher(HubSettings settings);
    ModelFetch* fetch(const QString& modelId, const QString& quant) override;

private:
    HubSettings m_settings;
};

/// One model on its way: listing, choice, then its files one after another. Where the hub cannot be asked, a model that
/// is whole in the cache is good enough.
class HubFetch : public ModelFetch {
    Q_OBJECT
public:
    HubFetch(const HubSettings& settings, const QString& modelId, const QString& quant);

    void cancel() override;

private:
    void start();
    void choose(const HubListing& listing);
    bool finishFromCache();
    void fetchNext();
    void report(qint64 bytesOfCurrentFile, bool isLast);
    void complete();
    void fail(const HubFailure& failure);

    HubClient m_client;
    HubCache m_cache;
    QString m_repository;
    QString m_quant;
    bool m_isNameGood = true;
    bool m_isOver = false;
    QString m_commit;
    FileChoice m_choice;
    int m_next = 0;
    std::unique_ptr<FileTransfer> m_transfer;
    qint64 m_doneBytes = 0; ///< of files before the current one
    qint64 m_totalBytes = 0;
    QElapsedTimer m_sinceReport;
    QElapsedTimer m_sinceSpeed;
    qint64 m_bytesAtSpeed = -1;
    qint64 m_bytesPerSecond = 0;
};

} // namespace cortex::neuron
