// SPDX-License-Identifier: GPL-3.0-only
#include "app/models/fleetmodelsmodel.h"

#include "app/models/format.h"
#include "app/models/rowsync.h"

#include <QHash>
#include <QLocale>

#include <algorithm>

namespace cortex {

namespace {

QString statusText(ModelStatus status)
{
    switch (status) {
    case ModelStatus::Unloaded:
        return FleetModelsModel::tr("Not loaded");
    case ModelStatus::Downloading:
        return FleetModelsModel::tr("Downloading");
    case ModelStatus::Loading:
        return FleetModelsModel::tr("Loading");
    case ModelStatus::Loaded:
        return FleetModelsModel::tr("Loaded");
    case ModelStatus::Unloading:
        return FleetModelsModel::tr("Unloading");
    case ModelStatus::Failed:
        return FleetModelsModel::tr("Failed");
    }
    return {};
}

/// The number comes from another machine.
double fractionOf(const ModelProgress& progress)
{
    return std::clamp(progress.fraction, 0.0, 1.0);
}

QString progressText(const ModelProgress& progress)
{
    QString text = format::percent(fractionOf(progress) * 100);
    if (progress.bytesPerSecond > 0)
        text += FleetModelsModel::tr(" · %1").arg(format::bytesPerSecond(progress.bytesPerSecond));
    return text;
}

/// Why it failed, else where it is.
QString details(const FleetModel& model)
{
    if (model.status == ModelStatus::Failed && !model.error.isEmpty())
        return model.error;
    if (!model.nodes.isEmpty())
        return model.nodes.join(QStringLiteral(", "));
    if (model.availableOn.isEmpty())
        return {};
    return FleetModelsModel::tr("on disk: %1").arg(model.availableOn.join(QStringLiteral(", ")));
}

} // namespace

FleetModelsModel::FleetModelsModel(QObject* parent)
    : QAbstractTableModel(parent)
{
}

void FleetModelsModel::setModels(const QList<FleetModel>& models)
{
    QStringList current;
    for (const Row& row : m_rows)
        current.append(row.model.id);
    QStringList wanted;
    for (const FleetModel& model : models)
        wanted.append(model.id);

    const auto remove = [this](int row) {
        beginRemoveRows({}, row, row);
        m_rows.removeAt(row);
        endRemoveRows();
    };
    const auto move = [this](int from, int to) {
        beginMoveRows({}, from, from, {}, to);
        m_rows.move(from, to);
        endMoveRows();
    };
    const auto insert = [this, &models](int row) {
        beginInsertRows({}, row, row);
        m_rows.insert(row, Row{models.at(row), 0});
        endInsertRows();
    };
    syncRows<QString>(current, wanted, remove, move, insert);

    for (int row = 0; row < int(models.size()); ++row) {
        if (m_rows.at(row).model == models.at(row))
            continue;
        m_rows[row].model = models.at(row);
        Q_EMIT dataChanged(index(row, 0), index(row, ColumnCount - 1));
    }
}

void FleetModelsModel::setThroughput(const ThroughputSample& sample)
{
    QHash<QString, double> speeds;
    for (const ThroughputSample::Entry& entry : sample.entries)
        speeds[entry.model] += entry.tokensPerSecond;
    for (int row = 0; row < int(m_rows.size()); ++row) {
        const double speed = speeds.value(m_rows.at(row).model.id);
        if (m_rows.at(row).tokensPerSecond == speed)
            continue;
        m_rows[row].tokensPerSecond = speed;
        Q_EMIT dataChanged(index(row, SpeedColumn), index(row, SpeedColumn));
    }
}

int FleetModelsModel::rowOf(const QString& id) const
{
    const auto found = std::find_if(m_rows.begin(), m_rows.end(), [&](const Row& row) { return row.model.id == id; });
    return found == m_rows.end() ? -1 : int(found - m_rows.begin());
}

int FleetModelsModel::loadedCount() const
{
    return int(std::count_if(m_rows.begin(), m_rows.end(),
                             [](const Row& row) { return row.model.status == ModelStatus::Loaded; }));
}

int FleetModelsModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : int(m_rows.size());
}

