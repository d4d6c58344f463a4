// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/fleet/types.h"

#include <QAbstractTableModel>

namespace cortex {

/// Every model of the fleet, one row each, in the order of the snapshots. Snapshots become the smallest set of row
/// changes.
class FleetModelsModel : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column { NameColumn, StateColumn, DetailsColumn, SpeedColumn, InFlightColumn, ColumnCount };

    enum Role {
        IdRole = Qt::UserRole + 1, ///< QString
        StatusRole, ///< ModelStatus as int
        StatusTextRole, ///< QString: the status in one word
        ProgressRole, ///< double 0…1 while there is work under way, else invalid
        ProgressTextRole, ///< QString: "43 % · 12.4 MB/s"; empty without progress
        ErrorRole, ///< QString: of the last failure
        LoadedOnRole, ///< QStringList of node names
        AvailableOnRole, ///< QStringList of node names that have the files
        SpeedRole, ///< double, tokens per second over the whole fleet
        SortRole, ///< by which the column sorts
    };

    explicit FleetModelsModel(QObject* parent = nullptr);

    void setModels(const QList<FleetModel>& models);
    /// Speeds of the last second; a model that the sample does not name stands still.
    void setThroughput(const ThroughputSample& sample);

    int rowOf(const QString& id) const; ///< -1 where there is none
    int loadedCount() const;

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;

private:
    struct Row {
        FleetModel model;
        double tokensPerSecond = 0;
    };

    QVariant displayData(const Row& row, int column) const;
    QVariant sortData(const Row& row, int column) const;
    QString toolTip(const Row& row) const;

    QList<Row> m_rows;
};

} // namespace cortex
