// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QByteArray>
#include <QString>

#include <optional>

/// Figures that Linux tells in /proc, as pure functions of the file's bytes.
namespace cortex::neuron {

struct MemoryInfo {
    qint64 totalMb = 0;
    qint64 availableMb = 0; ///< what could be had without swapping
};
/// /proc/meminfo; nothing where a field is missing.
std::optional<MemoryInfo> parseMemoryInfo(const QByteArray& text);

/// Ticks since boot over all CPUs; utilisation is the change of busy over the change of total.
struct CpuTicks {
    quint64 busy = 0;
    quint64 total = 0;
};
/// The first line of /proc/stat; nothing where it is not as expected.
std::optional<CpuTicks> parseCpuTicks(const QByteArray& text);
/// 0 … 100 between two readings; nothing where no time has passed.
std::optional<double> cpuUtilization(const CpuTicks& before, const CpuTicks& after);

/// "model name" of /proc/cpuinfo; empty where it has none (some Arm machines).
QString parseCpuName(const QByteArray& text);

/// The whole of a /proc file; empty where it cannot be read.
QByteArray readProcFile(const QString& path);

} // namespace cortex::neuron
