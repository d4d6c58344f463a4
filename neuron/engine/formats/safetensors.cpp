// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/formats/safetensors.h"

#include "neuron/engine/error.h"
#include "neuron/engine/formats/jsonfile.h"
#include "neuron/engine/formats/quotedname.h"

#include <algorithm>
#include <cstring>
#include <set>

namespace cortex::engine {

namespace {

/// More than any model's tensors have; it bounds what a file can have us keep and print.
constexpr size_t maxDimensions = 8;
/// The format's own limit on its header.
constexpr uint64_t maxHeaderBytes = 100'000'000;
constexpr size_t lengthBytes = 8;
constexpr const char* fetchAgain = "; the file is damaged or incomplete, fetch it again";

struct Dtype {
    std::string_view name;
    size_t bytes;
    std::optional<kernels::Type> type;
};

constexpr Dtype dtypes[]{
    {"F32", 4, kernels::Type::F32}, {"F16", 2, kernels::Type::F16}, {"BF16", 2, kernels::Type::BF16},
    {"I32", 4, kernels::Type::I32}, {"F64", 8, std::nullopt},       {"I64", 8, std::nullopt},
    {"U64", 8, std::nullopt},       {"U32", 4, std::nullopt},       {"I16", 2, std::nullopt},
    {"U16", 2, std::nullopt},       {"I8", 1, std::nullopt},        {"U8", 1, std::nullopt},
    {"BOOL", 1, std::nullopt},      {"F8_E4M3", 1, kernels::Type::F8_E4M3},   {"F8_E5M2", 1, std::nullopt},
    {"F8_E8M0", 1, std::nullopt},
};

std::vector<int64_t> readShape(const JsonView& value)
{
    const JsonElements extents = value.elements();
    if (extents.size() > maxDimensions)
        value.fail("has " + std::to_string(extents.size()) + " dimensions, and " + std::to_string(maxDimensions)
                   + " are the most that is supported");
    std::vector<int64_t> shape;
    for (const JsonView& extent : extents) {
        shape.push_back(extent.integer());
        if (shape.back() < 0)
            extent.fail("is negative");
    }
    return shape;
}

/// Elements of a shape times the bytes of each, or nothing where that exceeds 63 bits.
std::optional<size_t> byteCount(const std::vector<int64_t>& shape, size_t elementBytes)
{
    auto bytes = int64_t(elementBytes);
    for (const int64_t extent : shape)
        if (__builtin_mul_overflow(bytes, extent, &bytes))
            return std::nullopt;
    return size_t(bytes);
}

/// One entry of a header; `dataStart` and `dataBytes` tell where in the file its offsets count.
SafeTensor readTensor(const std::string& name, const JsonView& entry, size_t dataStart, size_t dataBytes)
{
    SafeTensor tensor{
        .name = name, .dtype = entry.require("dtype").string(), .type = {}, .shape = readShape(entry.require("shape"))};
    const JsonView range = entry.require("data_offsets");
    const auto offsets = range.elements();
    if (offsets.size() != 2)
        range.fail("is not a pair");
    const int64_t begin = offsets[0].integer();
    const int64_t end = offsets[1].integer();
    if (begin < 0 || end < begin || uint64_t(end) > dataBytes)
        range.fail("[" + std::to_string(begin) + ", " + std::to_string(end) + "] is not within the "
                   + std::to_string(dataBytes) + " bytes of data" + fetchAgain);
    tensor.offset = dataStart + size_t(begin);
    tensor.bytes = size_t(end - begin);

    const auto* dtype = std::ranges::find(dtypes, tensor.dtype, &Dtype::name);
    if (dtype == std::end(dtypes))
        return tensor;
    tensor.type = dtype->type;
    if (byteCount(tensor.shape, dtype->bytes) != tensor.bytes)
        entry.fail("takes " + std::to_string(tensor.bytes) + " bytes, which is not what its shape and type need"
                   + fetchAgain);
    return tensor;
}

void checkOverlap(const MappedFile& file, const std::vector<SafeTensor>& tensors)
{
    std::vector<const SafeTensor*> byOffset;
    for (const SafeTensor& tensor : tensors)
        if (tensor.bytes > 0)
            byOffset.push_back(&tensor);
    std::ranges::sort(byOffset, {}, &SafeTensor::offset);
    for (size_t i = 1; i < byOffset.size(); ++i)
        if (byOffset[i]->offset < byOffset[i - 1]->offset + byOffset[i - 1]->bytes)
            throw Error(ErrorKind::BadFile,
                        file.path().string() + ": tensors " + quotedName(byOffset[i - 1]->name) + " and "
                            + quotedName(byOffset[i]->name) + " overlap at byte " + std::to_string(byOffset[i]->offset)
                            + fetchAgain);
}

std::vector<SafeTensor> readHeader(const MappedFile& file)
{
    const auto bytes = file.bytes();
    const auto fail = [&](const std::string& cause) {
        throw Error(ErrorKind::BadFile, file.path().string() + ": header at byte 0: " + cause + fetchAgain);
    };
    if (bytes.size() < lengthBytes)
        fail("the file is too short for safetensors");
    uint64_t length = 0;
    std::memcpy(&length, bytes.data(), lengthBytes);
    if (length > maxHeaderBytes || length > bytes.size() - lengthBytes)
        fail("a header of " + std::to_string(length) + " bytes does not fit into the file");

    const size_t dataStart = lengthBytes + size_t(length);
    const nlohmann::json header = parseJson(bytes.subspan(lengthBytes, size_t(length)), file.path(), lengthBytes);
    if (!header.is_object())
        fail("it is not a JSON object");
    std::vector<SafeTensor> tensors;
    for (const auto& [name, entry] : header.items())
        if (name != "__metadata__")
            tensors.push_back(
                readTensor(name, JsonView(entry, file.path(), name), dataStart, bytes.size() - dataStart));
    checkOverlap(file, tensors);
    return tensors;
}

} // namespace

SafetensorsFiles::SafetensorsFiles(const std::filesystem::path& directory)
{
    const auto single = directory / "model.safetensors";
    const auto index = directory / "model.safetensors.index.json";
    if (std::filesystem::exists(single))
        addFile(MappedFile::open(single));
    else if (std::filesystem::exists(index))
        addShards(index);
    else
        throw Error(ErrorKind::NotFound,
                    directory.string() + ": has neither model.safetensors nor model.safetensors.index.json");
}

SafetensorsFiles::SafetensorsFiles(std::shared_ptr<const MappedFile> file)
{
    addFile(std::move(file));
}

void SafetensorsFiles::addFile(std::shared_ptr<const MappedFile> file)
{
    m_files.push_back(std::move(file));
    for (SafeTensor& tensor : readHeader(*m_files.back())) {
        tensor.file = m_files.size() - 1;
        if (!m_index.emplace(tensor.name, m_tensors.size()).second)
            throw Error(ErrorKind::BadFile,
                        m_files.back()->path().string() + ": tensor " + quotedName(tensor.name)
                            + " is in another file, too; fetch the model again");
        m_tensors.push_back(std::move(tensor));
    }
}

void SafetensorsFiles::addShards(const std::filesystem::path& index)
{
    const nlohmann::json json = parseJson(MappedFile::open(index)->bytes(), index);
    const JsonView weightMap = JsonView(json, index).require("weight_map");
    if (!weightMap.isObject())
        weightMap.fail("is not an object");
    std::map<std::string, size_t> shards;
    for (const auto& [tensor, shard] : weightMap.raw().items()) {
        const JsonView value(shard, index, tensor);
        const std::string& name = value.string();
        if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos
            || name.find('\0') != std::string::npos)
            value.fail("names the file " + quotedName(name) + ", which is not a name within the model's folder");
        if (shards.emplace(name, m_files.size()).second)
            addFile(MappedFile::open(index.parent_path() / name));
        const SafeTensor* found = findTensor(tensor);
        if (!found || found->file != shards.at(name))
            value.fail("is not in " + quotedName(name) + ", where the index puts it; fetch the model again");
    }
}

