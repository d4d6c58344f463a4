// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/tensor.h"

#include <cstddef>
#include <memory>

namespace cortex::kernels {

/// Zeroed pages of this process; throws OutOfMemory. They become real when they are first touched, but count as taken
/// at once (freeHostBytes). Pieces of 2 MiB and more are aligned to that and ask for huge pages, so that streaming
/// through them does not wait for the address translation.
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

/// Hands out pieces of large slabs, so that weights smaller than a huge page share one. A slab is freed with its last
/// piece.
class HostArena {
public:
    /// `bytes` of zeroed memory, aligned to 64 bytes; throws OutOfMemory.
    std::shared_ptr<std::byte> allocate(size_t bytes);

private:
    std::weak_ptr<HostMemory> m_slab;
    size_t m_used = 0; ///< bytes of the slab that were handed out
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

/// What was given out as HostMemory and nobody has touched: to the kernel it is still free.
size_t untouchedHostBytes();
/// What a new allocation may take without swapping: the kernel's estimate, or what a control group leaves, if less;
/// less what is untouched.
size_t freeHostBytes();
/// The machine's memory, or the control group's limit, if less.
size_t totalHostBytes();

} // namespace cortex::kernels
