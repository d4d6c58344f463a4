// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/formats/mappedfile.h"

#include "neuron/engine/error.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace cortex::engine {

namespace {

/// Closes a descriptor on every way out; a mapping outlives its descriptor.
struct Descriptor {
    int fd;
    ~Descriptor() { ::close(fd); }
};

[[noreturn]] void fail(ErrorKind kind, const std::filesystem::path& path, const std::string& cause)
{
    throw Error(kind, path.string() + ": " + cause);
}

} // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path)
{
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail(errno == ENOENT || errno == ENOTDIR ? ErrorKind::NotFound : ErrorKind::BadFile, path,
             std::strerror(errno));
    const Descriptor descriptor{fd};

    struct stat status { };
    if (::fstat(fd, &status) != 0)
        fail(ErrorKind::BadFile, path, std::strerror(errno));
    if (!S_ISREG(status.st_mode))
        fail(ErrorKind::BadFile, path, "not a regular file");
    if (status.st_size == 0)
        fail(ErrorKind::BadFile, path, "the file is empty");

    const auto size = size_t(status.st_size);
    void* address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
    if (address == MAP_FAILED)
        fail(ErrorKind::BadFile, path, std::string("cannot be mapped into memory: ") + std::strerror(errno));
    const std::shared_ptr<MappedFile> file(new MappedFile(path, {static_cast<const std::byte*>(address), size}));
    file->m_guard.emplace(file->m_bytes);
    return file;
}

MappedFile::MappedFile(std::filesystem::path path, std::span<const std::byte> bytes)
    : m_path(std::move(path))
    , m_bytes(bytes)
{
}

std::shared_ptr<const MappedFile> MappedFile::fromBytes(std::filesystem::path path, std::span<const std::byte> bytes)
{
    auto copy = std::make_unique<std::byte[]>(bytes.size());
    std::ranges::copy(bytes, copy.get());
    std::shared_ptr<MappedFile> file(new MappedFile(std::move(path), {copy.get(), bytes.size()}));
    file->m_copy = std::move(copy);
    return file;
}

void MappedFile::requireWhole() const
{
    if (m_guard && !m_guard->isWhole())
        fail(ErrorKind::BadFile, m_path,
             "the file was cut short while it was in use; load the model again once it is whole");
}

MappedFile::~MappedFile()
{
    m_guard.reset();
    if (!m_copy)
        ::munmap(const_cast<std::byte*>(m_bytes.data()), m_bytes.size());
}

} // namespace cortex::engine
