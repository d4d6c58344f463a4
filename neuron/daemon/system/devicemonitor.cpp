// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/system/devicemonitor.h"

#include <QSysInfo>

namespace cortex::neuron {

namespace {

DeviceInfo cpuDevice()
{
    DeviceInfo device;
    device.kind = DeviceKind::Cpu;
    device.name = parseCpuName(readProcFile(QStringLiteral("/proc/cpuinfo")));
    if (device.name.isEmpty())
        device.name = QSysInfo::currentCpuArchitecture();
    if (const auto memory = parseMemoryInfo(readProcFile(QStringLiteral("/proc/meminfo"))))
        device.vramTotalMb = memory->totalMb;
    return device;
}

/// Why no GPU computes here, or nothing.
std::optional<QString> cudaObstacle(const Nvml& nvml, bool cudaKernels)
{
    if (nvml.gpus().empty())
        return nvml.error();
    if (!cudaKernels)
        return QStringLiteral("this build of neuron has no CUDA kernels (found: %1)").arg(nvml.gpus().front().name);
    return std::nullopt;
}

} // namespace

DeviceMonitor::DeviceMonitor(const Options& options)
    : m_nvml(options.nvmlLibrary)
{
    m_discovery.hostname = QSysInfo::machineHostName();
    m_discovery.os = QSysInfo::prettyProductName();
    m_discovery.kernel = QSysInfo::kernelVersion();
    m_discovery.harnesses = {QStringLiteral("native")};
    m_discovery.driverVersion = m_nvml.driverVersion();
    m_discovery.cudaVersion = m_nvml.cudaVersion();
    m_discovery.cudaUnavailableReason = cudaObstacle(m_nvml, options.cudaKernels);
    if (m_discovery.cudaUnavailableReason) {
        m_discovery.devices = {cpuDevice()};
        m_lastTicks = parseCpuTicks(readProcFile(QStringLiteral("/proc/stat")));
        return;
    }
    for (const Nvml::Gpu& gpu : m_nvml.gpus()) {
        const int index = int(m_discovery.devices.size());
        m_discovery.devices.append({index, gpu.name, DeviceKind::Cuda, gpu.memoryTotalMb, gpu.computeCapability});
    }
}

QList<DeviceReading> DeviceMonitor::read()
{
    if (m_discovery.cudaUnavailableReason)
        return {readCpu()};
    QList<DeviceReading> readings;
    for (const DeviceInfo& device : m_discovery.devices) {
        DeviceReading reading;
        reading.index = device.index;
        if (const auto gpu = m_nvml.read(size_t(device.index))) {
            reading.vramUsedMb = gpu->memoryUsedMb;
            reading.vramFreeMb = gpu->memoryFreeMb;
            reading.utilizationPct = gpu->utilizationPct;
            reading.temperatureC = gpu->temperatureC;
            reading.powerW = gpu->powerW;
        }
        readings.append(reading);
    }
    return readings;
}

DeviceReading DeviceMonitor::readCpu()
{
    DeviceReading reading;
    if (const auto memory = parseMemoryInfo(readProcFile(QStringLiteral("/proc/meminfo")))) {
        reading.vramUsedMb = memory->totalMb - memory->availableMb;
        reading.vramFreeMb = memory->availableMb;
    }
    const auto ticks = parseCpuTicks(readProcFile(QStringLiteral("/proc/stat")));
    if (ticks && m_lastTicks)
        reading.utilizationPct = cpuUtilization(*m_lastTicks, *ticks);
    if (ticks)
        m_lastTicks = ticks;
    return reading;
}

} // namespace cortex::neuron
