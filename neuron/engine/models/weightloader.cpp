// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/models/weightloader.h"

#include "neuron/engine/error.h"

#include <algorithm>
#include <cctype>

namespace cortex::engine {

using kernels::WeightPtr;
using kernels::WeightUse;

namespace {

std::string shapeText(const std::vector<int64_t>& shape)
{
    std::string text = "[";
    for (int64_t extent : shape)
        text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
    return text + "]";
}

} // namespace

std::string WeightAccount::mainType() const
{
    const auto largest = std::max_element(bytesByType.begin(), bytesByType.end(),
                                          [](const auto& a, const auto& b) { return a.second < b.second; });
    std::string name = largest == bytesByType.end() ? std::string() : largest->first;
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return char(std::toupper(c)); });
    return name;
}

WeightLoader::WeightLoader(const Checkpoint& checkpoint, const kernels::Device* device)
    : m_checkpoint(checkpoint)
    , m_planningDevice(device)
{
}

WeightLoader::WeightLoader(const Checkpoint& checkpoint, kernels::Device& device, std::function<void(size_t)> progress)
    : m_checkpoint(checkpoint)
    , m_planningDevice(&device)
    , m_device(&device)
    , m_progress(std::move(progress))
{
}

WeightPtr WeightLoader::matrix(const TensorName& name, int layer, int64_t rows, int64_t columns, WeightUse use)
{
    return load(name, layer, rows, columns, use);
}

WeightPtr WeightLoader::vector(const TensorName& name, int layer, int64_t columns)
{
    return load(name, layer, 1, columns, WeightUse::Vector);
}

WeightPtr WeightLoader::optionalVector(const TensorName& name, int layer, int64_t columns)
{
    return has(name, layer) ? vector(name, layer, columns) : nullptr;
}

WeightPtr WeightLoader::load(const TensorName& name, int layer, int64_t rows, int64_t columns, WeightUse use)
{
    const std::optional<CheckpointTensor> tensor = m_checkpoint.find(name, layer);
    const std::string what = m_checkpoint.path().string() + ": tensor \"" + m_checkpoint.spell(name, layer) + "\"";
    if (!tensor)
        throw Error(ErrorKind::BadFile, what + " is missing");
    const std::vector<int64_t> expected =
        use == WeightUse::Vector ? std::vector<int64_t>{columns} : std::vector<int64_t>{rows, columns};
    if (tensor->shape != expected)
        throw Error(ErrorKind::BadFile,
                    what + " has the shape " + shapeText(tensor->shape) + ", the configuration wants "
                        + shapeText(expected));
    if (!tensor->type)
        throw Error(ErrorKind::Unsupported,
                    what + " is of " + tensor->typeName
                        + ", which is not supported; choose a file in another quantization");
    return place(m_checkpoint.weight(*tensor), use, what);
}

WeightPtr WeightLoader::computed(std::vector<float> values)
{
    const auto owner = std::make_shared<const std::vector<float>>(std::move(values));
    return pack({kernels::Type::F32, 1, int64_t(owner->size()), owner->data(), owner}, WeightUse::Vector,
                "rotary frequencies");
}

WeightPtr WeightLoader::place(const kernels::WeightSource& source, WeightUse use, const std::string& what)
{
    const size_t fileBytes = size_t(source.rows) * kernels::rowBytes(source.type, source.columns);
    m_account.fileBytes += fileBytes;
    m_account.bytesPerToken += use == WeightUse::Embedding ? kernels::rowBytes(source.type, source.columns) : fileBytes;
    m_account.parameters += source.rows * source.columns;
    if (use != WeightUse::Vector)
        m_account.bytesByType[std::string(kernels::traits(source.type).name)] += fileBytes;
    WeightPtr weight = pack(source, use, what);
    if (m_progress)
        m_progress(m_account.fileBytes);
    return weight;
}

WeightPtr WeightLoader::pack(const kernels::WeightSource& source, WeightUse use, const std::string& what)
{
    if (m_planningDevice) {
        const size_t resident = m_planningDevice->weightBytes(source.type, source.rows, source.columns, use);
        m_account.residentBytes += resident;
        if (resident == 0)
            m_account.mappedBytes += size_t(source.rows) * kernels::rowBytes(source.type, source.columns);
    }
    if (!m_device)
        return nullptr;
    try {
        return m_device->loadWeight(source, use);
    } catch (const kernels::OutOfMemory& failure) {
        throw Error(ErrorKind::OutOfMemory,
                    what + " does not fit: " + std::to_string(failure.neededBytes >> 20) + " MiB needed, "
                        + std::to_string(failure.freeBytes >> 20) + " MiB free");
    }
}

} // namespace cortex::engine
