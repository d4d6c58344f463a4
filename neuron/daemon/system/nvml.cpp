// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/system/nvml.h"

#include <array>

#include <dlfcn.h>

namespace cortex::neuron {

namespace {
constexpr int Success = 0;
constexpr unsigned TemperatureOfDie = 0;
constexpr qint64 BytesPerMb = 1024 * 1024;

struct MemoryInfoV1 {
    unsigned long long total, free, used;
};
struct Utilization {
    unsigned gpu, memory;
};
} // namespace

/// The functions that we use, by the names that the shared library exports.
struct Nvml::Library {
    void* handle = nullptr;
    bool started = false;

    int (*init)() = nullptr;
    int (*shutdown)() = nullptr;
    const char* (*errorString)(int) = nullptr;
    int (*driverVersion)(char*, unsigned) = nullptr;
    int (*cudaDriverVersion)(int*) = nullptr;
    int (*count)(unsigned*) = nullptr;
    int (*handleByIndex)(unsigned, void**) = nullptr;
    int (*name)(void*, char*, unsigned) = nullptr;
    int (*memory)(void*, MemoryInfoV1*) = nullptr;
    int (*computeCapability)(void*, int*, int*) = nullptr;
    int (*utilization)(void*, Utilization*) = nullptr;
    int (*temperature)(void*, unsigned, unsigned*) = nullptr;
    int (*power)(void*, unsigned*) = nullptr;

    ~Library()
    {
        if (started)
            shutdown();
        if (handle)
            dlclose(handle);
    }

    /// Fills every pointer; the name of the first function that the library lacks, or null.
    const char* bind()
    {
        const auto find = [this](auto& function, const char* symbol) {
            function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(handle, symbol));
            return function ? nullptr : symbol;
        };
        for (const char* missing : {
                 find(init, "nvmlInit_v2"),
                 find(shutdown, "nvmlShutdown"),
                 find(errorString, "nvmlErrorString"),
                 find(driverVersion, "nvmlSystemGetDriverVersion"),
                 find(cudaDriverVersion, "nvmlSystemGetCudaDriverVersion_v2"),
                 find(count, "nvmlDeviceGetCount_v2"),
                 find(handleByIndex, "nvmlDeviceGetHandleByIndex_v2"),
                 find(name, "nvmlDeviceGetName"),
                 find(memory, "nvmlDeviceGetMemoryInfo"),
                 find(computeCapability, "nvmlDeviceGetCudaComputeCapability"),
                 find(utilization, "nvmlDeviceGetUtilizationRates"),
                 find(temperature, "nvmlDeviceGetTemperature"),
                 find(power, "nvmlDeviceGetPowerUsage"),
             }) {
            if (missing)
                return missing;
        }
        return nullptr;
    }
};

Nvml::Nvml(const QString& library)
    : m_library(std::make_unique<Library>())
{
    m_library->handle = dlopen(library.toLocal8Bit().constData(), RTLD_NOW | RTLD_LOCAL);
    if (!m_library->handle) {
        m_error = QStringLiteral("no NVIDIA driver: %1").arg(QString::fromLocal8Bit(dlerror()));
        return;
    }
    if (const char* missing = m_library->bind()) {
        m_error = QStringLiteral("the NVIDIA driver is too old: %1 lacks %2").arg(library, QLatin1String(missing));
        return;
    }
    if (const int code = m_library->init(); code != Success) {
        m_error =
            QStringLiteral("the NVIDIA driver does not start: %1").arg(QString::fromUtf8(m_library->errorString(code)));
        return;
    }
    m_library->started = true;
    enumerate();
}

Nvml::~Nvml() = default;

bool Nvml::isUsable() const
{
    return m_library->started;
}

void Nvml::enumerate()
{
    unsigned count = 0;
    if (const int code = m_library->count(&count); code != Success) {
        m_error =
            QStringLiteral("the NVIDIA driver lists no GPUs: %1").arg(QString::fromUtf8(m_library->errorString(code)));
        return;
    }
    for (unsigned i = 0; i < count; ++i) {
        void* handle = nullptr;
        std::array<char, 96> name{};
        MemoryInfoV1 memory{};
        if (m_library->handleByIndex(i, &handle) != Success || m_library->memory(handle, &memory) != Success)
            continue; // a GPU that does not answer is not offered
        m_library->name(handle, name.data(), unsigned(name.size() - 1));
        int major = 0;
        int minor = 0;
        Gpu gpu{QString::fromUtf8(name.data()), qint64(memory.total) / BytesPerMb, {}};
        if (m_library->computeCapability(handle, &major, &minor) == Success)
            gpu.computeCapability = QStringLiteral("%1.%2").arg(major).arg(minor);
        m_handles.push_back(handle);
        m_gpus.push_back(std::move(gpu));
    }
    if (m_gpus.empty())
        m_error = QStringLiteral("the NVIDIA driver finds no GPU");
}

std::optional<QString> Nvml::driverVersion() const
{
    std::array<char, 96> text{};
    if (!isUsable() || m_library->driverVersion(text.data(), unsigned(text.size() - 1)) != Success)
        return std::nullopt;
    return QString::fromUtf8(text.data());
}

std::optional<QString> Nvml::cudaVersion() const
{
    int version = 0;
    if (!isUsable() || m_library->cudaDriverVersion(&version) != Success)
        return std::nullopt;
    return QStringLiteral("%1.%2").arg(version / 1000).arg(version % 1000 / 10);
}

std::optional<Nvml::Reading> Nvml::read(size_t gpu) const
{
    void* handle = m_handles.at(gpu);
    MemoryInfoV1 memory{};
    if (m_library->memory(handle, &memory) != Success)
        return std::nullopt;
    Reading reading{qint64(memory.used) / BytesPerMb, qint64(memory.free) / BytesPerMb, {}, {}, {}};
    Utilization utilization{};
    if (m_library->utilization(handle, &utilization) == Success)
        reading.utilizationPct = utilization.gpu;
    unsigned value = 0;
    if (m_library->temperature(handle, TemperatureOfDie, &value) == Success)
        reading.temperatureC = value;
    if (m_library->power(handle, &value) == Success)
        reading.powerW = value / 1000.0;
    return reading;
}

} // namespace cortex::neuron
