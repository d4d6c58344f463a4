// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/system/procfs.h"

#include <QFile>
#include <QList>

#include <algorithm>

namespace cortex::neuron {

std::optional<MemoryInfo> parseMemoryInfo(const QByteArray& text)
{
    const auto kilobytes = [&text](QByteArrayView field) -> std::optional<qint64> {
        for (const QByteArray& line : text.split('\n')) {
            if (!line.startsWith(field))
                continue;
            bool ok = false;
            const qint64 value = line.sliced(field.size()).simplified().split(' ').first().toLongLong(&ok);
            if (ok && value >= 0)
                return value;
        }
        return std::nullopt;
    };
    const auto total = kilobytes("MemTotal:");
    const auto available = kilobytes("MemAvailable:");
    if (!total || !available)
        return std::nullopt;
    return MemoryInfo{*total / 1024, *available / 1024};
}

std::optional<CpuTicks> parseCpuTicks(const QByteArray& text)
{
    // cpu user nice system idle iowait irq softirq steal guest guest_nice; guest time is part of user time already.
    const QList<QByteArray> fields = text.left(text.indexOf('\n')).simplified().split(' ');
    if (fields.size() < 5 || fields.first() != "cpu")
        return std::nullopt;
    CpuTicks ticks;
    for (qsizetype i = 1; i < std::min<qsizetype>(fields.size(), 9); ++i) {
        bool ok = false;
        const quint64 value = fields[i].toULongLong(&ok);
        if (!ok)
            return std::nullopt;
        const bool idle = i == 4 || i == 5;
        ticks.total += value;
        ticks.busy += idle ? 0 : value;
    }
    return ticks;
}

std::optional<double> cpuUtilization(const CpuTicks& before, const CpuTicks& after)
{
    if (after.total <= before.total)
        return std::nullopt;
    const double busy = after.busy > before.busy ? double(after.busy - before.busy) : 0.0;
    return std::clamp(100.0 * busy / double(after.total - before.total), 0.0, 100.0);
}

QString parseCpuName(const QByteArray& text)
{
    for (const QByteArray& line : text.split('\n')) {
        const qsizetype colon = line.indexOf(':');
        if (colon > 0 && line.left(colon).trimmed() == "model name")
            return QString::fromUtf8(line.sliced(colon + 1).trimmed());
    }
    return {};
}

QByteArray readProcFile(const QString& path)
{
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
}

} // namespace cortex::neuron
