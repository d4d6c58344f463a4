// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/cpu/cpudevice.h"

#include "kernels/cpu/processor.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <stdexcept>
#include <string>

namespace cortex::kernels {

namespace {

/// Bytes of one piece of scratch memory, so that no two pieces share a cache line.
size_t piece(size_t bytes)
{
    return (bytes + 127) / 128 * 128;
}

/// Deals out memory, or only counts it where there is none.
struct Pieces {
    std::byte* memory;
    size_t used = 0;

    template <class T>
    void take(T*& pointer, int64_t count)
    {
        pointer = memory ? reinterpret_cast<T*>(memory + used) : nullptr;
        used += piece(size_t(count) * sizeof(T));
    }
};

[[maybe_unused]] bool isContiguous(const Tensor& tensor)
{
    int64_t stride = 1;
    for (int d = tensor.rank - 1; d >= 0; --d) {
        if (tensor.shape[size_t(d)] != 1 && tensor.strides[size_t(d)] != stride)
            return false;
        stride *= tensor.shape[size_t(d)];
    }
    return true;
}

std::byte* bytesOf(const Tensor& tensor)
{
    return static_cast<const CpuBuffer*>(tensor.buffer)->data() + tensor.offset;
}

} // namespace

CpuDevice::CpuDevice(int threads, const CpuPath& path)
    : m_path(path)
    , m_pool(threads)
    , m_spanTasks(threads > 1 ? size_t(4 * threads) : 0)
    , m_scratch(size_t(threads))
{
    for (int i = 0; i <= int(Type::F8_E4M3); ++i)
        if (path.product(Type(i), 0))
            m_formats.add(path.format(Type(i)));
    m_info.name = processorName();
    m_info.kind = "cpu";
    m_info.instructions = path.name;
    m_info.threads = threads;
    m_info.totalBytes = totalHostBytes();
    m_info.hostMemory = true;
}

std::unique_ptr<Buffer> CpuDevice::allocate(size_t bytes)
{
    return std::make_unique<CpuBuffer>(bytes);
}

size_t CpuDevice::weightBytes(Type type, int64_t rows, int64_t columns, WeightUse use) const
{
    return CpuWeight::bytesFor(type, rows, columns, use, m_path.tileRows);
}

WeightPtr CpuDevice::loadWeight(const WeightSource& source, WeightUse use)
{
    return std::make_unique<CpuWeight>(source, use, m_path.tileRows, m_arena, m_pool);
}

size_t CpuDevice::kvPoolBytes(const KvLayout& layout) const
{
    return CpuKvPool::bytesFor(layout);
}

std::unique_ptr<KvPool> CpuDevice::createKvPool(const KvLayout& layout)
{
    if (layout.type != Type::F32 && layout.blockTokens % KvTile::positions != 0)
        throw std::invalid_argument("a 16-bit cache in blocks of " + std::to_string(layout.blockTokens)
                                    + " positions is not supported: multiples of " + std::to_string(KvTile::positions)
                                    + " are");
    return std::make_unique<CpuKvPool>(layout);
}

std::unique_ptr<Batch> CpuDevice::createBatch(const BatchLimits& limits)
{
    return std::make_unique<CpuBatch>(limits);
}

/// Partial results of attention that workers may share: one row of the longest sequence.
int64_t CpuDevice::attentionPartials(const WorkspaceLimits& limits)
{
    return limits.heads * ((int64_t(limits.contextTokens) + AttentionTask::span - 1) / AttentionTask::span);
}

/// Fills in the pointers to `memory`; returns the bytes that they need, also of null.
size_t CpuDevice::arrangeWorkspace(const WorkspaceLimits& limits, std::byte* memory, Activations& activations,
                                   ExpertScratch& experts, float*& partials, float*& taps,
                                   std::vector<Scratch>& workers) const
{
    Pieces pieces{memory};
    const auto takeActivations = [&](Activations& taken, int64_t rows) {
        for (ActivationFormat format : activationFormats) {
            const int64_t units = (limits.columns + unitColumns(format) - 1) / unitColumns(format);
            if (m_formats.has(format))
                pieces.take(taken.units[size_t(format)], rows * units * int64_t(unitBytes(format)));
        }
    };
    takeActivations(activations, limits.rows);
    if (limits.experts > 0) {
        const int64_t pairs = int64_t(limits.rows) * limits.expertsPerRow;
        // Float32 takes the place of what is quantized, or any two formats of that.
        pieces.take(experts.units, pairs * limits.columns * int64_t(sizeof(float)));
        pieces.take(experts.pairs, pairs);
        pieces.take(experts.places, pairs);
        pieces.take(experts.begins, limits.experts + 1);
    }
    pieces.take(partials, attentionPartials(limits) * attentionPartial(limits.headDim));
    if (limits.state.layers > 0)
        pieces.take(taps, int64_t(limits.state.kernelWidth) * limits.state.channels());
    for (Scratch& scratch : workers) {
        takeActivations(scratch.single, 1);
        pieces.take(scratch.row, limits.columns);
        pieces.take(scratch.attention, attentionScratch(limits.headDim));
        pieces.take(scratch.shares, limits.experts);
        if (limits.state.layers == 0)
            continue;
        const int64_t keys = paddedHead(limits.state.keyDim), values = paddedHead(limits.state.valueDim);
        DeltaScratch& delta = scratch.delta;
        pieces.take(delta.queries, DeltaTask::maxTokens * keys);
        pieces.take(delta.keys, DeltaTask::maxTokens * keys);
        pieces.take(delta.values, DeltaTask::maxTokens * values);
        pieces.take(delta.outs, DeltaTask::maxTokens * values);
        pieces.take(delta.steps, DeltaTask::maxTokens);
        pieces.take(delta.zeros, std::max(keys, values));
    }
    return pieces.used;
}

size_t CpuDevice::workspaceBytes(const WorkspaceLimits& limits) const
{
    Activations activations;
    ExpertScratch experts;
    float *partials = nullptr, *taps = nullptr;
    std::vector<Scratch> workers(m_scratch.size());
    return arrangeWorkspace(limits, nullptr, activations, experts, partials, taps, workers);
}

void CpuDevice::reserveWorkspace(const WorkspaceLimits& limits)
{
    m_workspace = HostMemory(workspaceBytes(limits));
    m_limits = limits;
    arrangeWorkspace(limits, m_workspace.data(), m_activations, m_experts, m_attentionPartials, m_taps, m_scratch);
}

void CpuDevice::upload(const Tensor& destination, const void* source)
{
    assert(isContiguous(destination));
    std::memcpy(bytesOf(destination), source, rowBytes(destination.type, destination.elements()));
}

void CpuDevice::download(void* destination, const Tensor& source)
{
    assert(isContiguous(source));
    std::memcpy(destination, bytesOf(source), rowBytes(source.type, source.elements()));
}

void* CpuDevice::hostData(const Tensor& tensor)
{
    assert(isContiguous(tensor));
    return bytesOf(tensor);
}

OutOfMemory::OutOfMemory(size_t needed, size_t free)
    : std::runtime_error("not enough memory: " + std::to_string(needed >> 20) + " MiB needed, "
                         + std::to_string(free >> 20) + " MiB free")
    , neededBytes(needed)
    , freeBytes(free)
{
}

std::unique_ptr<Device> createCpuDevice(int threads, const std::string& instructions)
{
    const std::string& name = instructions.empty() ? cpuInstructionPaths().front() : instructions;
    const CpuPath* path = findCpuPath(name);
    if (!path)
        throw std::invalid_argument("this processor cannot run the instruction path '" + name + "'");
    return std::make_unique<CpuDevice>(threads > 0 ? threads : physicalCores(), *path);
}

} // namespace cortex::kernels
