// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/quantize/quantizegguf.h"

#include "kernels/quantize.h"
#include "neuron/engine/error.h"
#include "neuron/engine/formats/ggufwriter.h"
#include "neuron/engine/formats/quotedname.h"

#include <algorithm>
#include <atomic>
#include <thread>

namespace cortex::engine {

namespace {

using kernels::Type;

constexpr const char* fileTypeKey = "general.file_type";
constexpr const char* quantizationVersionKey = "general.quantization_version";
constexpr const char* alignmentKey = "general.alignment";
constexpr uint32_t quantizationVersion = 2;

/// Rows are rounded and written in pieces of about this many elements.
constexpr int64_t pieceElements = int64_t(4) << 20;

/// Keys that are written anew, or of the parts of a split file.
bool isReplaced(const std::string& key)
{
    return key == fileTypeKey || key == quantizationVersionKey || key == alignmentKey || key.starts_with("split.");
}

/// Rows of one tensor from one type into another.
class RowConverter {
public:
    RowConverter(const kernels::WeightSource& source, Type target)
        : m_source(source)
        , m_target(target)
        , m_sourceRow(kernels::rowBytes(source.type, source.columns))
        , m_targetRow(kernels::rowBytes(target, source.columns))
    {
    }

    size_t targetRowBytes() const { return m_targetRow; }

    /// Converts rows first … first + count − 1, `threads` at a time. Returns false where one holds what is no number.
    bool convert(int64_t first, int64_t count, std::byte* out, int threads) const
    {
        std::atomic<int64_t> next = 0;
        std::atomic<bool> finite = true;
        const auto work = [&] {
            std::vector<float> row(static_cast<size_t>(m_source.columns));
            for (int64_t i = next++; i < count; i = next++) {
                kernels::dequantize(m_source.type, data() + size_t(first + i) * m_sourceRow, row.data(),
                                    m_source.columns);
                if (!kernels::allFinite(row.data(), m_source.columns))
                    finite = false;
                else
                    kernels::quantize(m_target, row.data(), out + size_t(i) * m_targetRow, m_source.columns);
            }
        };
        {
            std::vector<std::jthread> workers;
            for (int i = 1; i < threads && i < count; ++i)
                workers.emplace_back(work);
            work();
        }
        return finite;
    }

private:
    const std::byte* data() const { return static_cast<const std::byte*>(m_source.data); }

    kernels::WeightSource m_source;
    Type m_target;
    size_t m_sourceRow;
    size_t m_targetRow;
};

/// Fills in the file's header.
void declare(GgufWriter& writer, const GgufFile& source, const QuantMix& mix, const std::vector<Type>& types)
{
    for (const GgufEntry& entry : source.entries())
        if (!isReplaced(entry.key))
            writer.addEncoded(entry.key, source.encoded(entry));
    writer.addInteger(quantizationVersionKey, quantizationVersion);
    writer.addInteger(fileTypeKey, mix.fileType);
    for (size_t i = 0; i < types.size(); ++i)
        writer.addTensor(source.tensors()[i].name, types[i], source.tensors()[i].shape);
}

/// Writes the tensors of one file after another, each in its type.
class TensorWriter {
public:
    TensorWriter(const GgufFile& source, GgufWriter& writer, int threads, std::function<void(size_t)> progress)
        : m_source(source)
        , m_writer(writer)
        , m_threads(threads)
        , m_progress(std::move(progress))
    {
    }

    /// Returns the bytes written; `progress` hears of those read.
    size_t write(const GgufTensor& tensor, Type type)
    {
        const kernels::WeightSource source = m_source.weight(tensor);
        if (type != source.type)
            return convert(tensor, source, type);
        m_writer.write({static_cast<const std::byte*>(source.data), tensor.bytes});
        m_progress(tensor.bytes);
        return tensor.bytes;
    }

private:
    size_t convert(const GgufTensor& tensor, const kernels::WeightSource& source, Type type)
    {
        const RowConverter converter(source, type);
        const int64_t piece = std::clamp<int64_t>(pieceElements / source.columns, 1, source.rows);
        m_buffer.resize(size_t(piece) * converter.targetRowBytes());
        for (int64_t first = 0; first < source.rows; first += piece) {
            const int64_t count = std::min(piece, source.rows - first);
            if (!converter.convert(first, count, m_buffer.data(), m_threads))
                throw Error(ErrorKind::Unsupported,
                            m_source.path().string() + ": tensor " + quotedName(tensor.name)
                                + " holds infinities or NaN within rows " + std::to_string(first) + " to "
                                + std::to_string(first + count - 1) + "; the model is damaged, fetch it again");
            m_writer.write({m_buffer.data(), size_t(count) * converter.targetRowBytes()});
            m_progress(tensor.bytes / size_t(source.rows) * size_t(count));
        }
        return size_t(source.rows) * converter.targetRowBytes();
    }

    const GgufFile& m_source;
    GgufWriter& m_writer;
    int m_threads;
    std::function<void(size_t)> m_progress;
    std::vector<std::byte> m_buffer;
};

} // namespace

QuantizeResult quantizeGguf(const GgufFile& source, const std::filesystem::path& destination, const QuantMix& mix,
                            int threads, const std::function<bool(double, const std::string&)>& progress)
{
    if (source.isAt(destination))
        throw Error(ErrorKind::BadRequest,
                    destination.string() + ": is the file to be read; give another name for the one to be written");
    if (threads <= 0)
        threads = int(std::max(1U, std::thread::hardware_concurrency()));

    const std::vector<std::optional<Type>> chosen = chooseTypes(source, mix);
    std::vector<Type> types;
    QuantizeResult result;
    for (size_t i = 0; i < chosen.size(); ++i) {
        const GgufTensor& tensor = source.tensors()[i];
        types.push_back(chosen[i].value_or(source.weight(tensor).type)); // which throws where it cannot be read
        result.bytesBefore += tensor.bytes;
        ++result.tensorsByType[std::string(kernels::traits(types.back()).name)];
    }

    GgufWriter writer(destination);
    declare(writer, source, mix, types);
    writer.begin();
    size_t bytesDone = 0;
    const GgufTensor* tensor = nullptr;
    TensorWriter tensors(source, writer, threads, [&](size_t bytes) {
        bytesDone += bytes;
        if (progress && !progress(double(bytesDone) / double(std::max<size_t>(result.bytesBefore, 1)), tensor->name))
            throw Error(ErrorKind::Cancelled, destination.string() + ": was not written; interrupted");
    });
    for (size_t i = 0; i < types.size(); ++i) {
        tensor = &source.tensors()[i];
        result.bytesAfter += tensors.write(*tensor, types[i]);
    }
    writer.finish();
    return result;
}

} // namespace cortex::engine
