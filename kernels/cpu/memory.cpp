// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/cpu/memory.h"

#include "kernels/device.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include <sys/mman.h>
#include <unistd.h>

namespace cortex::kernels {

namespace {

constexpr size_t hugePage = size_t(2) << 20;
const size_t smallPage = size_t(sysconf(_SC_PAGESIZE));
constexpr size_t slabBytes = size_t(32) << 20;

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

std::byte* mapAnywhere(size_t bytes)
{
    void* pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED ? nullptr : static_cast<std::byte*>(pages);
}

/// Null where the kernel refuses.
std::byte* mapPages(size_t bytes)
{
    if (bytes < hugePage)
        return mapAnywhere(bytes);
    // Map one huge page more and give back what lies before and behind the aligned part.
    bytes = (bytes + smallPage - 1) / smallPage * smallPage;
    std::byte* pages = mapAnywhere(bytes + hugePage);
    if (!pages)
        return nullptr;
    const size_t before = (hugePage - reinterpret_cast<uintptr_t>(pages) % hugePage) % hugePage;
    if (before > 0)
        munmap(pages, before);
    munmap(pages + before + bytes, hugePage - before);
    madvise(pages + before, bytes, MADV_HUGEPAGE);
    return pages + before;
}

/// The mappings of all HostMemory, by address.
class Mappings {
public:
    void add(std::byte* pages, size_t bytes)
    {
        const std::lock_guard lock(m_mutex);
        m_mappings[pages] = {bytes, bytes};
    }

    void remove(std::byte* pages)
    {
        const std::lock_guard lock(m_mutex);
        m_mappings.erase(pages);
    }

    size_t untouchedBytes()
    {
        const std::lock_guard lock(m_mutex);
        size_t sum = 0;
        for (auto& [pages, mapping] : m_mappings) {
            if (mapping.untouched > 0) // pages do not become untouched again
                mapping.untouched = untouchedOf(pages, mapping.bytes);
            sum += mapping.untouched;
        }
        return sum;
    }

private:
    struct Mapping {
        size_t bytes;
        size_t untouched; ///< when it was last asked for
    };

    static size_t untouchedOf(std::byte* pages, size_t bytes);

    std::mutex m_mutex;
    std::map<std::byte*, Mapping> m_mappings;
};

size_t Mappings::untouchedOf(std::byte* pages, size_t bytes)
{
    std::array<unsigned char, 4096> resident;
    size_t untouched = 0;
    const size_t step = resident.size() * smallPage;
    for (size_t at = 0; at < bytes; at += step) {
        const size_t length = std::min(step, bytes - at);
        if (mincore(pages + at, length, resident.data()) != 0)
            continue; // a kernel without it: as if all were touched
        const size_t count = (length + smallPage - 1) / smallPage;
        for (size_t page = 0; page < count; ++page)
            untouched += resident[page] & 1 ? 0 : std::min(smallPage, length - page * smallPage);
    }
    return untouched;
}

Mappings& mappings()
{
    static Mappings all;
    return all;
}

} // namespace

HostMemory::HostMemory(size_t bytes)
    : m_bytes(bytes)
{
    if (bytes == 0)
        return;
    // mmap would succeed on memory that is not there: ask first.
    const size_t free = freeHostBytes();
    std::byte* pages = bytes > free ? nullptr : mapPages(bytes);
    if (!pages)
        throw OutOfMemory(bytes, free);
    mappings().add(pages, bytes);
    m_data = pages;
}

HostMemory::~HostMemory()
{
    if (!m_data)
        return;
    mappings().remove(m_data);
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

std::shared_ptr<std::byte> HostArena::allocate(size_t bytes)
{
    const size_t size = (bytes + 63) / 64 * 64;
    if (size > slabBytes / 4) {
        auto own = std::make_shared<HostMemory>(bytes);
        return {own, own->data()};
    }
    std::shared_ptr<HostMemory> slab = m_slab.lock();
    if (!slab || m_used + size > slab->bytes()) {
        slab = std::make_shared<HostMemory>(slabBytes);
        m_slab = slab;
        m_used = 0;
    }
    std::byte* data = slab->data() + m_used;
    m_used += size;
    return {slab, data};
}

size_t untouchedHostBytes()
{
    return mappings().untouchedBytes();
}

size_t freeHostBytes()
{
    size_t free = memoryInfo("MemAvailable:");
    const std::optional<size_t> limit = controlGroupBytes("memory.max");
    const std::optional<size_t> used = controlGroupBytes("memory.current");
    if (limit && used)
        free = std::min(free, *limit > *used ? *limit - *used : 0);
    const size_t untouched = untouchedHostBytes();
    return free > untouched ? free - untouched : 0;
}

size_t totalHostBytes()
{
    return std::min(memoryInfo("MemTotal:"),
                    controlGroupBytes("memory.max").value_or(std::numeric_limits<size_t>::max()));
}

} // namespace cortex::kernels
