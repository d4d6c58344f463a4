// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/cpu/cpudevice.h"

#include "kernels/cpu/processor.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace cortex::kernels {

namespace {

/// Bytes of one piece of scratch memory, so that no two pieces share a cache line.
size_t piece(size_t bytes)
{
    return (bytes + 127) / 128 * 128;
}

/// The pieces of the workspace for products over `columns`, for one row.
struct WorkspacePieces {
    size_t quantizedRow;
    size_t denseRow;
    size_t attention;

    explicit WorkspacePieces(const WorkspaceLimits& limits)
        : quantizedRow(size_t((limits.columns + 31) / 32) * sizeof(ActivationBlock))
        , denseRow(size_t(limits.columns) * sizeof(float))
        , attention(piece(size_t(attentionScratch(limits.headDim)) * sizeof(float)))
    {
    }

    size_t perWorker() const { return 2 * piece(denseRow) + piece(quantizedRow) + attention; }
    size_t shared(int rows) const { return piece(size_t(rows) * quantizedRow) + piece(size_t(rows) * denseRow); }
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
    , m_scratch(size_t(threads))
{
    m_info.name = processorName();
    m_info.kind = "cpu";
    m_info.instructions = path.name;
    m_info.threads = threads;
    m_info.totalBytes = totalHostBytes();
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
    return std::make_unique<CpuWeight>(source, use, m_path.tileRows, m_pool);
}

size_t CpuDevice::kvPoolBytes(const KvLayout& layout) const
{
    return CpuKvPool::bytesFor(layout);
}

std::unique_ptr<KvPool> CpuDevice::createKvPool(const KvLayout& layout)
{
    return std::make_unique<CpuKvPool>(layout);
}

std::unique_ptr<Batch> CpuDevice::createBatch(const BatchLimits& limits)
{
    return std::make_unique<CpuBatch>(limits);
}

size_t CpuDevice::workspaceBytes(const WorkspaceLimits& limits) const
{
    const WorkspacePieces pieces(limits);
    return pieces.shared(limits.rows) + m_scratch.size() * pieces.perWorker();
}

void CpuDevice::reserveWorkspace(const WorkspaceLimits& limits)
{
    const WorkspacePieces pieces(limits);
    m_workspace = HostMemory(workspaceBytes(limits));
    m_limits = limits;
    std::byte* next = m_workspace.data();
    const auto take = [&next](size_t bytes) {
        std::byte* taken = next;
        next += piece(bytes);
        return taken;
    };
    const auto takeActivations = [&](int rows) {
        Activations activations;
        activations.quantized = reinterpret_cast<ActivationBlock*>(take(size_t(rows) * pieces.quantizedRow));
        activations.dense = reinterpret_cast<float*>(take(size_t(rows) * pieces.denseRow));
        return activations;
    };
    m_activations = takeActivations(limits.rows);
    for (Scratch& scratch : m_scratch) {
        scratch.single = takeActivations(1);
        scratch.row = reinterpret_cast<float*>(take(pieces.denseRow));
        scratch.attention = reinterpret_cast<float*>(take(pieces.attention));
    }
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
