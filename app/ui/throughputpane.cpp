// SPDX-License-Identifier: GPL-3.0-only
#include "app/ui/throughputpane.h"

#include "app/models/format.h"
#include "app/models/throughputseries.h"
#include "app/ui/colors.h"

#include <QCategoryAxis>
#include <QChart>
#include <QChartView>
#include <QEvent>
#include <QGraphicsLayout>
#include <QLabel>
#include <QLegendMarker>
#include <QLineSeries>
#include <QValueAxis>

#include <algorithm>
#include <cmath>

namespace cortex {

namespace {

constexpr int gridSteps = 4;
constexpr double smallestScale = 10; ///< tokens per second at the top of an idle chart

/// The smallest of 1, 2, 2.5 or 5 times a power of ten that is not below `value`.
double roundStep(double value)
{
    const double power = std::pow(10, std::floor(std::log10(value)));
    for (const double factor : {1.0, 2.0, 2.5, 5.0}) {
        if (factor * power >= value)
            return factor * power;
    }
    return 10 * power;
}

} // namespace

ThroughputPane::ThroughputPane(ThroughputSeries& series, QWidget* parent)
    : Pane(tr("Tokens per second"), parent)
    , m_series(series)
    , m_numbers(new QLabel(this))
    , m_chart(new QChart)
    , m_view(new QChartView(m_chart, this))
    , m_time(new QCategoryAxis(this))
    , m_speed(new QValueAxis(this))
    , m_total(new QLineSeries(this))
{
    createChart();
    addHeaderStretch();
    addHeaderWidget(m_numbers);
    setContent(m_view);
    connect(&series, &ThroughputSeries::changed, this, &ThroughputPane::refresh);
    applyColors();
    refresh();
}

void ThroughputPane::createChart()
{
    m_chart->legend()->setAlignment(Qt::AlignTop);
    m_chart->setMargins(QMargins(4, 6, 22, 2)); // room for half of the last label
    m_chart->setBackgroundVisible(false);
    m_chart->layout()->setContentsMargins(0, 0, 0, 0);
    m_view->setRenderHint(QPainter::Antialiasing);
    m_view->viewport()->setFocusPolicy(Qt::NoFocus);
    m_view->setFocusPolicy(Qt::NoFocus); // the numbers in the header say it in words
    m_view->setAccessibleName(tr("Chart of tokens per second over the last five minutes"));
    m_view->setMinimumHeight(120);

    m_time->setRange(-ThroughputSeries::windowSeconds, 0);
    m_time->setStartValue(-ThroughputSeries::windowSeconds - 1);
    m_time->setLabelsPosition(QCategoryAxis::AxisLabelsPositionOnValue);
    for (int minute = ThroughputSeries::windowSeconds / 60; minute > 0; --minute)
        m_time->append(tr("−%1 min").arg(minute), -60.0 * minute);
    m_time->append(tr("now"), 0);
    m_speed->setLabelFormat(QStringLiteral("%g"));
    m_chart->addAxis(m_time, Qt::AlignBottom);
    m_chart->addAxis(m_speed, Qt::AlignLeft);

    addLine(m_total, tr("Total"));
}

void ThroughputPane::addLine(QLineSeries* line, const QString& name)
{
    line->setName(name);
    m_chart->addSeries(line);
    line->attachAxis(m_time);
    line->attachAxis(m_speed);
}

void ThroughputPane::refresh()
{
    m_total->replace(m_series.total());
    updateModelLines();
    updateScale();
    m_numbers->setText(tr("%1 now · peak %2 · %3 running")
                           .arg(format::tokensPerSecond(m_series.current()), format::speed(m_series.peak()))
                           .arg(m_series.inFlight()));
}

void ThroughputPane::updateModelLines()
{
    const QStringList models = m_series.models();
    bool linesChanged = false;
    const QStringList shown = m_lines.keys();
    for (const QString& model : shown) {
        if (models.contains(model))
            continue;
        QLineSeries* line = m_lines.take(model);
        m_chart->removeSeries(line);
        delete line;
        linesChanged = true;
    }
    for (const QString& model : models) {
        QLineSeries*& line = m_lines[model];
        if (!line) {
            line = new QLineSeries(this);
            addLine(line, format::shortModelName(model));
            linesChanged = true;
        }
        line->replace(m_series.ofModel(model));
    }
    if (linesChanged)
        applyColors();
    m_chart->legend()->setVisible(!m_lines.isEmpty());
}

void ThroughputPane::updateScale()
{
    const double step = roundStep(std::max(m_series.peak() * 1.05, smallestScale) / gridSteps);
    const int steps = int(std::ceil(std::max(m_series.peak() * 1.05, smallestScale) / step));
    m_speed->setRange(0, steps * step);
    m_speed->setTickCount(steps + 1);
}

void ThroughputPane::applyColors()
{
    QPen grid(colors::grid(palette()), 1);
    for (QAbstractAxis* axis : {static_cast<QAbstractAxis*>(m_time), static_cast<QAbstractAxis*>(m_speed)}) {
        axis->setGridLinePen(grid);
        axis->setLinePen(grid);
        axis->setLabelsBrush(colors::muted(palette()));
        axis->setLabelsFont(font());
    }
    m_chart->legend()->setLabelBrush(palette().color(QPalette::Text));
    m_chart->legend()->setFont(font());
    m_view->setBackgroundBrush(palette().color(QPalette::Base));

    m_total->setPen(QPen(colors::halo(palette()), 6)); // lies under the models' lines
    QStringList models = m_lines.keys();
    models.sort();
    for (int index = 0; index < int(models.size()); ++index)
        m_lines.value(models.at(index))->setPen(QPen(colors::series(index, palette()), 2));
}

void ThroughputPane::changeEvent(QEvent* event)
{
    Pane::changeEvent(event);
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange)
        applyColors();
}

QList<QPointF> ThroughputPane::shownTotal() const
{
    return m_total->points();
}

QStringList ThroughputPane::shownModels() const
{
    return m_lines.keys();
}

} // namespace cortex
