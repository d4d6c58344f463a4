// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/formats/ggufparser.h"

#include "neuron/engine/error.h"
#include "neuron/engine/formats/ggmltype.h"
#include "neuron/engine/formats/quotedname.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <set>
#include <utility>

namespace cortex::engine {

static_assert(std::endian::native == std::endian::little, "GGUF values are read as they stand in the file");

namespace {

constexpr uint32_t maxDimensions = 4;
constexpr int64_t defaultAlignment = 32;
/// Far above any real model; they bound the memory that a large hostile file can ask for.
constexpr uint64_t maxEntries = uint64_t(1) << 20;
constexpr uint64_t maxArrayElements = uint64_t(1) << 24;
/// The least that one entry of the header takes: metadata is a length, a type and a value; a tensor is a length, the
/// number of dimensions, a type and an offset.
constexpr size_t minMetadataBytes = 8 + 4 + 1;
constexpr size_t minTensorBytes = 8 + 4 + 4 + 8;

enum class ValueType : uint32_t {
    UInt8,
    Int8,
    UInt16,
    Int16,
    UInt32,
    Int32,
    Float32,
    Bool,
    String,
    Array,
    UInt64,
    Int64,
    Float64,
};

/// Reads the file front to back; every read is checked against the end, and what fails tells where and at what.
class Parser {
public:
    explicit Parser(const MappedFile& file)
        : m_file(file)
        , m_bytes(file.bytes())
    {
    }

    GgufHeader parse();

private:
    [[noreturn]] void fail(const std::string& cause, ErrorKind kind = ErrorKind::BadFile) const;
    [[noreturn]] void failDamaged(const std::string& cause) const;

    size_t remaining() const { return m_bytes.size() - m_position; }
    template <typename T>
    T read();
    std::string_view readString();
    uint64_t readCount(size_t minimumBytes, uint64_t limit, const char* what);

    template <typename T>
    int64_t readInteger();
    bool readBool();
    int64_t readIntegerOf(ValueType type);
    GgufValue readValue(ValueType type);
    GgufValue readArray();
    template <typename T, typename Read>
    std::vector<T> readElements(uint64_t count, Read readOne);

    void readPreamble();
    void readMetadata(uint64_t count);
    GgufTensor readTensor();
    void measure(GgufTensor& tensor) const;
    int64_t alignment();
    void place(GgufTensor& tensor, size_t dataStart, size_t alignment);

