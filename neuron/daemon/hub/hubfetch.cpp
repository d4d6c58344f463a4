// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/hub/hubfetch.h"

#include "core/error.h"
#include "neuron/daemon/hub/modelname.h"
#include "neuron/daemon/system/procfs.h"

#include <QTimer>

#include <algorithm>

namespace cortex::neuron {

namespace {

constexpr int reportMs = 100;
constexpr int speedMs = 1000;

/// What a model's weights may take of this machine's memory, leaving room for its cache and everybody else.
qint64 modelBudgetBytes()
{
    const std::optional<MemoryInfo> memory = parseMemoryInfo(readProcFile(QStringLiteral("/proc/meminfo")));
    return memory ? memory->totalMb * 1024 * 1024 / 10 * 7 : 0;
}

} // namespace

HubFetcher::HubFetcher(HubSettings settings)
    : m_settings(std::move(settings))
{
}

ModelFetch* HubFetcher::fetch(const QString& modelId, const QString& quant)
{
    return new HubFetch(m_settings, modelId, quant);
}

HubFetch::HubFetch(const HubSettings& settings, const QString& modelId, const QString& quant)
    : m_client(settings)
    , m_cache(settings.cacheDirectory, modelId.section(QLatin1Char(':'), 0, 0))
    , m_quant(quant)
{
    const std::optional<ModelName> name = parseModelName(modelId);
    m_isNameGood = name.has_value();
    m_repository = name ? name->repository : modelId;
    if (name && m_quant.isEmpty())
        m_quant = name->quant;
    QTimer::singleShot(0, this, &HubFetch::start);
}

void HubFetch::cancel()
{
    QTimer::singleShot(0, this, [this] {
        fail({QStringLiteral("cancelled"),
              QStringLiteral("the fetch of %1 was cancelled; what has arrived is kept for the next try")
                  .arg(m_repository)});
    });
}

void HubFetch::start()
{
    if (m_isOver)
        return;
    if (!m_isNameGood)
        return fail({QStringLiteral("not_found"),
                     QStringLiteral("\"%1\" is no model name; write ORG/NAME or ORG/NAME:QUANT").arg(m_repository)});
    if (m_client.settings().offline) {
        if (!finishFromCache())
            fail(
                {QStringLiteral("offline"),
                 QStringLiteral("%1 is not in the cache, and HF_HUB_OFFLINE forbids asking for it").arg(m_repository)});
        return;
    }
    m_client.list(m_repository, this, [this](const std::variant<HubListing, HubFailure>& answer) {
        if (const auto* listing = std::get_if<HubListing>(&answer))
            return choose(*listing);
        const HubFailure& failure = std::get<HubFailure>(answer);
        if (failure.kind != QLatin1String("network") || !finishFromCache())
            fail(failure);
    });
}

bool HubFetch::finishFromCache()
{
    const std::optional<QString> commit = m_cache.commitOf(QStringLiteral("main"));
    if (!commit)
        return false;
    try {
        m_choice = chooseFiles(m_repository, m_cache.filesOf(*commit), m_quant, modelBudgetBytes());
    } catch (const InputError&) {
        return false; // what is there is not the model that was asked for
    }
    m_commit = *commit;
    complete();
    return true;
}

void HubFetch::choose(const HubListing& listing)
{
    m_commit = listing.commit;
    try {
        m_choice = chooseFiles(m_repository, listing.files, m_quant, modelBudgetBytes());
        m_cache.prepare();
    } catch (const InputError& error) {
        return fail({QStringLiteral("not_found"), error.message()});
    }
    for (const RepositoryFile& file : m_choice.files)
        m_totalBytes += std::max<qint64>(file.bytes, 0);
    fetchNext();
}

void HubFetch::fetchNext()
{
    while (m_next < m_choice.files.size() && QFile::exists(m_cache.filePath(m_commit, m_choice.files[m_next].path)))
        m_doneBytes += std::max<qint64>(m_choice.files[m_next++].bytes, 0);
    if (m_next == m_choice.files.size()) {
        try {
            m_cache.writeRef(QStringLiteral("main"), m_commit);
        } catch (const InputError& error) {
            return fail({QStringLiteral("no_space"), error.message()});
        }
        return complete();
    }
    m_transfer = std::make_unique<FileTransfer>(m_client, m_cache, m_repository, m_commit, m_choice.files[m_next].path);
    connect(m_transfer.get(), &FileTransfer::progressed, this, [this](qint64 bytes) { report(bytes, false); });
    connect(m_transfer.get(), &FileTransfer::failed, this, &HubFetch::fail);
    // Queued: the transfer is replaced, and must not be within its own signal then.
    connect(m_transfer.get(), &FileTransfer::finished, this, &HubFetch::fetchNext, Qt::QueuedConnection);
    m_transfer->start();
}

void HubFetch::report(qint64 bytesOfCurrentFile, bool isLast)
{
    if (m_sinceReport.isValid() && m_sinceReport.elapsed() < reportMs && !isLast)
        return;
    m_sinceReport.start();
    const qint64 done = m_doneBytes + bytesOfCurrentFile;
    if (m_bytesAtSpeed < 0 || m_sinceSpeed.elapsed() >= speedMs) {
        if (m_bytesAtSpeed >= 0)
            m_bytesPerSecond = (done - m_bytesAtSpeed) * 1000 / m_sinceSpeed.elapsed();
        m_bytesAtSpeed = done;
        m_sinceSpeed.start();
    }
    ModelProgress progress;
    progress.phase = QStringLiteral("downloading");
    progress.doneBytes = done;
    progress.totalBytes = m_totalBytes;
    progress.fraction = m_totalBytes > 0 ? std::min(1.0, double(done) / double(m_totalBytes)) : 0;
    progress.bytesPerSecond = m_bytesPerSecond;
    Q_EMIT this->progress(progress);
}

void HubFetch::complete()
{
    if (m_isOver)
        return;
    m_isOver = true;
    report(0, true);
    Q_EMIT finished(m_choice.isGguf ? m_cache.filePath(m_commit, m_choice.files.first().path)
                                    : m_cache.snapshotPath(m_commit));
}

void HubFetch::fail(const HubFailure& failure)
{
    if (m_isOver)
        return;
    m_isOver = true;
    if (m_transfer) {
        m_transfer->disconnect(this);
        m_transfer.release()->deleteLater(); // we may be within its signal
    }
    Q_EMIT failed(failure.kind, failure.message);
}

} // namespace cortex::neuron
