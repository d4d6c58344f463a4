// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/models/modelfiles.h"

#include "neuron/daemon/hub/filechoice.h"

#include <QDateTime>
#include <QDir>
#include <QDirIterator>
#include <QFile>
#include <QFileInfo>
#include <QHash>
#include <QJsonDocument>
#include <QJsonObject>
#include <QRegularExpression>
#include <QSet>

#include <algorithm>

namespace cortex::neuron {

namespace {

constexpr qint64 MaxIndexBytes = 64 * 1024 * 1024;
constexpr int MaxFilesPerRepository = 10'000;

const QRegularExpression& shardPattern()
{
    static const QRegularExpression pattern(QStringLiteral("-(\\d{5})-of-(\\d{5})$"));
    return pattern;
}

QString stemOf(const QString& fileName)
{
    QString stem = fileName;
    if (stem.endsWith(QLatin1String(".gguf"), Qt::CaseInsensitive))
        stem.chop(5);
    return stem.remove(shardPattern());
}

/// Whether a GGUF file stands for a model: not a projector, not a later shard, and all shards are there.
bool isWholeGguf(const QFileInfo& file)
{
    if (!file.exists() || file.fileName().startsWith(QLatin1String("mmproj"), Qt::CaseInsensitive))
        return false;
    const auto shard = shardPattern().match(file.completeBaseName());
    if (!shard.hasMatch())
        return true;
    if (shard.captured(1).toInt() != 1)
        return false;
    const int count = shard.captured(2).toInt();
    for (int i = 2; i <= count; ++i) {
        const QString name = QStringLiteral("%1-%2-of-%3.gguf")
                                 .arg(stemOf(file.fileName()))
                                 .arg(i, 5, 10, QLatin1Char('0'))
                                 .arg(shard.captured(2));
        if (!QFileInfo::exists(file.dir().filePath(name)))
            return false;
    }
    return true;
}

/// Whether a directory holds a whole safetensors checkpoint: config.json, and one file or every shard of the index.
bool isWholeSafetensors(const QDir& directory)
{
    if (!directory.exists(QStringLiteral("config.json")))
        return false;
    if (directory.exists(QStringLiteral("model.safetensors")))
        return true;
    QFile index(directory.filePath(QStringLiteral("model.safetensors.index.json")));
    if (index.size() > MaxIndexBytes || !index.open(QIODevice::ReadOnly))
        return false;
    const QJsonObject map =
        QJsonDocument::fromJson(index.readAll()).object().value(QLatin1String("weight_map")).toObject();
    QSet<QString> shards;
    for (const QJsonValue& shard : map)
        shards.insert(shard.toString());
    return !shards.isEmpty() && std::all_of(shards.begin(), shards.end(), [&](const QString& shard) {
        return !shard.isEmpty() && directory.exists(shard);
    });
}

/// The models of one repository folder, as `name`. Sub-folders count: some repositories keep a quantization in each.
void scanRepository(const QString& name, const QString& directory, QList<ModelFile>& found)
{
    if (isWholeSafetensors(QDir(directory)))
        found.append({name, name, {}, directory, modelStamp(directory)});
    QDirIterator files(directory, {QStringLiteral("*.gguf")}, QDir::Files, QDirIterator::Subdirectories);
    for (int seen = 0; files.hasNext() && seen < MaxFilesPerRepository; ++seen) {
        const QString path = files.next();
        if (isWholeGguf(files.fileInfo()))
            found.append({name, name, quantOfFile(QDir(directory).relativeFilePath(path)), path, modelStamp(path)});
    }
}

void scanHubCache(const QString& cache, QList<ModelFile>& found)
{
    static const QLatin1String prefix("models--");
    const QStringList repositories =
        QDir(cache).entryList({prefix + QLatin1Char('*')}, QDir::Dirs | QDir::NoDotAndDotDot, QDir::Name);
    for (const QString& folder : repositories) {
        QString name = folder.mid(prefix.size());
        const qsizetype separator = name.indexOf(QLatin1String("--"));
        if (separator > 0)
            name.replace(separator, 2, QLatin1Char('/'));
        const QDir repository(QDir(cache).filePath(folder));
        QFile head(repository.filePath(QStringLiteral("refs/main")));
        QString commit;
        if (head.open(QIODevice::ReadOnly))
            commit = QString::fromLatin1(head.read(128).trimmed());
        const QDir snapshots(repository.filePath(QStringLiteral("snapshots")));
        if (commit.isEmpty() || commit.contains(QLatin1Char('/')) || !snapshots.exists(commit))
            commit = snapshots.entryList(QDir::Dirs | QDir::NoDotAndDotDot, QDir::Time).value(0);
        if (!commit.isEmpty())
            scanRepository(name, snapshots.filePath(commit), found);
    }
}

void scanDirectory(const QString& root, QList<ModelFile>& found)
{
    const QDir directory(root);
    const auto loose = directory.entryInfoList({QStringLiteral("*.gguf")}, QDir::Files, QDir::Name);
    for (const QFileInfo& file : loose) {
        if (isWholeGguf(file)) {
            const QString path = file.absoluteFilePath();
            found.append({{}, stemOf(file.fileName()), quantOfFile(file.fileName()), path, modelStamp(path)});
        }
    }
    scanHubCache(directory.absolutePath(), found);
    const QStringList folders = directory.entryList(QDir::Dirs | QDir::NoDotAndDotDot, QDir::Name);
    for (const QString& folder : folders) {
        if (folder.startsWith(QLatin1String("models--")))
            continue;
        const QDir inner(directory.absoluteFilePath(folder));
        const bool isModel = inner.exists(QStringLiteral("config.json"))
            || !inner.entryList({QStringLiteral("*.gguf")}, QDir::Files).isEmpty();
        if (isModel) {
            scanRepository(folder, inner.absolutePath(), found);
            continue;
        }
        const QStringList names = inner.entryList(QDir::Dirs | QDir::NoDotAndDotDot, QDir::Name);
        for (const QString& name : names)
            scanRepository(folder + QLatin1Char('/') + name, inner.absoluteFilePath(name), found);
    }
}

/// Ids: the name where it is the only one, else name:quant. Of two files with one id the first found stays.
void assignIds(QList<ModelFile>& files)
{
    QHash<QString, int> count;
    for (const ModelFile& file : files)
        ++count[file.name];
    for (ModelFile& file : files)
        file.id = count[file.name] > 1 && !file.quant.isEmpty() ? file.name + QLatin1Char(':') + file.quant : file.name;
    std::stable_sort(files.begin(), files.end(), [](const ModelFile& a, const ModelFile& b) { return a.id < b.id; });
    const auto last =
        std::unique(files.begin(), files.end(), [](const ModelFile& a, const ModelFile& b) { return a.id == b.id; });
    files.erase(last, files.end());
}

} // namespace

QList<ModelFile> scanModelFiles(const ModelRoots& roots)
{
    QList<ModelFile> found;
    for (const QString& directory : roots.directories)
        scanDirectory(directory, found);
    for (const QString& cache : roots.hubCaches)
        scanHubCache(cache, found);
    assignIds(found);
    return found;
}

QString modelStamp(const QString& path)
{
    QFileInfo info(path); // follows links: a cache's snapshot entry points at its blob
    if (info.isDir())
        info.setFile(QDir(path).filePath(QStringLiteral("config.json")));
    return QStringLiteral("%1:%2").arg(info.size()).arg(info.lastModified().toMSecsSinceEpoch());
}

QPair<QString, QString> splitModelId(const QString& id)
{
    const qsizetype colon = id.lastIndexOf(QLatin1Char(':'));
    if (colon < 0)
        return {id, QString()};
    return {id.left(colon), id.mid(colon + 1)};
}

} // namespace cortex::neuron
