// SPDX-License-Identifier: GPL-3.0-only
#include "formats_support.h"
#include "neuron/engine/formats/safetensors.h"

using namespace cortex;
using engine::ErrorKind;
using engine::SafetensorsFiles;

namespace {

std::string build(const std::string& header, const std::string& data)
{
    const uint64_t length = header.size();
    std::string file(reinterpret_cast<const char*>(&length), sizeof length);
    return file + header + data;
}

SafetensorsFiles read(const std::string& bytes)
{
    return SafetensorsFiles(fileOf(bytes, "m.safetensors"));
}

void checkBad(const std::string& header, std::initializer_list<std::string_view> parts)
{
    checkRefused([&] { read(build(header, std::string(64, 'x'))); }, ErrorKind::BadFile, parts);
}

/// Data: the floats 1 to 4, then 8 bytes of 'x', 4 of which are "b" as BF16.
std::string sample()
{
    std::string data;
    for (const float value : {1.0F, 2.0F, 3.0F, 4.0F})
        data.append(reinterpret_cast<const char*>(&value), sizeof value);
    return build(
        R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},)"
        R"("b":{"dtype":"BF16","shape":[2],"data_offsets":[16,20]},"c":{"dtype":"F9","shape":[1],"data_offsets":[20,23]},)"
        R"("none":{"dtype":"F32","shape":[0,3],"data_offsets":[23,23]},"one":{"dtype":"U8","shape":[],"data_offsets":[23,24]}} )",
        data + "xxxxxxxx");
}

} // namespace

TEST_CASE("a safetensors file gives its tensors")
{
    const SafetensorsFiles files = read(sample());
    CHECK(files.tensors().size() == 5);
    const kernels::WeightSource a = files.weight(*files.findTensor("a"));
    CHECK(a.rows == 2);
    CHECK(a.columns == 2);
    CHECK(static_cast<const float*>(a.data)[3] == 4.0F);
    CHECK(reinterpret_cast<uintptr_t>(a.data) % sizeof(float) == 0);
    CHECK(files.weight(*files.findTensor("b")).type == kernels::Type::BF16);
    CHECK(files.findTensor("__metadata__") == nullptr);
    const auto refused = [&](const char* name, std::string_view cause) {
        checkRefused([&] { files.weight(*files.findTensor(name)); }, ErrorKind::Unsupported,
                     {"m.safetensors", name, cause});
    };
    refused("c", "F9");
    refused("one", "U8");
    refused("none", "empty");
}

TEST_CASE("a tensor that the file does not align is copied")
{
    const float value = 42;
    const std::string bytes(reinterpret_cast<const char*>(&value), sizeof value);
    const SafetensorsFiles files = read(build(R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})", bytes));
    const kernels::WeightSource a = files.weight(files.tensors()[0]);
    CHECK(a.rows == 1);
    CHECK(a.columns == 1);
    REQUIRE(reinterpret_cast<uintptr_t>(a.data) % sizeof(float) == 0);
    CHECK(*static_cast<const float*>(a.data) == 42.0F);
}

TEST_CASE("damaged safetensors headers are refused with file, tensor and cause")
{
    checkRefused([] { read("abc"); }, ErrorKind::BadFile, {"m.safetensors", "too short"});
    checkRefused([] { read(std::string(8, '\xff')); }, ErrorKind::BadFile, {"18446744073709551615 bytes does not fit"});
    checkRefused([] { read(std::string("\x08\0\0\0\0\0\0\0{}", 10)); }, ErrorKind::BadFile, {"8 bytes does not fit"});
    checkBad("{\"a\":", {"m.safetensors", "byte", "not valid JSON"});
    checkBad("[]", {"not a JSON object"});
    checkBad(std::string(1000, '[') + std::string(1000, ']'), {"nested deeper"});
    checkBad(R"({"a":1})", {"\"a\"", "not an object"});
    checkBad(R"({"a":{"shape":[1],"data_offsets":[0,4]}})", {"\"a\"", "dtype"});
    checkBad(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"shape":[1]}})", {"\"shape\"", "twice"});
    checkBad(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", {"a.shape[0]", "negative"});
    checkBad(R"({"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}})", {"a.shape[0]", "not an integer"});
    checkBad(R"({"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}})",
             {"a.shape", "9 dimensions", "8 are the most"});
    checkBad(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", {"\"a\"", "4 bytes", "shape and type"});
    checkBad(R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}})",
             {"\"a\"", "shape and type"});
    checkBad(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", {"a.data_offsets", "pair"});
    checkBad(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", {"a.data_offsets", "[4, 0]"});
    checkBad(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[64,68]}})",
             {"a.data_offsets", "64 bytes of data", "fetch it again"});
    checkBad(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551615]}})", {"a.data_offsets[1]"});
    checkBad(
        R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
        {"\"a\" and \"b\" overlap"});
}

TEST_CASE("a truncated or altered safetensors file is read or refused, nothing else")
{
    checkDamaged(sample(), [](const std::string& bytes) {
        const SafetensorsFiles files = read(bytes);
        for (const engine::SafeTensor& tensor : files.tensors()) {
            if (!tensor.type || tensor.bytes == 0)
                continue;
            const kernels::WeightSource source = files.weight(tensor); // may own a copy
            const auto* data = static_cast<const volatile char*>(source.data);
            CHECK(data[tensor.bytes - 1] == data[tensor.bytes - 1]);
        }
    });
}

TEST_CASE("a checkpoint directory is one file, or the shards of its index")
{
    const TemporaryFolder folder;
    const auto open = [&] { return SafetensorsFiles(folder.path()); };
    checkRefused(open, ErrorKind::NotFound, {folder.path().string(), "neither"});

    const auto shard = [](const char* name, char fill) {
        return build(std::string("{\"") + name + R"(":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}})",
                     std::string(4, fill));
    };
    const auto index = [&](const std::string& map) {
        folder.write("model.safetensors.index.json", "{\"metadata\":{},\"weight_map\":" + map + "}");
    };
    index(R"({"one":"1.safetensors","two":"2.safetensors"})");
    folder.write("1.safetensors", shard("one", 'a'));
    checkRefused(open, ErrorKind::NotFound, {"2.safetensors"});
    folder.write("2.safetensors", shard("two", 'b'));
    {
        const SafetensorsFiles files = open();
        REQUIRE(files.tensors().size() == 2);
        CHECK(*static_cast<const char*>(files.weight(*files.findTensor("one")).data) == 'a');
        CHECK(*static_cast<const char*>(files.weight(*files.findTensor("two")).data) == 'b');
    }
    index(R"({"one":"1.safetensors","two":"1.safetensors"})");
    checkRefused(open, ErrorKind::BadFile, {"index.json", "\"two\"", "1.safetensors"});
    index(R"({"one":"../1.safetensors"})");
    checkRefused(open, ErrorKind::BadFile, {"\"one\"", "../1.safetensors", "within the model's folder"});
    index(R"({"one":3})");
    checkRefused(open, ErrorKind::BadFile, {"\"one\"", "not a string"});
    index("[]");
    checkRefused(open, ErrorKind::BadFile, {"weight_map", "not an object"});
    folder.write("2.safetensors", shard("one", 'b'));
    index(R"({"one":"1.safetensors","two":"2.safetensors"})");
    checkRefused(open, ErrorKind::BadFile, {"2.safetensors", "\"one\"", "another file"});

    folder.write("model.safetensors", shard("single", 's'));
    CHECK(open().findTensor("single") != nullptr);
}
