// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/fleet/types.h"
#include "neuron/daemon/system/nvml.h"
#include "neuron/daemon/system/procfs.h"

namespace cortex::neuron {

/// What this machine is (once, at start) and how its devices do (at each call). Where CUDA cannot be used, the CPU is
/// device 0 and Discovery::cudaUnavailableReason says why. Main thread.
class DeviceMonitor {
public:
    struct Options {
        QString nvmlLibrary = QStringLiteral("libnvidia-ml.so.1");
        bool cudaKernels = false; ///< whether this build can compute on a GPU
    };
    explicit DeviceMonitor(const Options& options);

    const Discovery& discovery() const { return m_discovery; }
    /// One reading per device of discovery(). CPU utilisation is that since the call before.
    QList<DeviceReading> read();

private:
    DeviceReading readCpu();
    Nvml m_nvml;
    Discovery m_discovery;
    std::optional<CpuTicks> m_lastTicks;
};

} // namespace cortex::neuron
