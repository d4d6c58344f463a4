// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/formats/ggufwriter.h"

#include "neuron/engine/error.h"
#include "neuron/engine/formats/ggmltype.h"

#include <cassert>
#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

namespace cortex::engine {

namespace {

constexpr uint32_t version = 3;
// Types of metadata values.
constexpr uint32_t uint32Type = 4, int32Type = 5, float32Type = 6, boolType = 7, stringType = 8, arrayType = 9;
constexpr size_t preambleBytes = 4 + 4 + 8 + 8;

template <typename T>
void append(std::string& out, T value)
{
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void appendString(std::string& out, std::string_view text)
{
    append(out, uint64_t(text.size()));
    out += text;
}

template <typename T>
std::string encodedScalar(uint32_t type, T value)
{
    std::string encoded;
    append(encoded, type);
    append(encoded, value);
    return encoded;
}

/// The head of an array; its values follow.
std::string encodedArray(uint32_t type, size_t count)
{
    std::string encoded;
    append(encoded, arrayType);
    append(encoded, type);
    append(encoded, uint64_t(count));
    return encoded;
}

std::span<const std::byte> asBytes(const std::string& encoded)
{
    return std::as_bytes(std::span(encoded));
}

} // namespace

void checkWritable(const std::filesystem::path& path)
{
    std::error_code failure;
    const std::filesystem::file_status status = std::filesystem::status(path, failure);
    std::string cause;
    if (!path.has_filename() || std::filesystem::is_directory(status))
        cause = path.empty() ? "an empty name is no file to write" : "is a directory; give the file to write a name";
    else if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
        cause = "is there and no regular file, so it is not replaced; give another name";
    if (!cause.empty())
        throw Error(ErrorKind::BadRequest, path.string() + (path.empty() ? "" : ": ") + cause);
}

GgufWriter::GgufWriter(std::filesystem::path path, size_t alignment)
    : m_path(std::move(path))
    , m_alignment(alignment)
{
}

GgufWriter::~GgufWriter()
{
    if (m_file < 0)
        return;
    ::close(m_file);
    ::unlink(m_temporary.c_str());
}

void GgufWriter::addEncoded(std::string_view key, std::span<const std::byte> encoded)
{
    appendString(m_metadata, key);
    m_metadata.append(reinterpret_cast<const char*>(encoded.data()), encoded.size());
    ++m_metadataCount;
}

void GgufWriter::addInteger(std::string_view key, uint32_t value)
{
    addEncoded(key, asBytes(encodedScalar(uint32Type, value)));
}

void GgufWriter::addNumber(std::string_view key, float value)
{
    addEncoded(key, asBytes(encodedScalar(float32Type, value)));
}

void GgufWriter::addBoolean(std::string_view key, bool value)
{
    addEncoded(key, asBytes(encodedScalar(boolType, uint8_t(value))));
}

void GgufWriter::addString(std::string_view key, std::string_view value)
{
    std::string encoded;
    append(encoded, stringType);
    appendString(encoded, value);
    addEncoded(key, asBytes(encoded));
}

void GgufWriter::addNumbers(std::string_view key, std::span<const float> values)
{
    std::string encoded = encodedArray(float32Type, values.size());
    for (const float value : values)
        append(encoded, value);
    addEncoded(key, asBytes(encoded));
}

void GgufWriter::addIntegers(std::string_view key, std::span<const int32_t> values)
{
    std::string encoded = encodedArray(int32Type, values.size());
    for (const int32_t value : values)
        append(encoded, value);
    addEncoded(key, asBytes(encoded));
}

void GgufWriter::addStrings(std::string_view key, std::span<const std::string> values)
{
    std::string encoded = encodedArray(stringType, values.size());
    for (const std::string& value : values)
        appendString(encoded, value);
    addEncoded(key, asBytes(encoded));
}

void GgufWriter::addTensor(std::string_view name, kernels::Type type, const std::vector<int64_t>& shape)
{
    appendString(m_tensors, name);
    append(m_tensors, uint32_t(shape.size()));
    size_t bytes = kernels::rowBytes(type, shape.back());
    for (size_t d = shape.size(); d-- > 0;) {
        append(m_tensors, uint64_t(shape[d]));
        if (d + 1 < shape.size())
            bytes *= size_t(shape[d]);
    }
    append(m_tensors, ggmlNumber(type));
    append(m_tensors, uint64_t(m_dataBytes));
    m_tensorBytes.push_back(bytes);
    m_dataBytes += padded(bytes);
}

size_t GgufWriter::headerBytes() const
{
    return padded(preambleBytes + m_metadata.size() + m_tensors.size());
}

size_t GgufWriter::fileBytes() const
{
    return headerBytes() + m_dataBytes;
}

void GgufWriter::begin()
{
    checkWritable(m_path);
    const std::filesystem::path folder = m_path.has_parent_path() ? m_path.parent_path() : ".";
    std::error_code failure;
    const std::filesystem::space_info space = std::filesystem::space(folder, failure);
    if (failure)
        fail("the folder " + folder.string() + " cannot be used", failure.value());
    if (space.available < fileBytes())
        throw Error(ErrorKind::BadRequest,
                    m_path.string() + ": the file will take " + std::to_string(fileBytes() >> 20) + " MiB, and "
                        + std::to_string(space.available >> 20)
                        + " MiB are free there; make room or choose another disk");

    m_temporary = m_path;
    m_temporary += ".part-" + std::to_string(::getpid());
    m_file = ::open(m_temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (m_file < 0)
        fail("cannot be created", errno);

    std::string header = "GGUF";
    append(header, version);
    append(header, uint64_t(m_tensorBytes.size()));
    append(header, m_metadataCount);
    header += m_metadata;
    header += m_tensors;
    header.resize(headerBytes());
    put(header.data(), header.size());
}

void GgufWriter::write(std::span<const std::byte> bytes)
{
    assert(m_tensor < m_tensorBytes.size() && bytes.size() <= m_tensorBytes[m_tensor] - m_written);
    put(bytes.data(), bytes.size());
    m_written += bytes.size();
    if (m_written < m_tensorBytes[m_tensor])
        return;
    const std::string padding(padded(m_written) - m_written, '\0');
    put(padding.data(), padding.size());
    ++m_tensor;
    m_written = 0;
}

void GgufWriter::finish()
{
    assert(m_file >= 0 && m_tensor == m_tensorBytes.size());
    if (::fsync(m_file) != 0)
        fail("writing failed", errno);
    if (::rename(m_temporary.c_str(), m_path.c_str()) != 0)
        fail("cannot be put in place", errno);
    ::close(m_file);
    m_file = -1;
}

void GgufWriter::put(const void* bytes, size_t count)
{
    const auto* next = static_cast<const char*>(bytes);
    while (count > 0) {
        const ssize_t written = ::write(m_file, next, count);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            fail("writing failed", errno);
        next += written;
        count -= size_t(written);
    }
}

void GgufWriter::fail(const std::string& what, int error) const
{
    throw Error(error == ENOSPC ? ErrorKind::Internal : ErrorKind::BadRequest,
                m_path.string() + ": " + what + ": " + std::generic_category().message(error));
}

} // namespace cortex::engine
