// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QList>
#include <QString>
#include <QStringList>

namespace cortex::neuron {

/// A model that lies on this machine's disk, whole.
struct ModelFile {
    QString id; ///< `name`, or `name:quant` where several quantizations of one name are here
    QString name; ///< "ORG/NAME", or the stem of a loose file
    QString quant; ///< of a GGUF file, upper case, as its name tells; empty for safetensors and unmarked files
    QString path; ///< a GGUF file (the first of a split one), or a safetensors directory
    QString stamp; ///< changes when the file does
    bool operator==(const ModelFile&) const = default;

    /// A checkpoint that can be quantized while it is loaded.
    bool isSafetensors() const
    {
        return !path.isEmpty() && !path.endsWith(QLatin1String(".gguf"), Qt::CaseInsensitive);
    }
};

/// Where models lie.
struct ModelRoots {
    QStringList directories; ///< X.gguf, NAME/…, ORG/NAME/… with GGUF or safetensors inside
    QStringList hubCaches; ///< Hugging Face cache layout: models--ORG--NAME/{refs,blobs,snapshots}
};

/// Every model under the roots, by id. Reads folder listings and shard indexes only, never a model's bytes; folders
/// that cannot be read are skipped. Half-fetched models (missing shards, dangling links) are not listed. Any thread.
QList<ModelFile> scanModelFiles(const ModelRoots& roots);

/// ModelFile::stamp of a path as it is now.
QString modelStamp(const QString& path);

/// "ORG/NAME:QUANT" → ("ORG/NAME", "QUANT"); without a colon the quant is empty.
QPair<QString, QString> splitModelId(const QString& id);

} // namespace cortex::neuron
