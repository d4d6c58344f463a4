// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/formats/gguf.h"

#include "neuron/engine/error.h"
#include "neuron/engine/formats/ggmltype.h"
#include "neuron/engine/formats/ggufparser.h"
#include "neuron/engine/formats/quotedname.h"

#include <cstdio>

namespace cortex::engine {

namespace {

/// "-00002-of-00005.gguf"
std::string partSuffix(int64_t part, int64_t parts)
{
    char text[64];
    std::snprintf(text, sizeof text, "-%05lld-of-%05lld.gguf", static_cast<long long>(part),
                  static_cast<long long>(parts));
    return text;
}

[[noreturn]] void fail(const GgufFile& file, ErrorKind kind, const std::string& cause)
{
    throw Error(kind, file.path().string() + ": " + cause);
}

template <typename T>
const T* valueOf(const GgufFile& file, std::string_view key)
{
    const GgufValue* value = file.find(key);
    return value ? std::get_if<T>(value) : nullptr;
}

[[noreturn]] void failRequired(const GgufFile& file, std::string_view key, const char* type)
{
    const char* cause = file.find(key) ? " is not " : " is missing; it must be ";
    fail(file, ErrorKind::BadFile,
         "key " + quotedName(key) + cause + type + "; convert the model again or fetch another file");
}

} // namespace

GgufFile::GgufFile(const std::filesystem::path& path)
    : GgufFile(MappedFile::open(path))
{
}

GgufFile::GgufFile(std::shared_ptr<const MappedFile> file)
{
    m_files.push_back(std::move(file));
    GgufHeader header = parseGguf(*m_files.front());
    m_metadata = std::move(header.metadata);
    m_entries = std::move(header.entries);
    addTensors(std::move(header.tensors));
    if (integer("split.count").value_or(1) > 1)
        addParts();
}

/// Opens the other parts of a split model.
void GgufFile::addParts()
{
    const int64_t parts = *integer("split.count");
    const std::string name = path().filename().string();
    const std::string suffix = partSuffix(1, parts);
    if (integer("split.no").value_or(0) != 0 || !name.ends_with(suffix))
        fail(*this, ErrorKind::BadFile,
             "a part of a model of " + std::to_string(parts) + " files; open its first part, whose name ends in "
                 + suffix);
    const std::string stem = name.substr(0, name.size() - suffix.size());
    for (int64_t part = 2; part <= parts; ++part) {
        m_files.push_back(MappedFile::open(path().parent_path() / (stem + partSuffix(part, parts))));
        addTensors(parseGguf(*m_files.back()).tensors);
    }
}

/// Takes over the tensors of the last file.
void GgufFile::addTensors(std::vector<GgufTensor> tensors)
{
    for (GgufTensor& tensor : tensors) {
        tensor.file = m_files.size() - 1;
        if (!m_tensorIndex.emplace(tensor.name, m_tensors.size()).second)
            fail(*this, ErrorKind::BadFile,
                 "tensor " + quotedName(tensor.name) + " occurs in two parts; fetch the model again");
        m_tensors.push_back(std::move(tensor));
    }
}

const GgufTensor* GgufFile::findTensor(std::string_view name) const
{
    const auto found = m_tensorIndex.find(name);
    return found == m_tensorIndex.end() ? nullptr : &m_tensors[found->second];
}

const GgufValue* GgufFile::find(std::string_view key) const
{
    const auto found = m_metadata.find(key);
    return found == m_metadata.end() ? nullptr : &found->second;
}

std::span<const std::byte> GgufFile::encoded(const GgufEntry& entry) const
{
    return m_files.front()->bytes().subspan(entry.offset, entry.bytes);
}

bool GgufFile::isAt(const std::filesystem::path& path) const
{
    std::error_code absent; // a path that is not there is nobody's
    for (const auto& file : m_files)
        if (std::filesystem::equivalent(file->path(), path, absent))
            return true;
    return false;
}

std::optional<int64_t> GgufFile::integer(std::string_view key) const
{
    const auto* value = valueOf<int64_t>(*this, key);
    return value ? std::optional(*value) : std::nullopt;
}

std::optional<double> GgufFile::number(std::string_view key) const
{
    if (const auto* value = valueOf<double>(*this, key))
        return *value;
    const auto value = integer(key);
    return value ? std::optional(double(*value)) : std::nullopt;
}

std::optional<bool> GgufFile::boolean(std::string_view key) const
{
    const auto* value = valueOf<bool>(*this, key);
    return value ? std::optional(*value) : std::nullopt;
}

const std::string* GgufFile::string(std::string_view key) const
{
    return valueOf<std::string>(*this, key);
}

const std::vector<std::string_view>* GgufFile::strings(std::string_view key) const
{
    return valueOf<std::vector<std::string_view>>(*this, key);
}

const std::vector<int64_t>* GgufFile::integers(std::string_view key) const
{
    return valueOf<std::vector<int64_t>>(*this, key);
}

int64_t GgufFile::requireInteger(std::string_view key) const
{
    if (const auto value = integer(key))
        return *value;
    failRequired(*this, key, "an integer");
}

double GgufFile::requireNumber(std::string_view key) const
{
    if (const auto value = number(key))
        return *value;
    failRequired(*this, key, "a number");
}

const std::string& GgufFile::requireString(std::string_view key) const
{
    if (const auto* value = string(key))
        return *value;
    failRequired(*this, key, "a string");
}

const std::vector<std::string_view>& GgufFile::requireStrings(std::string_view key) const
{
    if (const auto* value = strings(key))
        return *value;
    failRequired(*this, key, "an array of strings");
}

void GgufFile::requireWhole() const
{
    for (const auto& file : m_files)
        file->requireWhole();
}

kernels::WeightSource GgufFile::weight(const GgufTensor& tensor) const
{
    if (!tensor.type)
        fail(*this, ErrorKind::Unsupported,
             "tensor " + quotedName(tensor.name) + " is of " + ggmlTypeName(tensor.ggmlType)
                 + ", which is not supported; choose another quantization of this model, such as Q4_K_M or Q8_0");
    const auto& file = m_files[tensor.file];
    kernels::WeightSource source;
    source.type = *tensor.type;
    source.columns = tensor.shape.back();
    source.rows = 1;
    for (size_t d = 0; d + 1 < tensor.shape.size(); ++d)
        source.rows *= tensor.shape[d];
    source.data = file->bytes().data() + tensor.offset;
    source.owner = file;
    return source;
}

} // namespace cortex::engine
