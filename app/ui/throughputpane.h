// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "app/ui/pane.h"

#include <QHash>

class QCategoryAxis;
class QChart;
class QChartView;
class QLabel;
class QLineSeries;
class QValueAxis;

namespace cortex {

class ThroughputSeries;

/// Live chart of the last five minutes of tokens per second: the total as a broad pale line, each
/// model as a thin one over it.
class ThroughputPane : public Pane {
    Q_OBJECT
public:
    explicit ThroughputPane(ThroughputSeries& series, QWidget* parent = nullptr);

    QList<QPointF> shownTotal() const;
    QStringList shownModels() const;

protected:
    void changeEvent(QEvent* event) override;

private:
    void createChart();
    void addLine(QLineSeries* line, const QString& name);
    void refresh();
    void updateModelLines();
    void updateScale();
    void applyColors();

    ThroughputSeries& m_series;
    QLabel* m_numbers;
    QChart* m_chart;
    QChartView* m_view;
    QCategoryAxis* m_time;
    QValueAxis* m_speed;
    QLineSeries* m_total;
    QHash<QString, QLineSeries*> m_lines;
};

} // namespace cortex
