// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QList>
#include <QString>
#include <QStringList>

namespace cortex::neuron {

/// A file of a repository.
struct RepositoryFile {
    QString path; ///< within the repository, with '/'
    qint64 bytes = -1; ///< −1 where the listing does not say
};

/// The files that make one model.
struct FileChoice {
    QList<RepositoryFile> files; ///< in the order to fetch; a split GGUF's first part first
    bool isGguf = false; ///< else safetensors and what belongs to them
};

/// The quantization in a GGUF file's name ("models/Tiny-Q4_K_M-00001-of-00002.gguf" → "Q4_K_M"), upper case; empty
/// where the name tells none.
QString quantOfFile(const QString& path);

/// Whether a repository's file name can become a path below a folder: relative, no "..", no empty or odd parts.
bool isSafePath(const QString& path);

/// Chooses among the files of a repository. With `quant`: the GGUF of that quantization, compared without case.
/// Without: the Q4_K_M GGUF; where there is none the largest that fits `budgetBytes` (0: unknown), or else the
/// smallest; where there is no GGUF the safetensors with config, tokenizer and templates. `mmproj*` files are no
/// models. Throws InputError naming `repository` and what is on offer.
FileChoice chooseFiles(const QString& repository, const QList<RepositoryFile>& files, const QString& quant,
                       qint64 budgetBytes);

} // namespace cortex::neuron
