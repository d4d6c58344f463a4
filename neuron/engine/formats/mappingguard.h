// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <cstddef>
#include <span>

namespace cortex::engine {

/// Keeps this process alive where somebody cuts a mapped file short. The kernel answers a read beyond a file's new end
/// with SIGBUS, which would end every model of the process; while a guard stands, its mapping reads as zeros from there
/// on instead, and the guard says so. What else raises SIGBUS goes to whoever handled it before.
///
/// Made and destroyed from any thread; up to 4096 at a time, those beyond guard nothing.
class MappingGuard {
public:
    explicit MappingGuard(std::span<const std::byte> mapping);
    ~MappingGuard(); ///< before the mapping goes
    MappingGuard(const MappingGuard&) = delete;
    MappingGuard& operator=(const MappingGuard&) = delete;

    /// False once something was read that the file no longer had.
    bool isWhole() const;

private:
    size_t m_place;
};

} // namespace cortex::engine