    const MappedFile& m_file;
    std::span<const std::byte> m_bytes;
    size_t m_position = 0;
    std::string m_context = "header"; ///< what is being read, for messages
    GgufHeader m_header;
};

void Parser::fail(const std::string& cause, ErrorKind kind) const
{
    throw Error(kind,
                m_file.path().string() + ": " + m_context + " at byte " + std::to_string(m_position) + ": " + cause);
}

void Parser::failDamaged(const std::string& cause) const
{
    fail(cause + "; the file is damaged or incomplete, fetch it again");
}

template <typename T>
T Parser::read()
{
    if (remaining() < sizeof(T))
        failDamaged("the file ends here");
    T value;
    std::memcpy(&value, m_bytes.data() + m_position, sizeof(T));
    m_position += sizeof(T);
    return value;
}

std::string_view Parser::readString()
{
    const auto length = read<uint64_t>();
    if (length > remaining())
        failDamaged("a string of " + std::to_string(length) + " bytes goes beyond the end of the file");
    const std::string_view text(reinterpret_cast<const char*>(m_bytes.data() + m_position), size_t(length));
    m_position += size_t(length);
    return text;
}

/// A number of things that take at least `minimumBytes` each: refused before anything is reserved for them.
uint64_t Parser::readCount(size_t minimumBytes, uint64_t limit, const char* what)
{
    const auto count = read<uint64_t>();
    if (count > limit)
        failDamaged(std::to_string(count) + ' ' + what + " are more than any model has");
    if (count > remaining() / minimumBytes)
        failDamaged(std::to_string(count) + ' ' + what + " do not fit into the file");
    return count;
}

template <typename T>
int64_t Parser::readInteger()
{
    const T value = read<T>();
    if (!std::in_range<int64_t>(value))
        fail("the integer " + std::to_string(value) + " is out of range");
    return int64_t(value);
}

bool Parser::readBool()
{
    const auto value = read<uint8_t>();
    if (value > 1)
        failDamaged("a bool of value " + std::to_string(value));
    return value == 1;
}

int64_t Parser::readIntegerOf(ValueType type)
{
    switch (type) {
    case ValueType::UInt8:
        return readInteger<uint8_t>();
    case ValueType::Int8:
        return readInteger<int8_t>();
    case ValueType::UInt16:
        return readInteger<uint16_t>();
    case ValueType::Int16:
        return readInteger<int16_t>();
    case ValueType::UInt32:
        return readInteger<uint32_t>();
    case ValueType::Int32:
        return readInteger<int32_t>();
    case ValueType::UInt64:
        return readInteger<uint64_t>();
    case ValueType::Int64:
        return readInteger<int64_t>();
    default:
        failDamaged("unknown value type " + std::to_string(uint32_t(type)));
    }
}

GgufValue Parser::readValue(ValueType type)
{
    switch (type) {
    case ValueType::Float32:
        return double(read<float>());
    case ValueType::Float64:
        return read<double>();
    case ValueType::Bool:
        return readBool();
    case ValueType::String:
        return std::string(readString());
    case ValueType::Array:
        return readArray();
    default:
        return readIntegerOf(type);
    }
}

template <typename T, typename Read>
std::vector<T> Parser::readElements(uint64_t count, Read readOne)
{
    std::vector<T> values;
    values.reserve(size_t(count));
    for (uint64_t i = 0; i < count; ++i)
        values.push_back(readOne());
    return values;
}

GgufValue Parser::readArray()
{
    const auto type = read<ValueType>();
    size_t elementBytes = 1;
    switch (type) {
    case ValueType::UInt8:
    case ValueType::Int8:
    case ValueType::Bool:
        elementBytes = 1;
        break;
    case ValueType::UInt16:
    case ValueType::Int16:
        elementBytes = 2;
        break;
    case ValueType::UInt32:
    case ValueType::Int32:
    case ValueType::Float32:
        elementBytes = 4;
        break;
    case ValueType::UInt64:
    case ValueType::Int64:
    case ValueType::Float64:
    case ValueType::String:
        elementBytes = 8;
        break;
    case ValueType::Array:
        fail("arrays of arrays are not supported", ErrorKind::Unsupported);
    default:
        failDamaged("unknown value type " + std::to_string(uint32_t(type)));
    }
    const uint64_t count = readCount(elementBytes, maxArrayElements, "array elements");
    switch (type) {
    case ValueType::String:
        return readElements<std::string_view>(count, [this] { return readString(); });
    case ValueType::Bool:
        return readElements<bool>(count, [this] { return readBool(); });
    case ValueType::Float32:
        return readElements<double>(count, [this] { return double(read<float>()); });
    case ValueType::Float64:
        return readElements<double>(count, [this] { return read<double>(); });
    default:
        return readElements<int64_t>(count, [this, type] { return readIntegerOf(type); });
    }
}

void Parser::readPreamble()
{
    if (remaining() < 4 || std::memcmp(m_bytes.data(), "GGUF", 4) != 0)
        fail("this is not a GGUF file (it does not begin with \"GGUF\"); give a .gguf file");
    m_position = 4;
    const auto version = read<uint32_t>();
    if (version == 2 || version == 3)
        return;
    if (version != 0 && (version & 0xffff) == 0)
        fail("a big-endian GGUF file; fetch the little-endian one", ErrorKind::Unsupported);
    fail("GGUF version " + std::to_string(version)
             + " is not supported (2 and 3 are); convert the model again with "
               "current tools",
         ErrorKind::Unsupported);
}

void Parser::readMetadata(uint64_t count)
{
    for (uint64_t i = 0; i < count; ++i) {
        m_context = "metadata entry " + std::to_string(i);
        std::string key(readString());
        m_context = "key " + quotedName(key);
        const size_t begin = m_position;
        const auto type = read<ValueType>();
        GgufValue value = readValue(type);
        m_header.entries.push_back({key, begin, m_position - begin});
        if (!m_header.metadata.emplace(std::move(key), std::move(value)).second)
            failDamaged("the key occurs twice");
    }
}

GgufTensor Parser::readTensor()
{
    GgufTensor tensor;
    tensor.name = readString();
    m_context = "tensor " + quotedName(tensor.name);
    const auto dimensions = read<uint32_t>();
    if (dimensions > maxDimensions)
        failDamaged(std::to_string(dimensions) + " dimensions (at most " + std::to_string(maxDimensions) + ')');
    for (uint32_t d = 0; d < dimensions; ++d) {
        const int64_t extent = readInteger<uint64_t>();
        if (extent == 0)
            failDamaged("dimension " + std::to_string(d) + " is zero");
        tensor.shape.insert(tensor.shape.begin(), extent);
    }
    if (tensor.shape.empty())
        tensor.shape = {1};
    tensor.ggmlType = read<uint32_t>();
    tensor.type = typeFromGgml(tensor.ggmlType);
    measure(tensor);
    tensor.offset = size_t(readInteger<uint64_t>());
    return tensor;
}

/// Computes how many bytes a tensor takes, without overflow.
void Parser::measure(GgufTensor& tensor) const
{
    int64_t elements = 1;
    for (const int64_t extent : tensor.shape)
        if (__builtin_mul_overflow(elements, extent, &elements))
            failDamaged("its shape is too large for any file");
    if (!tensor.type)
        return;
    const kernels::TypeTraits& traits = kernels::traits(*tensor.type);
    if (tensor.shape.back() % traits.blockElements != 0)
        failDamaged("rows of " + std::to_string(tensor.shape.back()) + " elements are not whole blocks of "
                    + std::string(traits.name));
    int64_t bytes = 0;
    if (__builtin_mul_overflow(elements / traits.blockElements, int64_t(traits.blockBytes), &bytes))
        failDamaged("its shape is too large for any file");
    tensor.bytes = size_t(bytes);
}

int64_t Parser::alignment()
{
    const auto found = m_header.metadata.find("general.alignment");
    if (found == m_header.metadata.end())
        return defaultAlignment;
    m_context = "key \"general.alignment\"";
    const int64_t* value = std::get_if<int64_t>(&found->second);
    if (!value || *value < 8 || *value > (int64_t(1) << 30) || !std::has_single_bit(uint64_t(*value)))
        failDamaged("the alignment must be a power of two from 8 on");
    return *value;
}

/// Turns the tensor's offset, which counts from the start of the data, into one from the start of the file.
void Parser::place(GgufTensor& tensor, size_t dataStart, size_t alignment)
{
    m_context = "tensor " + quotedName(tensor.name);
    if (tensor.offset % alignment != 0)
        failDamaged("its offset " + std::to_string(tensor.offset) + " is not a multiple of the alignment "
                    + std::to_string(alignment));
    const size_t dataBytes = m_bytes.size() - dataStart;
    if (tensor.offset > dataBytes || tensor.bytes > dataBytes - tensor.offset)
        failDamaged("its " + std::to_string(tensor.bytes) + " bytes at data offset " + std::to_string(tensor.offset)
                    + " go beyond the end of the file (" + std::to_string(m_bytes.size()) + " bytes)");
    tensor.offset += dataStart;
}

GgufHeader Parser::parse()
{
    readPreamble();
    const uint64_t tensorCount = readCount(minTensorBytes, maxEntries, "tensors");
    const uint64_t metadataCount = readCount(minMetadataBytes, maxEntries, "metadata entries");
    readMetadata(metadataCount);

    std::set<std::string_view> names;
    m_header.tensors.reserve(size_t(tensorCount));
    for (uint64_t i = 0; i < tensorCount; ++i) {
        m_context = "tensor entry " + std::to_string(i);
        m_header.tensors.push_back(readTensor());
        if (!names.insert(m_header.tensors.back().name).second)
            failDamaged("the tensor occurs twice");
    }

    const auto align = size_t(alignment());
    // A file without tensors may end before the padding that would follow its header.
    const size_t dataStart = std::min((m_position + align - 1) / align * align, m_bytes.size());
    for (GgufTensor& tensor : m_header.tensors)
        place(tensor, dataStart, align);
    return std::move(m_header);
}

} // namespace

GgufHeader parseGguf(const MappedFile& file)
{
    return Parser(file).parse();
}

} // namespace cortex::engine
