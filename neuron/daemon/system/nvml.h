// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QString>

#include <memory>
#include <optional>
#include <vector>

namespace cortex::neuron {

/// NVIDIA's management library, loaded at run time: a daemon built on a machine without a GPU sees one all the same,
/// and starts on a machine without the driver. Declarations are typed from the NVML API reference. Main thread only.
class Nvml {
public:
    struct Gpu {
        QString name;
        qint64 memoryTotalMb = 0;
        QString computeCapability; ///< "8.9"
    };
    struct Reading {
        qint64 memoryUsedMb = 0;
        qint64 memoryFreeMb = 0;
        std::optional<double> utilizationPct;
        std::optional<double> temperatureC;
        std::optional<double> powerW;
    };

    /// Loads `library` and starts it. On failure isUsable() is false and error() says why, for people.
    explicit Nvml(const QString& library);
    ~Nvml();

    bool isUsable() const;
    const QString& error() const { return m_error; }
    std::optional<QString> driverVersion() const;
    std::optional<QString> cudaVersion() const; ///< the newest that the driver can run, "12.4"
    const std::vector<Gpu>& gpus() const { return m_gpus; }
    /// Now; nothing where the GPU does not answer (fallen off the bus).
    std::optional<Reading> read(size_t gpu) const;

private:
    struct Library;
    void enumerate();
    std::unique_ptr<Library> m_library;
    std::vector<void*> m_handles;
    std::vector<Gpu> m_gpus;
    QString m_error;
};

} // namespace cortex::neuron
