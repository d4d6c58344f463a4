// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/cpu/cpudevice.h"
#include "kernels/cpu/cpustatepool.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

namespace cortex::kernels {

namespace {

constexpr int maxKernelWidth = 16;

/// Tasks that a worker takes at once, at most.
constexpr int64_t largestPiece = 8;

/// Below this the scale of a state is multiplied into what is stored: far from where float32 ends on either side, far
/// enough from 1 that it is seldom done.
constexpr float smallestScale = 0x1p-32f;

float sigmoid(float x)
{
    return 1 / (1 + std::exp(-x));
}

float softplus(float x)
{
    return x > 20 ? x : std::log1p(std::exp(x));
}

} // namespace

size_t CpuDevice::statePoolBytes(const StateLayout& layout) const
{
    return CpuStatePool::bytesFor(layout);
}

std::unique_ptr<StatePool> CpuDevice::createStatePool(const StateLayout& layout)
{
    if (layout.kernelWidth < 1 || layout.kernelWidth > maxKernelWidth)
        throw std::invalid_argument("a convolution over " + std::to_string(layout.kernelWidth)
                                    + " tokens is not supported: 1 to " + std::to_string(maxKernelWidth) + " are");
    return std::make_unique<CpuStatePool>(layout);
}

void CpuDevice::copyState(StatePool& pool, int fromSlot, int toSlot)
{
    const auto& states = static_cast<const CpuStatePool&>(pool);
    assert(fromSlot != toSlot);
    m_pool.forEach(states.layout().layers, 1, [&](int layer, int) {
        std::memcpy(states.piece(layer, toSlot), states.piece(layer, fromSlot), states.pieceBytes());
    });
}

/// What one task of gatedDelta does: one key head of one sequence with some of the value heads that it serves.
struct CpuDevice::DeltaHeads {
    const CpuPath& path;
    const GatedDeltaInput& input;
    const GatedDeltaWeights& weights;
    const Tensor& out;
    const CpuStatePool& pool;
    const StateLayout& layout;
    const BatchSequence& sequence;
    float* piece; ///< the sequence's memory
    const float* taps; ///< [kernelWidth, channels]
    const DeltaScratch& scratch;

    void run(int keyHead, int firstSharer, int endSharer) const
    {
        const int64_t stride = paddedHead(layout.keyDim);
        for (int first = 0; first < sequence.rows; first += DeltaTask::maxTokens) {
            const int rows = std::min(DeltaTask::maxTokens, sequence.rows - first);
            convolve(first, rows, keyHead * layout.keyDim, layout.keyDim, scratch.queries, stride);
            convolve(first, rows, layout.keyChannels() + keyHead * layout.keyDim, layout.keyDim, scratch.keys, stride);
            for (int row = 0; row < rows; ++row) {
                makeUnit(scratch.queries + row * stride, 1 / std::sqrt(float(layout.keyDim)));
                makeUnit(scratch.keys + row * stride, 1);
            }
            if (sequence.rows == 1 && keyHead + 1 < layout.keyHeads)
                askForInputs(keyHead + 1, firstSharer);
            for (int sharer = firstSharer; sharer < endSharer; ++sharer)
                runValueHead(valueHead(keyHead, sharer), first, rows);
        }
    }

    /// Keeps the sequence's last inputs for its next step. When all heads have read the ones before.
    void saveInputs() const
    {
        for (int row = std::max(0, sequence.rows - layout.kernelWidth + 1); row < sequence.rows; ++row)
            std::memcpy(pool.input(piece, sequence.firstPosition + row), mixed(row),
                        size_t(layout.channels()) * sizeof(float));
    }

private:
    int valueHead(int keyHead, int sharer) const
    {
        const int shared = layout.valueHeads / layout.keyHeads;
        return weights.keyHeadOrder == KeyHeadOrder::Grouped ? keyHead * shared + sharer
                                                             : sharer * layout.keyHeads + keyHead;
    }

    /// A head's kept inputs lie in pieces too short for the processor to foresee: they are asked for while the head
    /// before is at work, for a single row.
    void askForInputs(int keyHead, int sharer) const
    {
        const int keyDim = layout.keyDim, valueDim = layout.valueDim;
        const auto ask = [](const float* channels, int count) {
            for (int i = 0; i < count; i += 16)
                __builtin_prefetch(channels + i);
        };
        const int end = sequence.firstPosition;
        for (int position = std::max(0, end - layout.kernelWidth + 1); position < end; ++position) {
            const float* inputs = pool.input(piece, position);
            ask(inputs + keyHead * keyDim, keyDim);
            ask(inputs + layout.keyChannels() + keyHead * keyDim, keyDim);
            ask(inputs + 2 * layout.keyChannels() + valueHead(keyHead, sharer) * valueDim, valueDim);
        }
    }

    const float* mixed(int row) const
    {
        return floats(input.mixed) + (sequence.firstRow + row) * rowStride(input.mixed);
    }

    void convolve(int first, int rows, int channel, int channels, float* result, int64_t stride) const
    {
        const int width = layout.kernelWidth;
        std::array<const float*, DeltaTask::maxTokens + maxKernelWidth - 1> inputs;
        for (int i = 0; i < rows + width - 1; ++i) {
            const int row = first + i - (width - 1);
            const int position = sequence.firstPosition + row;
            inputs[size_t(i)] = row >= 0 ? mixed(row) + channel
                : position >= 0          ? pool.input(piece, position) + channel
                                         : scratch.zeros;
        }
        path.convolve({inputs.data(), taps + channel, layout.channels(), result, stride, rows, width, channels});
    }