const SafeTensor* SafetensorsFiles::findTensor(std::string_view name) const
{
    const auto found = m_index.find(name);
    return found == m_index.end() ? nullptr : &m_tensors[found->second];
}

void SafetensorsFiles::requireWhole() const
{
    for (const auto& file : m_files)
        file->requireWhole();
}

kernels::WeightSource SafetensorsFiles::weight(const SafeTensor& tensor) const
{
    const auto& file = m_files[tensor.file];
    const auto refuse = [&](const std::string& cause) {
        throw Error(ErrorKind::Unsupported, file->path().string() + ": tensor " + quotedName(tensor.name) + cause);
    };
    if (!tensor.type)
        refuse(" has the type " + quotedName(tensor.dtype) + ", which is not supported");
    if (tensor.bytes == 0)
        refuse(" is empty");
    kernels::WeightSource source;
    source.type = *tensor.type;
    source.columns = tensor.shape.empty() ? 1 : tensor.shape.back();
    source.rows = 1;
    for (size_t d = 0; d + 1 < tensor.shape.size(); ++d)
        source.rows *= tensor.shape[d];

    const std::byte* data = file->bytes().data() + tensor.offset;
    const auto elementBytes = size_t(kernels::traits(source.type).blockBytes);
    if (reinterpret_cast<uintptr_t>(data) % elementBytes == 0) {
        source.data = data;
        source.owner = file;
    } else {
        auto copy = std::make_shared<std::vector<std::byte>>(data, data + tensor.bytes);
        source.data = copy->data();
        source.owner = std::move(copy);
    }
    return source;
}

} // namespace cortex::engine
