// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/system/devicemonitor.h"

#include <QTest>

using namespace cortex;
using namespace cortex::neuron;

/// /proc, NVML (a fake library), and what a machine tells of itself.
class SystemTest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void memoryInfo();
    void cpuTicks();
    void cpuName();
    void nvmlReadsAGpu();
    void nvmlAbsent();
    void gpuWithoutKernelsGivesTheCpu();
    void gpuWithKernelsIsTheDevice();
};

void SystemTest::memoryInfo()
{
    const auto info = parseMemoryInfo("MemTotal:       16384000 kB\nMemFree: 1 kB\nMemAvailable:    8192000 kB\n");
    QVERIFY(info);
    QCOMPARE(info->totalMb, 16000);
    QCOMPARE(info->availableMb, 8000);
    QVERIFY(!parseMemoryInfo("MemTotal: 1 kB\n"));
    QVERIFY(!parseMemoryInfo("MemTotal: x kB\nMemAvailable: 1 kB\n"));
    QVERIFY(!parseMemoryInfo({}));
}

void SystemTest::cpuTicks()
{
    const auto before = parseCpuTicks("cpu  100 0 50 800 50 0 0 0 9 9\ncpu0 1 2 3 4\n");
    QVERIFY(before);
    QCOMPARE(before->busy, 150u);
    QCOMPARE(before->total, 1000u);
    const auto after = parseCpuTicks("cpu  175 0 50 825 50 0 0 0 9 9\n");
    QCOMPARE(cpuUtilization(*before, *after), std::optional<double>(75.0));
    QVERIFY(!cpuUtilization(*before, *before));
    QVERIFY(!parseCpuTicks("intr 1 2 3 4 5"));
    QVERIFY(!parseCpuTicks("cpu 1 2"));
    QVERIFY(!parseCpuTicks("cpu a b c d e"));
    QVERIFY(!parseCpuTicks({}));
}

void SystemTest::cpuName()
{
    QCOMPARE(parseCpuName("processor\t: 0\nmodel name\t: Test CPU @ 3 GHz\n"), QStringLiteral("Test CPU @ 3 GHz"));
    QVERIFY(parseCpuName("processor : 0\n").isEmpty());
}

void SystemTest::nvmlReadsAGpu()
{
    const Nvml nvml(QStringLiteral(FAKE_NVML));
    QVERIFY2(nvml.isUsable(), qPrintable(nvml.error()));
    QCOMPARE(nvml.driverVersion(), std::optional(QStringLiteral("550.54")));
    QCOMPARE(nvml.cudaVersion(), std::optional(QStringLiteral("12.4")));
    QCOMPARE(nvml.gpus().size(), 1u);
    QCOMPARE(nvml.gpus()[0].name, QStringLiteral("Test GPU"));
    QCOMPARE(nvml.gpus()[0].memoryTotalMb, 24 * 1024);
    QCOMPARE(nvml.gpus()[0].computeCapability, QStringLiteral("8.9"));
    const auto reading = nvml.read(0);
    QVERIFY(reading);
    QCOMPARE(reading->memoryUsedMb, 4 * 1024);
    QCOMPARE(reading->memoryFreeMb, 20 * 1024);
    QCOMPARE(reading->utilizationPct, std::optional(37.0));
    QCOMPARE(reading->temperatureC, std::optional(61.0));
    QVERIFY(!reading->powerW); // the board does not tell
}

void SystemTest::nvmlAbsent()
{
    const Nvml nvml(QStringLiteral("/nonexistent/libnvidia-ml.so.1"));
    QVERIFY(!nvml.isUsable());
    QVERIFY(nvml.error().contains(QLatin1String("libnvidia-ml")));
    QVERIFY(!nvml.driverVersion());
    const Nvml other(QStringLiteral("libm.so.6")); // a library, but not this one
    QVERIFY(!other.isUsable());
    QVERIFY(other.error().contains(QLatin1String("nvmlInit_v2")));
}

void SystemTest::gpuWithoutKernelsGivesTheCpu()
{
    DeviceMonitor monitor({QStringLiteral(FAKE_NVML), false});
    const Discovery& discovery = monitor.discovery();
    QCOMPARE(discovery.devices.size(), 1);
    QVERIFY(discovery.devices[0].kind == DeviceKind::Cpu);
    QVERIFY(discovery.cudaUnavailableReason && discovery.cudaUnavailableReason->contains(QLatin1String("Test GPU")));
    QCOMPARE(discovery.driverVersion, std::optional(QStringLiteral("550.54")));
    QCOMPARE(monitor.read().size(), 1);
}

void SystemTest::gpuWithKernelsIsTheDevice()
{
    DeviceMonitor monitor({QStringLiteral(FAKE_NVML), true});
    const Discovery& discovery = monitor.discovery();
    QVERIFY(!discovery.cudaUnavailableReason);
    QCOMPARE(discovery.devices.size(), 1);
    QVERIFY(discovery.devices[0].kind == DeviceKind::Cuda);
    QCOMPARE(discovery.devices[0].vramTotalMb, 24 * 1024);
    QCOMPARE(monitor.read()[0].vramUsedMb, 4 * 1024);
}

QTEST_GUILESS_MAIN(SystemTest)
#include "tst_system.moc"