    void makeUnit(float* x, float length) const
    {
        const float factor = length / std::sqrt(path.dot(x, x, layout.keyDim) + 1e-6f);
        for (int i = 0; i < layout.keyDim; ++i)
            x[i] *= factor;
    }

    void runValueHead(int head, int first, int rows) const
    {
        const int64_t keyStride = paddedHead(layout.keyDim), valueStride = paddedHead(layout.valueDim);
        convolve(first, rows, 2 * layout.keyChannels() + head * layout.valueDim, layout.valueDim, scratch.values,
                 valueStride);
        float* state = pool.state(piece, head);
        if (sequence.firstPosition + first == 0) {
            std::memset(state, 0, CpuStatePool::stateFloats(layout) * sizeof(float));
            pool.scale(piece, head) = 1;
        }
        prepareSteps(head, first, rows);
        path.delta({state, layout.keyDim, layout.valueDim, rows, scratch.queries, scratch.keys, keyStride,
                    scratch.values, scratch.outs, valueStride, scratch.steps});
        const float* gates =
            floats(input.gate) + (sequence.firstRow + first) * rowStride(input.gate) + head * layout.valueDim;
        float* results = floats(out) + (sequence.firstRow + first) * rowStride(out) + head * layout.valueDim;
        for (int row = 0; row < rows; ++row) {
            if (row + rowsAhead < rows)
                for (int i = 0; i < layout.valueDim; i += 16)
                    __builtin_prefetch(gates + (row + rowsAhead) * rowStride(input.gate) + i);
            float* o = scratch.outs + row * valueStride;
            path.normalize(o, o, cpu(*weights.norm).floats(), layout.valueDim, weights.epsilon);
            path.gate(Activation::Silu, results + row * rowStride(out), gates + row * rowStride(input.gate), o,
                      layout.valueDim);
        }
    }

    /// β and g of each token, the decay gathered in the state's scale.
    void prepareSteps(int head, int first, int rows) const
    {
        const int64_t keyStride = paddedHead(layout.keyDim);
        const float rate = cpu(*weights.decayRate).floats()[head];
        const float bias = cpu(*weights.decayBias).floats()[head];
        float& scale = pool.scale(piece, head);
        for (int row = 0; row < rows; ++row) {
            const int64_t token = sequence.firstRow + first + row;
            const float a = floats(input.decay)[token * rowStride(input.decay) + head];
            const float b = floats(input.beta)[token * rowStride(input.beta) + head];
            scale *= std::exp(rate * softplus(a + bias));
            DeltaStep& step = scratch.steps[row];
            step.rescale = 1;
            if (!(scale >= smallestScale))
                step.rescale = std::exchange(scale, 1.0f);
            step.scale = scale;
            step.inverse = 1 / scale;
            step.beta = sigmoid(b);
            step.keyQuery = path.dot(scratch.keys + row * keyStride, scratch.queries + row * keyStride, layout.keyDim);
        }
    }
};

void CpuDevice::gatedDelta(const Tensor& out, const GatedDeltaInput& input, const GatedDeltaWeights& weights,
                           StatePool& pool, int layer, const Batch& batch)
{
    const auto& states = static_cast<const CpuStatePool&>(pool);
    const StateLayout& layout = states.layout();
    const std::vector<BatchSequence>& sequences = cpu(batch).sequences();
    assert(out.rows() == batch.rows() && out.columns() == layout.valueChannels());
    assert(input.mixed.rows() == batch.rows() && input.mixed.columns() == layout.channels());
    assert(input.gate.rows() == batch.rows() && input.gate.columns() == layout.valueChannels());
    assert(input.beta.rows() == batch.rows() && input.beta.columns() == layout.valueHeads);
    assert(input.decay.rows() == batch.rows() && input.decay.columns() == layout.valueHeads);
    assert(layout.keyDim <= m_limits.state.keyDim && layout.valueDim <= m_limits.state.valueDim);
    assert(layout.kernelWidth <= m_limits.state.kernelWidth);

    // A channel's taps lie together; the convolution takes many channels at a time.
    const float* taps = cpu(*weights.convolution).floats();
    m_pool.forEach(layout.channels(), 2048, [&](int channel, int) {
        for (int tap = 0; tap < layout.kernelWidth; ++tap)
            m_taps[tap * layout.channels() + channel] = taps[channel * layout.kernelWidth + tap];
    });

    const auto headsOf = [&](const BatchSequence& sequence, int worker) {
        return DeltaHeads{m_path,   input,
                          weights,  out,
                          states,   layout,
                          sequence, states.piece(layer, sequence.slot),
                          m_taps,   m_scratch[size_t(worker)].delta};
    };
    // Value heads of one key head share its convolution, unless there are too few tasks to go round.
    const int shared = layout.valueHeads / layout.keyHeads;
    const int64_t keyTasks = int64_t(sequences.size()) * layout.keyHeads;
    const int parts = keyTasks >= 4 * m_pool.size() ? 1 : shared;
    // Neighbouring tasks to one worker: the states of heads lie side by side and are read ahead.
    m_pool.forPieces(keyTasks * parts, 1, largestPiece, [&](int64_t first, int64_t end, int worker) {
        for (int64_t task = first; task < end; ++task) {
            const int part = int(task % parts);
            const int keyTask = int(task / parts);
            const BatchSequence& sequence = sequences[size_t(keyTask / layout.keyHeads)];
            headsOf(sequence, worker)
                .run(keyTask % layout.keyHeads, part * shared / parts, (part + 1) * shared / parts);
        }
    });
    m_pool.forEach(int64_t(sequences.size()), 4,
                   [&](int index, int worker) { headsOf(sequences[size_t(index)], worker).saveInputs(); });
}

} // namespace cortex::kernels
