// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/cpu/processor.h"

#include "kernels/cpu/path.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <vector>

#include <sched.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace cortex::kernels {

namespace {

std::string firstLine(const std::string& path)
{
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

/// CPUs' worth of time per period that the control group grants; infinity where it does not say.
double cpuQuota()
{
    std::ifstream membership("/proc/self/cgroup");
    std::string line;
    while (std::getline(membership, line)) {
        if (line.rfind("0::", 0) != 0)
            continue;
        std::ifstream file("/sys/fs/cgroup" + line.substr(3) + "/cpu.max");
        double quota = 0, period = 0;
        if (file >> quota >> period && period > 0)
            return quota / period;
    }
    return HUGE_VAL;
}

#if defined(__x86_64__)
bool hasHalfConversion() // F16C, which not every compiler's __builtin_cpu_supports knows
{
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx >> 29 & 1);
}

bool runsAvx2()
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && hasHalfConversion();
}

bool runsAvx512()
{
    return runsAvx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}
#endif

/// Best first.
std::vector<const CpuPath*> runnablePaths()
{
    std::vector<const CpuPath*> paths;
#if defined(__x86_64__)
    if (runsAvx512() && __builtin_cpu_supports("avx512vnni"))
        paths.push_back(&avx512VnniPath());
    if (runsAvx512())
        paths.push_back(&avx512Path());
    if (runsAvx2())
        paths.push_back(&avx2Path());
#endif
    paths.push_back(&portablePath());
    return paths;
}

} // namespace

std::string processorName()
{
    std::ifstream file("/proc/cpuinfo");
    std::string line;
    while (std::getline(file, line)) {
        const size_t colon = line.find(": ");
        if (line.rfind("model name", 0) == 0 && colon != std::string::npos)
            return line.substr(colon + 2);
    }
#if defined(__aarch64__)
    return "ARM processor";
#else
    return "processor";
#endif
}

int physicalCores()
{
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return 1;
    std::set<std::string> cores; // siblings share the list of their names
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (!CPU_ISSET(cpu, &allowed))
            continue;
        const std::string number = std::to_string(cpu);
        const std::string siblings =
            firstLine("/sys/devices/system/cpu/cpu" + number + "/topology/thread_siblings_list");
        cores.insert(siblings.empty() ? number : siblings);
    }
    const double quota = std::max(1.0, std::floor(cpuQuota()));
    return int(std::clamp(double(cores.size()), 1.0, quota));
}

const CpuPath* findCpuPath(std::string_view name)
{
    for (const CpuPath* path : runnablePaths())
        if (path->name == name)
            return path;
    return nullptr;
}

std::span<const std::string> cpuInstructionPaths()
{
    static const std::vector<std::string> names = [] {
        std::vector<std::string> result;
        for (const CpuPath* path : runnablePaths())
            result.emplace_back(path->name);
        return result;
    }();
    return names;
}

} // namespace cortex::kernels
