// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/types.h"

namespace cortex::kernels {

/// Shape of a key/value cache: per layer, `blocks` blocks of `blockTokens` positions for `heads` KV heads. A sequence
/// owns blocks through its slot's block table (BatchPlan::blockTables): position p lies in entry p / blockTokens.
struct KvLayout {
    int layers = 0; ///< attention layers only
    int blocks = 0;
    int blockTokens = 0;
    int heads = 0;
    int headDim = 0;
    /// F32 keeps keys and values as they are. F16 and BF16 stand for 16 bits per element, blockTokens a multiple of 16:
    /// a side may hold another form of that size that is no less precise, and may read far positions less precisely.
    Type type = Type::F16;
};

/// The cache's memory on a device; the arrangement within is the device's own.
class KvPool {
public:
    virtual ~KvPool() = default;
    virtual const KvLayout& layout() const = 0;
    virtual size_t bytes() const = 0;
};

} // namespace cortex::kernels