int FleetModelsModel::columnCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : int(ColumnCount);
}

QVariant FleetModelsModel::data(const QModelIndex& index, int role) const
{
    if (!checkIndex(index, CheckIndexOption::IndexIsValid))
        return {};
    const Row& row = m_rows.at(index.row());
    const FleetModel& model = row.model;
    switch (role) {
    case Qt::DisplayRole:
        return displayData(row, index.column());
    case SortRole:
        return sortData(row, index.column());
    case Qt::ToolTipRole:
        return toolTip(row);
    case Qt::TextAlignmentRole: {
        const bool number = index.column() == SpeedColumn || index.column() == InFlightColumn;
        return QVariant::fromValue<Qt::Alignment>((number ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
    }
    case IdRole:
        return model.id;
    case StatusRole:
        return int(model.status);
    case StatusTextRole:
        return statusText(model.status);
    case ProgressRole:
        return model.progress ? QVariant(fractionOf(*model.progress)) : QVariant();
    case ProgressTextRole:
        return model.progress ? progressText(*model.progress) : QString();
    case ErrorRole:
        return model.error;
    case LoadedOnRole:
        return model.nodes;
    case AvailableOnRole:
        return model.availableOn;
    case SpeedRole:
        return row.tokensPerSecond;
    default:
        return {};
    }
}

QVariant FleetModelsModel::displayData(const Row& row, int column) const
{
    const FleetModel& model = row.model;
    switch (column) {
    case NameColumn:
        return model.id;
    case StateColumn:
        return model.progress ? tr("%1 %2").arg(statusText(model.status), progressText(*model.progress))
                              : statusText(model.status);
    case DetailsColumn:
        return details(model);
    case SpeedColumn:
        return row.tokensPerSecond > 0 ? format::speed(row.tokensPerSecond) : QString();
    case InFlightColumn:
        return model.inFlight > 0 ? QLocale().toString(model.inFlight) : QString();
    default:
        return {};
    }
}

QVariant FleetModelsModel::sortData(const Row& row, int column) const
{
    switch (column) {
    case StateColumn: // the most alive first
        return -int(row.model.status == ModelStatus::Failed ? ModelStatus::Unloaded : row.model.status);
    case SpeedColumn:
        return row.tokensPerSecond;
    case InFlightColumn:
        return row.model.inFlight;
    default:
        return displayData(row, column);
    }
}

QString FleetModelsModel::toolTip(const Row& row) const
{
    const FleetModel& model = row.model;
    QStringList lines{model.id};
    if (!model.aliases.isEmpty())
        lines.append(tr("Also called %1").arg(model.aliases.join(QStringLiteral(", "))));
    if (!model.capabilities.isEmpty())
        lines.append(tr("Can: %1").arg(model.capabilities.join(QStringLiteral(", "))));
    if (model.limit.context > 0)
        lines.append(tr("Context: %1 tokens").arg(QLocale().toString(model.limit.context)));
    if (!model.error.isEmpty())
        lines.append(model.error);
    return lines.join(QLatin1Char('\n'));
}

QVariant FleetModelsModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal)
        return {};
    if (role == Qt::TextAlignmentRole && section >= SpeedColumn)
        return QVariant::fromValue<Qt::Alignment>(Qt::AlignRight | Qt::AlignVCenter);
    if (role != Qt::DisplayRole)
        return {};
    switch (section) {
    case NameColumn:
        return tr("Model");
    case StateColumn:
        return tr("State");
    case DetailsColumn:
        return tr("Details");
    case SpeedColumn:
        return tr("tok/s");
    case InFlightColumn:
        return tr("Running");
    default:
        return {};
    }
}

} // namespace cortex
