// SPDX-License-Identifier: GPL-3.0-only
#include "gateway/modellist.h"

#include <QJsonArray>

namespace cortex {

namespace {

QJsonObject entryOf(const FleetModel& model, const QString& id, qint64 created)
{
    const QJsonObject limit{{QStringLiteral("context"), model.limit.context},
                            {QStringLiteral("input"), model.limit.input},
                            {QStringLiteral("output"), model.limit.output}};
    QJsonObject entry{{QStringLiteral("id"), id},
                      {QStringLiteral("object"), QStringLiteral("model")},
                      {QStringLiteral("created"), created},
                      {QStringLiteral("owned_by"), QStringLiteral("cortex")},
                      {QStringLiteral("status"), toString(model.status)},
                      {QStringLiteral("limit"), limit},
                      {QStringLiteral("capabilities"), QJsonArray::fromStringList(model.capabilities)}};
    if (id != model.id)
        entry.insert(QStringLiteral("alias_of"), model.id);
    return entry;
}

/// A model outside the catalogue is of use only where its files are on a node that is there.
bool isListed(const FleetModel& model)
{
    return model.inCatalogue || !model.availableOn.isEmpty();
}

} // namespace

QJsonObject modelList(const FleetSnapshot& fleet, qint64 created)
{
    QJsonArray data;
    for (const FleetModel& model : fleet.models) {
        if (!isListed(model))
            continue;
        data.append(entryOf(model, model.id, created));
        for (const QString& alias : model.aliases)
            data.append(entryOf(model, alias, created));
    }
    return {{QStringLiteral("object"), QStringLiteral("list")}, {QStringLiteral("data"), data}};
}

std::optional<QJsonObject> modelListEntry(const FleetSnapshot& fleet, const QString& id, qint64 created)
{
    for (const FleetModel& model : fleet.models) {
        if (isListed(model) && (model.id == id || model.aliases.contains(id)))
            return entryOf(model, id, created);
    }
    return std::nullopt;
}

} // namespace cortex
