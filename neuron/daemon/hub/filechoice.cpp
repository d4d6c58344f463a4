// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/hub/filechoice.h"

#include "core/error.h"

#include <QMap>
#include <QRegularExpression>
#include <QSet>

#include <algorithm>

namespace cortex::neuron {

namespace {

/// A GGUF model of the repository: one file, or all parts of a split one.
struct GgufModel {
    QString quant;
    QMap<int, RepositoryFile> parts;
    int expectedParts = 1;

    bool isComplete() const { return parts.size() == expectedParts; }
    qint64 bytes() const
    {
        qint64 sum = 0;
        for (const RepositoryFile& part : parts)
            sum += std::max<qint64>(part.bytes, 0);
        return sum;
    }
};

QString fileName(const QString& path)
{
    return path.mid(path.lastIndexOf(QLatin1Char('/')) + 1);
}

bool isModelGguf(const QString& path)
{
    return path.endsWith(QLatin1String(".gguf"), Qt::CaseInsensitive)
        && !fileName(path).startsWith(QLatin1String("mmproj"), Qt::CaseInsensitive);
}

QList<GgufModel> ggufModels(const QList<RepositoryFile>& files)
{
    static const QRegularExpression split(QStringLiteral("-(\\d{5})-of-(\\d{5})\\.gguf\\z"),
                                          QRegularExpression::CaseInsensitiveOption);
    QMap<QString, GgufModel> models;
    for (const RepositoryFile& file : files) {
        if (!isModelGguf(file.path))
            continue;
        const QRegularExpressionMatch match = split.match(file.path);
        GgufModel& model = models[match.hasMatch() ? file.path.left(match.capturedStart()) : file.path];
        model.quant = quantOfFile(file.path);
        model.expectedParts = match.hasMatch() ? match.captured(2).toInt() : 1;
        model.parts.insert(match.hasMatch() ? match.captured(1).toInt() : 1, file);
    }
    QList<GgufModel> complete;
    for (const GgufModel& model : models) {
        if (model.isComplete())
            complete.append(model);
    }
    return complete;
}

const GgufModel* findQuant(const QList<GgufModel>& models, const QString& quant)
{
    for (const GgufModel& model : models) {
        if (model.quant.compare(quant, Qt::CaseInsensitive) == 0)
            return &model;
    }
    return nullptr;
}

const GgufModel* chooseDefault(const QList<GgufModel>& models, qint64 budgetBytes)
{
    if (const GgufModel* usual = findQuant(models, QStringLiteral("Q4_K_M")))
        return usual;
    const GgufModel* largestThatFits = nullptr;
    const GgufModel* smallest = &models.first();
    for (const GgufModel& model : models) {
        if (model.bytes() < smallest->bytes())
            smallest = &model;
        if (model.bytes() <= budgetBytes && (!largestThatFits || model.bytes() > largestThatFits->bytes()))
            largestThatFits = &model;
    }
    return largestThatFits ? largestThatFits : smallest;
}

bool isSafetensors(const QString& path)
{
    return path.endsWith(QLatin1String(".safetensors"));
}

bool belongsToSafetensors(const QString& path)
{
    static const QStringList names{QStringLiteral("config.json"), QStringLiteral("generation_config.json"),
                                   QStringLiteral("model.safetensors.index.json")};
    if (path.contains(QLatin1Char('/')))
        return false;
    return names.contains(path) || path.startsWith(QLatin1String("tokenizer"))
        || path.startsWith(QLatin1String("chat_template")) || isSafetensors(path);
}

/// The weights come last: they make a folder count as a model, which must not lack its tokenizer when a fetch is cut.
FileChoice chooseSafetensors(const QList<RepositoryFile>& files)
{
    QList<RepositoryFile> weights;
    FileChoice choice;
    for (const RepositoryFile& file : files) {
        if (belongsToSafetensors(file.path))
            (isSafetensors(file.path) ? weights : choice.files).append(file);
    }
    if (weights.isEmpty())
        return {};
    choice.files += weights;
    return choice;
}

QString onOffer(const QList<GgufModel>& models)
{
    QSet<QString> quants;
    for (const GgufModel& model : models)
        quants.insert(model.quant.isEmpty() ? model.parts.first().path : model.quant);
    QStringList sorted(quants.begin(), quants.end());
    sorted.sort();
    return sorted.join(QStringLiteral(", "));
}

} // namespace

QString quantOfFile(const QString& path)
{
    static const QRegularExpression token(
        QStringLiteral("(?:^|[-._/])((?:I?Q|TQ)[1-8][A-Za-z0-9_]*|MXFP4(?:_MOE)?|BF16|F16|F32|FP16|FP32)(?=[-./]|$)"),
        QRegularExpression::CaseInsensitiveOption);
    QString quant;
    for (auto matches = token.globalMatch(path); matches.hasNext();)
        quant = matches.next().captured(1).toUpper();
    return quant;
}

bool isSafePath(const QString& path)
{
    if (path.isEmpty() || path.size() > 1024 || path.contains(QLatin1Char('\\')) || path.contains(QChar(QChar::Null)))
        return false;
    const QStringList parts = path.split(QLatin1Char('/'));
    return std::none_of(parts.begin(), parts.end(), [](const QString& part) {
        return part.isEmpty() || part == QLatin1String(".") || part == QLatin1String("..")
            || part.toUtf8().size() > 255;
    });
}

FileChoice chooseFiles(const QString& repository, const QList<RepositoryFile>& files, const QString& quant,
                       qint64 budgetBytes)
{
    const QList<GgufModel> models = ggufModels(files);
    const GgufModel* model = nullptr;
    if (!quant.isEmpty()) {
        model = findQuant(models, quant);
        if (!model && models.isEmpty())
            throw InputError(QStringLiteral("%1 has no GGUF files, so no quantization %2").arg(repository, quant));
        if (!model)
            throw InputError(
                QStringLiteral("%1 has no quantization %2; it offers %3").arg(repository, quant, onOffer(models)));
    } else if (!models.isEmpty()) {
        model = chooseDefault(models, budgetBytes);
    }
    if (model)
        return {model->parts.values(), true};
    FileChoice choice = chooseSafetensors(files);
    if (choice.files.isEmpty())
        throw InputError(
            QStringLiteral("%1 holds no model that neuron can read: neither a .gguf nor a .safetensors file")
                .arg(repository));
    return choice;
}

} // namespace cortex::neuron
