// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/cpu/memory.h"

#include "kernels/device.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include <sys/mman.h>

namespace cortex::kernels {

namespace {

constexpr size_t hugePage = size_t(2) << 20;

/// A line "NAME:  1234 kB" of /proc/meminfo, in bytes.
size_t memoryInfo(const std::string& name)
{
    std::ifstream file("/proc/meminfo");
    std::string key, unit;
    size_t kibibytes = 0;
    while (file >> key >> kibibytes && std::getline(file, unit))
        if (key == name)
            return kibibytes * 1024;
    return 0;
}

/// The number in a file of this process's control group (version 2); nothing where there is no limit.
std::optional<size_t> controlGroupBytes(const std::string& file)
{
    std::ifstream membership("/proc/self/cgroup");
    std::string line;
    while (std::getline(membership, line)) {
        if (line.rfind("0::", 0) != 0)
            continue;
        std::ifstream value("/sys/fs/cgroup" + line.substr(3) + "/" + file);
        size_t bytes = 0;
        if (value >> bytes)
            return bytes;
    }
    return std::nullopt;
}

} // namespace

HostMemory::HostMemory(size_t bytes)
    : m_bytes(bytes)
{
    if (bytes == 0)
        return;
    // mmap would succeed on memory that is not there: ask first.
    const size_t free = freeHostBytes();
    void* pages =
        bytes > free ? MAP_FAILED : mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        throw OutOfMemory(bytes, free);
    if (bytes >= hugePage)
        madvise(pages, bytes, MADV_HUGEPAGE);
    m_data = static_cast<std::byte*>(pages);
}

HostMemory::~HostMemory()
{
    if (m_data)
        munmap(m_data, m_bytes);
}

HostMemory::HostMemory(HostMemory&& other) noexcept
    : m_data(std::exchange(other.m_data, nullptr))
    , m_bytes(std::exchange(other.m_bytes, 0))
{
}

HostMemory& HostMemory::operator=(HostMemory&& other) noexcept
{
    std::swap(m_data, other.m_data);
    std::swap(m_bytes, other.m_bytes);
    return *this;
}

size_t freeHostBytes()
{
    size_t free = memoryInfo("MemAvailable:");
    const std::optional<size_t> limit = controlGroupBytes("memory.max");
    const std::optional<size_t> used = controlGroupBytes("memory.current");
    if (limit && used)
        free = std::min(free, *limit > *used ? *limit - *used : 0);
    return free;
}

size_t totalHostBytes()
{
    return std::min(memoryInfo("MemTotal:"),
                    controlGroupBytes("memory.max").value_or(std::numeric_limits<size_t>::max()));
}

} // namespace cortex::kernels
