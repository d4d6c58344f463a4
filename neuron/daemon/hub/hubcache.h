// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/daemon/hub/filechoice.h"

#include <QString>

#include <optional>

namespace cortex::neuron {

/// One repository's folder in the Hugging Face cache. Paths only, and the few steps that change what readers see.
class HubCache {
public:
    HubCache(const QString& cacheDirectory, const QString& repository);

    QString blobPath(const QString& etag) const; ///< of finished bytes
    QString partPath(const QString& etag) const; ///< of bytes under way; the name is stable, so that a try can resume
    QString lockPath(const QString& etag) const;
    QString snapshotPath(const QString& commit) const;
    QString filePath(const QString& commit, const QString& path) const;

    /// Creates the folders that a fetch writes to. Throws InputError naming the folder.
    void prepare() const;
    /// Makes `path` of the snapshot `commit` show the blob `etag`: a relative link, or the file itself where the file
    /// system has no links. Throws InputError.
    void link(const QString& commit, const QString& path, const QString& etag) const;
    /// Notes that `branch` stands at `commit`. Throws InputError.
    void writeRef(const QString& branch, const QString& commit) const;

    std::optional<QString> commitOf(const QString& branch) const;
    /// Files of a snapshot whose bytes are there.
    QList<RepositoryFile> filesOf(const QString& commit) const;

private:
    QString m_root;
    QString m_locks;
};

/// An etag (a SHA-256, a git SHA-1, or another hub's word) that may become a file name.
bool isSafeEtag(const QString& etag);

} // namespace cortex::neuron
