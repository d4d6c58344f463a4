// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/models/modelregistry.h"

#include "neuron/daemon/hub/filechoice.h"

#include <QHash>
#include <QSet>

namespace cortex::neuron {

namespace {

NodeModel unloadedModel(const QString& id)
{
    NodeModel model;
    model.id = id;
    model.harness = QStringLiteral("native");
    return model;
}

bool isIdle(ModelStatus status)
{
    return status == ModelStatus::Unloaded || status == ModelStatus::Failed;
}

/// How gladly a quantization is taken where the name alone was asked for; larger is better.
int preference(const KnownModel& known)
{
    if (known.model.status == ModelStatus::Loaded)
        return 3;
    if (!isIdle(known.model.status))
        return 2;
    return known.file.quant == QLatin1String("Q4_K_M") ? 1 : 0;
}

} // namespace

const KnownModel* ModelRegistry::find(const QString& id) const
{
    const auto entry = m_models.constFind(id);
    return entry == m_models.cend() ? nullptr : &*entry;
}

QString ModelRegistry::resolve(const QString& name) const
{
    if (m_models.contains(name))
        return name;
    const auto [base, quant] = splitModelId(name);
    QString best;
    int bestPreference = -1;
    for (auto entry = m_models.cbegin(); entry != m_models.cend(); ++entry) {
        const ModelFile& file = entry->file;
        const bool sameQuant = quant.isEmpty() || file.quant.compare(quant, Qt::CaseInsensitive) == 0;
        if (file.name != base || !(sameQuant || file.isSafetensors()))
            continue;
        if (file.path.isEmpty() && isIdle(entry->model.status))
            continue; // a fetch that failed: only who names it means it
        const int entryPreference = sameQuant ? 1 + preference(*entry) : 0; // a file of that type comes first
        if (entryPreference > bestPreference) {
            best = entry.key();
            bestPreference = entryPreference;
        }
    }
    return best;
}

QStringList ModelRegistry::setFiles(const QList<ModelFile>& files)
{
    QHash<QString, QString> idOfPath;
    for (auto entry = m_models.cbegin(); entry != m_models.cend(); ++entry)
        idOfPath.insert(entry->file.path, entry.key());

    QStringList fresh;
    QSet<QString> seen;
    for (const ModelFile& file : files) {
        const QString id = idOfPath.value(file.path, file.id);
        seen.insert(id);
        const auto known = m_models.constFind(id);
        const bool isNew = known == m_models.cend();
        const bool isSame = !isNew && known->file.stamp == file.stamp && known->file.path == file.path;
        if (isSame || (!isNew && !isIdle(known->model.status)))
            continue;
        KnownModel& entry = m_models[id];
        entry.file = file;
        entry.file.id = id;
        fresh.append(id);
        if (isNew) {
            entry.model = unloadedModel(id);
            Q_EMIT changed(entry.model);
            continue;
        }
        update(id, [](NodeModel& model) { // whatever was wrong with the old file
            model.status = ModelStatus::Unloaded;
            model.servable.reset();
        });
    }
    for (const QString& id : m_models.keys()) {
        const KnownModel& entry = m_models[id];
        if (seen.contains(id) || !isIdle(entry.model.status) || entry.file.path.isEmpty())
            continue;
        remove(id);
    }
    return fresh;
}

void ModelRegistry::remove(const QString& id)
{
    if (m_models.remove(id) > 0)
        Q_EMIT gone(id);
}

void ModelRegistry::addMissing(const QString& id)
{
    if (m_models.contains(id))
        return;
    const auto [name, quant] = splitModelId(id);
    m_models.insert(id, {unloadedModel(id), {id, name, quant.toUpper(), {}, {}}, 0});
    Q_EMIT changed(m_models[id].model);
}

void ModelRegistry::setFile(const QString& id, const QString& path)
{
    ModelFile& file = m_models[id].file;
    file.path = path;
    file.stamp = modelStamp(path);
    if (file.quant.isEmpty())
        file.quant = quantOfFile(path.section(QLatin1Char('/'), -2));
}

void ModelRegistry::update(const QString& id, const std::function<void(NodeModel&)>& change)
{
    const auto entry = m_models.find(id);
    Q_ASSERT(entry != m_models.end());
    const NodeModel before = entry->model;
    change(entry->model);
    if (entry->model == before)
        return;
    const NodeModel after = entry->model; // a slot may change the map
    Q_EMIT changed(after);
}

} // namespace cortex::neuron
