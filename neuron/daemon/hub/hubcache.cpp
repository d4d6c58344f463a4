// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/hub/hubcache.h"

#include "core/error.h"

#include <QDir>
#include <QDirIterator>
#include <QFile>
#include <QFileInfo>
#include <QRegularExpression>
#include <QSaveFile>

namespace cortex::neuron {

namespace {

void makeDirectory(const QString& path)
{
    if (!QDir().mkpath(path))
        throw InputError(
            QStringLiteral("%1: the folder cannot be created; check its permissions, or set HF_HUB_CACHE").arg(path));
}

} // namespace

HubCache::HubCache(const QString& cacheDirectory, const QString& repository)
{
    QString folder = QStringLiteral("models--") + repository;
    folder.replace(QLatin1Char('/'), QLatin1String("--"));
    m_root = cacheDirectory + QLatin1Char('/') + folder;
    m_locks = cacheDirectory + QStringLiteral("/.locks/") + folder;
}

QString HubCache::blobPath(const QString& etag) const
{
    return m_root + QStringLiteral("/blobs/") + etag;
}

QString HubCache::partPath(const QString& etag) const
{
    return blobPath(etag) + QStringLiteral(".incomplete");
}

QString HubCache::lockPath(const QString& etag) const
{
    return m_locks + QLatin1Char('/') + etag + QStringLiteral(".lock");
}

QString HubCache::snapshotPath(const QString& commit) const
{
    return m_root + QStringLiteral("/snapshots/") + commit;
}

QString HubCache::filePath(const QString& commit, const QString& path) const
{
    return snapshotPath(commit) + QLatin1Char('/') + path;
}

void HubCache::prepare() const
{
    makeDirectory(m_root + QStringLiteral("/blobs"));
    makeDirectory(m_root + QStringLiteral("/refs"));
    makeDirectory(m_locks);
}

void HubCache::link(const QString& commit, const QString& path, const QString& etag) const
{
    const QString file = filePath(commit, path);
    const QString folder = QFileInfo(file).path();
    makeDirectory(folder);
    if (QFile::exists(file))
        return;
    QFile::remove(file); // a link whose blob is gone
    const QString target = QDir(folder).relativeFilePath(blobPath(etag));
    if (QFile::link(target, file) || QFile::rename(blobPath(etag), file))
        return;
    throw InputError(QStringLiteral("%1: cannot be created").arg(file));
}

void HubCache::writeRef(const QString& branch, const QString& commit) const
{
    QSaveFile file(m_root + QStringLiteral("/refs/") + branch);
    if (!file.open(QIODevice::WriteOnly) || file.write(commit.toUtf8()) < 0 || !file.commit())
        throw InputError(QStringLiteral("%1: %2").arg(file.fileName(), file.errorString()));
}

std::optional<QString> HubCache::commitOf(const QString& branch) const
{
    QFile file(m_root + QStringLiteral("/refs/") + branch);
    if (!file.open(QIODevice::ReadOnly))
        return std::nullopt;
    const QString commit = QString::fromUtf8(file.read(200)).trimmed();
    return isSafePath(commit) && !commit.contains(QLatin1Char('/')) ? std::optional(commit) : std::nullopt;
}

QList<RepositoryFile> HubCache::filesOf(const QString& commit) const
{
    QList<RepositoryFile> files;
    const QDir root(snapshotPath(commit));
    QDirIterator iterator(root.path(), QDir::Files, QDirIterator::Subdirectories);
    while (iterator.hasNext()) {
        iterator.next();
        files.append({root.relativeFilePath(iterator.filePath()), iterator.fileInfo().size()});
    }
    return files;
}

bool isSafeEtag(const QString& etag)
{
    static const QRegularExpression form(QStringLiteral("\\A[A-Za-z0-9][A-Za-z0-9._-]{0,127}\\z"));
    return form.match(etag).hasMatch();
}

} // namespace cortex::neuron
