// SPDX-License-Identifier: GPL-3.0-only
#include "gateway/cli/statustable.h"

#include <algorithm>
#include <cmath>

namespace cortex::cli {

namespace {

constexpr int barWidth = 14;
constexpr qsizetype widestCell = 44;

struct Cell {
    QString text;
    Colour colour = Colour::None;
    bool right = false; ///< numbers align at the right
};
using Row = QList<Cell>;

/// `text` cut to `width` columns, ending in an ellipsis where something was lost.
QString elided(const QString& text, qsizetype width, const TerminalStyle& style)
{
    if (text.size() <= width)
        return text;
    const QString mark = style.unicode ? QStringLiteral("\u2026") : QStringLiteral("~");
    return text.left(std::max<qsizetype>(0, width - 1)) + mark;
}

/// Rows of cells in columns as wide as their widest cell. The last column takes what is left of the line.
QString table(const QList<Row>& rows, const TerminalStyle& style)
{
    QList<qsizetype> widths;
    for (const Row& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (qsizetype i = 0; i + 1 < row.size(); ++i)
            widths[i] = std::max(widths.at(i), std::min(row.at(i).text.size(), widestCell));
    }
    QString page;
    for (const Row& row : rows) {
        QString line;
        qsizetype column = 0;
        for (qsizetype i = 0; i < row.size(); ++i) {
            const bool last = i + 1 == row.size();
            const qsizetype width = last ? std::max<qsizetype>(20, style.width - column) : widths.at(i);
            const QString text = elided(printable(row.at(i).text), width, style);
            const QString padding(last ? 0 : width - text.size(), QLatin1Char(' '));
            const QString painted = style.paint(text, row.at(i).colour);
            line += row.at(i).right ? padding + painted : painted + padding;
            if (!last)
                line += QStringLiteral("  ");
            column += width + 2;
        }
        while (line.endsWith(QLatin1Char(' ')))
            line.chop(1);
        page += line + QLatin1Char('\n');
    }
    return page;
}

Cell heading(const char* text, bool right = false)
{
    return {QLatin1String(text), Colour::Dim, right};
}

QString bar(qint64 used, qint64 total, const TerminalStyle& style)
{
    const double share = total > 0 ? std::clamp(double(used) / double(total), 0.0, 1.0) : 0;
    const int filled = int(std::lround(share * barWidth));
    const QChar full = style.unicode ? QChar(0x2588) : QLatin1Char('#');
    const QChar empty = style.unicode ? QChar(0x2591) : QLatin1Char('.');
    return QString(filled, full) + QString(barWidth - filled, empty);
}

QString readingText(const DeviceReading& reading, const TerminalStyle& style)
{
    QStringList parts;
    if (reading.utilizationPct)
        parts.append(QStringLiteral("%1 %").arg(int(std::lround(*reading.utilizationPct))));
    if (reading.temperatureC)
        parts.append(QStringLiteral("%1 %2")
                         .arg(int(std::lround(*reading.temperatureC)))
                         .arg(style.unicode ? QStringLiteral("\u00b0C") : QStringLiteral("C")));
    if (reading.powerW)
        parts.append(QStringLiteral("%1 W").arg(int(std::lround(*reading.powerW))));
    return parts.join(QStringLiteral("  "));
}

Row deviceRow(const NodeSnapshot& node, const DeviceInfo& device, const TerminalStyle& style)
{
    const auto reading = std::find_if(node.health.devices.begin(), node.health.devices.end(),
                                      [&](const DeviceReading& r) { return r.index == device.index; });
    Row row{{QStringLiteral("%1  %2").arg(device.index).arg(device.name)}};
    if (reading == node.health.devices.end()) {
        row.append(
            {{QString()}, {QStringLiteral("%1").arg(memoryText(device.vramTotalMb)), Colour::None, true}, {QString()}});
        return row;
    }
    const qint64 total = device.vramTotalMb > 0 ? device.vramTotalMb : reading->vramUsedMb + reading->vramFreeMb;
    const double share = total > 0 ? double(reading->vramUsedMb) / double(total) : 0;
    const Colour colour = share > 0.95 ? Colour::Bad : share > 0.8 ? Colour::Busy : Colour::Good;
    row.append({bar(reading->vramUsedMb, total, style), colour});
    row.append({QStringLiteral("%1 / %2").arg(memoryText(reading->vramUsedMb), memoryText(total)), Colour::None, true});
    row.append({readingText(*reading, style)});
    return row;
}

Colour colourOf(NodeStatus status)
{
    switch (status) {
    case NodeStatus::Online:
        return Colour::Good;
    case NodeStatus::Connecting:
        return Colour::Busy;
    case NodeStatus::Offline:
        return Colour::Bad;
    }
    return Colour::None;
}

QString lastSeenText(const NodeSnapshot& node, const QDateTime& now)
{
    if (!node.lastSeen.isValid())
        return QStringLiteral("never seen");
    const qint64 seconds = std::max<qint64>(0, node.lastSeen.secsTo(now));
    if (seconds < 120)
        return QStringLiteral("last seen %1 s ago").arg(seconds);
    if (seconds < 7200)
        return QStringLiteral("last seen %1 min ago").arg(seconds / 60);
    return QStringLiteral("last seen %1 h ago").arg(seconds / 3600);
}

QString nodesTable(const FleetSnapshot& fleet, const TerminalStyle& style)
{
    QList<Row> rows{{heading("NODE"), heading("STATE"), heading("DEVICE"), heading("MEMORY"),
                     heading("USED / TOTAL", true), heading("LOAD")}};
    QString notes;
    for (const NodeSnapshot& node : fleet.nodes) {
        Row row{{node.name, Colour::Strong}, {toString(node.status), colourOf(node.status)}};
        if (node.status != NodeStatus::Online) {
            rows.append(row + Row{{QString()}, {QString()}, {QString()}, {QString()}});
            const QString why = node.error.isEmpty() ? QStringLiteral("no answer yet") : node.error;
            notes +=
                QStringLiteral("%1: %2 (%3; %4)\n")
                    .arg(printable(node.name), printable(why), node.endpoint.toString(), lastSeenText(node, fleet.at));
            continue;
        }
        for (const DeviceInfo& device : node.discovery.devices) {
            rows.append(row + deviceRow(node, device, style));
            row = {{QString()}, {QString()}};
        }
        if (node.discovery.devices.isEmpty())
            rows.append(row + Row{{QStringLiteral("no device")}, {QString()}, {QString()}, {QString()}});
    }
    return table(rows, style)
        + (notes.isEmpty() ? QString() : style.paint(notes.trimmed(), Colour::Bad) + QLatin1Char('\n'));
}

Colour colourOf(ModelStatus status)
{
    switch (status) {
    case ModelStatus::Loaded:
        return Colour::Good;
    case ModelStatus::Downloading:
    case ModelStatus::Loading:
    case ModelStatus::Unloading:
        return Colour::Busy;
    case ModelStatus::Failed:
        return Colour::Bad;
    case ModelStatus::Unloaded:
        return Colour::Dim;
    }
    return Colour::None;
}

double speedOf(const FleetSnapshot& fleet, const FleetModel& model)
{
    double speed = 0;
    for (const NodeSnapshot& node : fleet.nodes) {
        if (!model.nodes.contains(node.name))
            continue;
        for (const ModelActivity& activity : node.health.models) {
            if (activity.id == model.id)
                speed += activity.tokensPerSecondDecode;
        }
    }
    return speed;
}

QString whereText(const FleetModel& model)
{
    if (!model.error.isEmpty() && model.status == ModelStatus::Failed)
        return model.error;
    return (model.nodes.isEmpty() ? model.availableOn : model.nodes).join(QStringLiteral(", "));
}

QString modelsTable(const FleetSnapshot& fleet, const TerminalStyle& style)
{
    QList<Row> rows{
        {heading("MODEL"), heading("STATE"), heading("IN FLIGHT", true), heading("TOK/S", true), heading("WHERE")}};
    for (const FleetModel& model : fleet.models) {
        const double speed = speedOf(fleet, model);
        const bool loaded = model.status == ModelStatus::Loaded;
        rows.append({{model.id, Colour::Strong},
                     {stateOf(model), colourOf(model.status)},
                     {loaded ? QString::number(model.inFlight) : QString(), Colour::None, true},
                     {loaded && speed > 0 ? QString::number(speed, 'f', 1) : QString(), Colour::None, true},
                     {whereText(model)}});
    }
    return table(rows, style);
}

QString summary(const FleetSnapshot& fleet, const QString& url, const TerminalStyle& style)
{
    const auto online = std::count_if(fleet.nodes.begin(), fleet.nodes.end(),
                                      [](const NodeSnapshot& node) { return node.status == NodeStatus::Online; });
    const auto loaded = std::count_if(fleet.models.begin(), fleet.models.end(),
                                      [](const FleetModel& model) { return model.status == ModelStatus::Loaded; });
    return QStringLiteral("%1 %2   %3/v1   nodes: %4 of %5 online   models: %6 of %7 loaded\n")
        .arg(style.paint(QStringLiteral("cortex"), Colour::Strong), printable(fleet.gatewayVersion), url)
        .arg(online)
        .arg(fleet.nodes.size())
        .arg(loaded)
        .arg(fleet.models.size());
}

} // namespace

QString memoryText(qint64 mb)
{
    return mb < 1024 ? QStringLiteral("%1 MB").arg(mb) : QStringLiteral("%1 GB").arg(double(mb) / 1024, 0, 'f', 1);
}

QString stateOf(const FleetModel& model)
{
    if (model.status == ModelStatus::Unloaded)
        return model.availableOn.isEmpty() ? QStringLiteral("not fetched") : QStringLiteral("available");
    QString text = toString(model.status);
    if (model.progress)
        text += QStringLiteral(" %1 %").arg(int(std::clamp(model.progress->fraction, 0.0, 1.0) * 100));
    return text;
}

QString statusPage(const FleetSnapshot& fleet, const QString& url, const TerminalStyle& style)
{
    QString page = summary(fleet, url, style) + QLatin1Char('\n');
    if (fleet.nodes.isEmpty())
        page += QStringLiteral("No nodes: add [[neurons]] to cortex.toml.\n");
    else
        page += nodesTable(fleet, style);
    page += QLatin1Char('\n');
    if (fleet.models.isEmpty())
        page += QStringLiteral("No models: no node has any, and the catalogue is empty.\n");
    else
        page += modelsTable(fleet, style);
    return page;
}

QString modelsPage(const FleetSnapshot& fleet, const TerminalStyle& style)
{
    if (fleet.models.isEmpty())
        return QStringLiteral("No models: no node has any, and the catalogue is empty.\n");
    QList<Row> rows{
        {heading("MODEL"), heading("STATE"), heading("CONTEXT", true), heading("WHERE"), heading("ALIASES")}};
    for (const FleetModel& model : fleet.models) {
        rows.append({{model.id, Colour::Strong},
                     {stateOf(model), colourOf(model.status)},
                     {model.limit.context > 0 ? QString::number(model.limit.context) : QString(), Colour::None, true},
                     {whereText(model)},
                     {model.aliases.join(QStringLiteral(", "))}});
    }
    return table(rows, style);
}

} // namespace cortex::cli
