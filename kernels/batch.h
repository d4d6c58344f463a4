// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/statepool.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace cortex::kernels {

/// Largest step that a Batch can describe.
struct BatchLimits {
    int rows = 0; ///< token rows of one step
    int sequences = 0; ///< sequence slots
    int blocksPerSequence = 0; ///< entries of a slot's block table
};

/// Largest operation that the scratch memory has to serve.
struct WorkspaceLimits {
    int rows = 0; ///< token rows of one step
    int64_t columns = 0; ///< widest input of a product
    int heads = 0; ///< query heads
    int headDim = 0;
    int contextTokens = 0; ///< longest sequence
    StateLayout state{}; ///< of Gated DeltaNet layers
    int experts = 0; ///< of a mixture layer; 0: there is none
    int expertsPerRow = 0;
};

/// A run of consecutive rows of a step that belong to one sequence.
struct BatchSequence {
    int slot = 0; ///< which sequence, 0 … BatchLimits::sequences − 1
    int firstRow = 0;
    int rows = 0; ///< 1 in decode, more in prefill
    int firstPosition = 0; ///< position of its first row; earlier positions are in the cache
};

/// One step's description as the host builds it: prefill chunks and decode rows of different sequences, mixed.
struct BatchPlan {
    std::span<const int32_t> tokens; ///< [rows]
    std::span<const BatchSequence> sequences; ///< in row order, covering all rows
    std::span<const int32_t> blockTables; ///< [BatchLimits::sequences, BatchLimits::blocksPerSequence], by slot
    std::span<const int32_t> outputRows; ///< rows whose logits are wanted, ascending
};

/// A step's description on a device, at addresses that stay the same from step to step.
class Batch {
public:
    virtual ~Batch() = default;
    /// Copies a plan to the device; `plan` may be reused on return. Enqueued like an operation.
    virtual void set(const BatchPlan& plan) = 0;
    virtual int rows() const = 0;
    virtual int outputs() const = 0;
};

} // namespace cortex::kernels
