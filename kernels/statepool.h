// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <cstddef>

namespace cortex::kernels {

/// Shape of the memory that Gated DeltaNet layers keep of a sequence, whatever its length. Per layer and slot: one
/// state [keyDim, valueDim] float32 for each value head, and the last kernelWidth − 1 inputs [channels] float32 of the
/// causal convolution.
struct StateLayout {
    int layers = 0; ///< DeltaNet layers only; 0: the model has none
    int slots = 0; ///< sequences, as BatchSequence::slot counts them
    int keyHeads = 0;
    int valueHeads = 0; ///< a multiple of keyHeads
    int keyDim = 0;
    int valueDim = 0;
    int kernelWidth = 0;

    int keyChannels() const { return keyHeads * keyDim; }
    int valueChannels() const { return valueHeads * valueDim; }
    /// Channels of the convolution: queries, keys, values.
    int channels() const { return 2 * keyChannels() + valueChannels(); }
};

/// The memory itself, on a device; the arrangement within is the device's own. Nothing needs clearing: a sequence whose
/// rows begin at position 0 begins with zeros.
class StatePool {
public:
    virtual ~StatePool() = default;
    virtual const StateLayout& layout() const = 0;
    virtual size_t bytes() const = 0;
};

} // namespace cortex::kernels
