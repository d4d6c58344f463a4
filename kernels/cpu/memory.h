// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/tensor.h"

#include <cstddef>

namespace cortex::kernels {

/// Zeroed pages of this process, aligned to at least 64 bytes; throws OutOfMemory. Large pieces ask for huge pages, so
/// that streaming through weights does not wait for the address translation.
class HostMemory {
public:
    HostMemory() = default;
    explicit HostMemory(size_t bytes);
    ~HostMemory();
    HostMemory(HostMemory&& other) noexcept;
    HostMemory& operator=(HostMemory&& other) noexcept;

    std::byte* data() const { return m_data; }
    size_t bytes() const { return m_bytes; }

private:
    std::byte* m_data = nullptr;
    size_t m_bytes = 0;
};

class CpuBuffer final : public Buffer {
public:
    explicit CpuBuffer(size_t bytes)
        : m_memory(bytes)
    {
    }
    size_t bytes() const override { return m_memory.bytes(); }
    std::byte* data() const { return m_memory.data(); }

private:
    HostMemory m_memory;
};

/// What a new allocation may take without swapping: the kernel's estimate, or what a control group leaves, if less.
size_t freeHostBytes();
/// The machine's memory, or the control group's limit, if less.
size_t totalHostBytes();

} // namespace cortex::kernels
