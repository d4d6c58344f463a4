// SPDX-License-Identifier: GPL-3.0-only
#include "formats_support.h"
#include "ggufbuilder.h"
#include "neuron/engine/formats/gguf.h"

using namespace cortex;
using engine::ErrorKind;
using engine::GgufFile;

namespace {

GgufFile read(const std::string& bytes)
{
    return GgufFile(fileOf(bytes, "test.gguf"));
}

void checkBad(const std::string& bytes, std::initializer_list<std::string_view> parts)
{
    checkRefused([&] { read(bytes); }, ErrorKind::BadFile, parts);
}

/// One of everything: 6 floats, and 2 rows of 32 in Q4_0 (18 bytes each) behind them.
GgufBuilder sample()
{
    GgufBuilder builder;
    builder.string("general.architecture", "llama");
    builder.value("a.uint32", GgufBuilder::uint32Type, uint32_t(4000000000));
    builder.value("a.int32", GgufBuilder::int32Type, int32_t(-5));
    builder.value("a.uint64", GgufBuilder::uint64Type, uint64_t(1) << 62);
    builder.value("a.float", GgufBuilder::float32Type, 0.5F);
    builder.value("a.bool", GgufBuilder::boolType, uint8_t(1));
    builder.strings("a.strings", {"x", "", "yz"});
    builder.array<int32_t>("a.ints", GgufBuilder::int32Type, {1, -2, 3});
    builder.array<float>("a.floats", GgufBuilder::float32Type, {1.5F, -2});
    builder.array<uint8_t>("a.bools", GgufBuilder::boolType, {1, 0});
    builder.tensor("f32", 0, {3, 2}, 0);
    builder.tensor("q4_0", 2, {32, 1, 2}, 32);
    builder.tensor("iq1", 19, {256}, 64);
    return builder;
}

std::string sampleData()
{
    std::string data;
    for (const float value : {1.0F, 2.0F, 3.0F, 4.0F, 5.0F, 6.0F})
        GgufBuilder::raw(data, value);
    data.resize(32);
    return data + std::string(64, 'q');
}

} // namespace

TEST_CASE("a GGUF file gives its metadata with their types")
{
    for (const uint32_t version : {2U, 3U}) {
        const GgufFile file = read(sample().build(sampleData(), version));
        CHECK(file.requireString("general.architecture") == "llama");
        CHECK(file.requireInteger("a.uint32") == 4000000000);
        CHECK(file.integer("a.int32") == -5);
        CHECK(file.integer("a.uint64") == int64_t(1) << 62);
        CHECK(file.number("a.float") == 0.5);
        CHECK(file.requireNumber("a.int32") == -5.0);
        CHECK(file.boolean("a.bool") == true);
        CHECK(file.requireStrings("a.strings") == std::vector<std::string_view>{"x", "", "yz"});
        CHECK(*file.integers("a.ints") == std::vector<int64_t>{1, -2, 3});
        CHECK(std::get<std::vector<double>>(*file.find("a.floats")) == std::vector<double>{1.5, -2});
        CHECK(std::get<std::vector<bool>>(*file.find("a.bools")) == std::vector<bool>{true, false});
    }
}

TEST_CASE("an absent key or one of another type gives nothing, and an error where it is required")
{
    const GgufFile file = read(sample().build(sampleData()));
    CHECK_FALSE(file.integer("b").has_value());
    CHECK_FALSE(file.integer("a.float").has_value());
    CHECK(file.string("a.float") == nullptr);
    checkRefused([&] { file.requireInteger("b.missing"); }, ErrorKind::BadFile, {"test.gguf", "b.missing", "missing"});
    checkRefused([&] { file.requireString("a.bool"); }, ErrorKind::BadFile, {"test.gguf", "a.bool", "not a string"});
    checkRefused([&] { file.requireNumber("a.bool"); }, ErrorKind::BadFile, {"a.bool", "not a number"});
    checkRefused([&] { file.requireStrings("a.ints"); }, ErrorKind::BadFile, {"a.ints", "not an array of strings"});
}

TEST_CASE("a GGUF file gives its tensors, outermost dimension first")
{
    const GgufFile file = read(sample().build(sampleData()));
    REQUIRE(file.tensors().size() == 3);
    const engine::GgufTensor* f32 = file.findTensor("f32");
    REQUIRE(f32 != nullptr);
    CHECK(f32->shape == std::vector<int64_t>{2, 3});
    const kernels::WeightSource source = file.weight(*f32);
    CHECK(source.type == kernels::Type::F32);
    CHECK(source.rows == 2);
    CHECK(source.columns == 3);
    CHECK(static_cast<const float*>(source.data)[5] == 6.0F);

    const engine::GgufTensor& q4 = *file.findTensor("q4_0");
    CHECK(q4.bytes == 36);
    CHECK(q4.shape == std::vector<int64_t>{2, 1, 32});
    CHECK(file.weight(q4).rows == 2);
    CHECK(static_cast<const char*>(file.weight(q4).data)[35] == 'q');
    CHECK(file.findTensor("nothing") == nullptr);
}

TEST_CASE("a tensor of a type that we do not read is listed, and refused as a weight")
{
    const GgufFile file = read(sample().build(sampleData()));
    const engine::GgufTensor& tensor = *file.findTensor("iq1");
    CHECK_FALSE(tensor.type.has_value());
    CHECK(tensor.ggmlType == 19);
    checkRefused([&] { file.weight(tensor); }, ErrorKind::Unsupported, {"test.gguf", "iq1", "IQ1_S"});
}

TEST_CASE("a weight keeps the file's mapping alive")
{
    kernels::WeightSource source;
    {
        const GgufFile file = read(sample().build(sampleData()));
        source = file.weight(*file.findTensor("f32"));
    }
    CHECK(static_cast<const float*>(source.data)[0] == 1.0F);
}

TEST_CASE("every ggml type number has the size that GGUF gives it")
{
    const std::pair<uint32_t, size_t> bytesOf256[]{{0, 1024}, {1, 512},  {2, 144},  {3, 160},  {6, 176},   {7, 192},
                                                   {8, 272},  {12, 144}, {13, 176}, {14, 210}, {26, 1024}, {30, 512},
                                                   {10, 84},  {11, 110}, {20, 144}, {23, 136}, {39, 136}};
    for (const auto& [type, bytes] : bytesOf256) {
        GgufBuilder builder;
        builder.tensor("t", type, {256}, 0);
        CHECK(read(builder.build(std::string(bytes, 'x'))).tensors()[0].bytes == bytes);
        checkBad(builder.build(std::string(bytes - 1, 'x')), {"tensor \"t\"", "beyond the end"});
    }
}

TEST_CASE("the alignment is the file's own, and must be a power of two")
{
    GgufBuilder builder;
    builder.value("general.alignment", GgufBuilder::uint32Type, uint32_t(128));
    builder.tensor("t", 0, {1}, 128);
    const GgufFile file = read(builder.build(std::string(132, 'x'), 3, 128));
    CHECK(file.tensors()[0].offset % 128 == 0);
    for (const uint32_t alignment : {0U, 1U, 4U, 24U, 1U << 31}) {
        GgufBuilder bad;
        bad.value("general.alignment", GgufBuilder::uint32Type, alignment);
        checkBad(bad.build(), {"general.alignment", "power of two"});
    }
}

TEST_CASE("what is not GGUF, or another version of it, is refused")
{
    checkBad("", {"test.gguf", "not a GGUF file"});
    checkBad("GGUF", {"byte 4", "ends here", "fetch it again"});
    checkBad("PK\3\4 something else", {"not a GGUF file"});
    checkRefused([] { read(sample().build({}, 1)); }, ErrorKind::Unsupported, {"version 1"});
    checkRefused([] { read(sample().build({}, 4)); }, ErrorKind::Unsupported, {"version 4"});
    checkRefused([] { read(sample().build({}, 3U << 24)); }, ErrorKind::Unsupported, {"big-endian"});
    checkRefused([] { GgufFile("/nowhere/x.gguf"); }, ErrorKind::NotFound, {"/nowhere/x.gguf"});
}

TEST_CASE("counts and lengths that the file cannot hold are refused before anything is allocated")
{
    GgufBuilder billion;
    billion.beginArray("tokens", GgufBuilder::stringType, 1'000'000'000);
    checkBad(billion.build(std::string(1000, '\0')), {"test.gguf", "key \"tokens\"", "1000000000 array elements"});

    GgufBuilder many;
    many.beginArray("numbers", GgufBuilder::int32Type, 400);
    checkBad(many.build(std::string(1000, '\0')), {"key \"numbers\"", "400 array elements do not fit"});

    GgufBuilder longString;
    std::string entry;
    GgufBuilder::raw(entry, uint64_t(-1));
    longString.rawMetadata(entry, 1);
    checkBad(longString.build(std::string(64, '\0')), {"metadata entry 0", "string of 18446744073709551615 bytes"});

    GgufBuilder counts;
    counts.rawMetadata("", uint64_t(1) << 60);
    checkBad(counts.build(), {"header", "metadata entries"});
}

TEST_CASE("damaged metadata is refused with its key")
{
    GgufBuilder twice;
    twice.string("key", "a");
    twice.string("key", "b");
    checkBad(twice.build(), {"key \"key\"", "twice"});

    GgufBuilder nested;
    nested.beginArray("key", GgufBuilder::arrayType, 1);
    checkRefused([&] { read(nested.build(std::string(64, '\0'))); }, ErrorKind::Unsupported,
                 {"key \"key\"", "arrays of arrays"});

    GgufBuilder type;
    type.value("key", 13, uint32_t(0));
    checkBad(type.build(), {"key \"key\"", "unknown value type 13"});

    GgufBuilder boolean;
    boolean.value("key", GgufBuilder::boolType, uint8_t(2));
    checkBad(boolean.build(), {"key \"key\"", "bool of value 2"});

    GgufBuilder large;
    large.value("key", GgufBuilder::uint64Type, uint64_t(1) << 63);
    checkBad(large.build(), {"key \"key\"", "9223372036854775808 is out of range"});
}

TEST_CASE("damaged tensors are refused with their name")
{
    const auto with = [](uint32_t type, const std::vector<uint64_t>& dimensions, uint64_t offset) {
        GgufBuilder builder;
        builder.tensor("bad", type, dimensions, offset);
        return builder.build(std::string(256, 'x'));
    };
    checkBad(with(0, {1, 1, 1, 1, 1}, 0), {"tensor \"bad\"", "5 dimensions"});
    checkBad(with(0, {4, 0}, 0), {"tensor \"bad\"", "dimension 1 is zero"});
    checkBad(with(0, {uint64_t(1) << 32, uint64_t(1) << 32}, 0), {"tensor \"bad\"", "too large"});
    checkBad(with(0, {uint64_t(1) << 62}, 0), {"tensor \"bad\"", "too large"});
    checkBad(with(0, {uint64_t(1) << 63}, 0), {"tensor \"bad\"", "out of range"});
    checkBad(with(2, {48}, 0), {"tensor \"bad\"", "48", "whole blocks of q4_0"});
    checkBad(with(0, {1}, 16), {"tensor \"bad\"", "multiple of the alignment"});
    checkBad(with(0, {65}, 0), {"tensor \"bad\"", "beyond the end"});
    checkBad(with(0, {1}, 288), {"tensor \"bad\"", "beyond the end"});
    checkBad(with(0, {1}, uint64_t(1) << 62), {"tensor \"bad\"", "beyond the end"});

    GgufBuilder twice;
    twice.tensor("t", 0, {1}, 0);
    twice.tensor("t", 0, {1}, 0);
    checkBad(twice.build("xxxx"), {"tensor \"t\"", "twice"});
}

TEST_CASE("names in messages are bounded and printable")
{
    GgufBuilder builder;
    builder.tensor("\x1b[31m" + std::string(500, 'n'), 0, {65}, 0);
    try {
        read(builder.build("xxxx"));
        FAIL("was accepted");
    } catch (const engine::Error& error) {
        const std::string message = error.what();
        CHECK(message.size() < 400);
        CHECK(message.find('\x1b') == std::string::npos);
    }
}

TEST_CASE("a truncated or altered GGUF file is read or refused, nothing else")
{
    checkDamaged(sample().build(sampleData()), [](const std::string& bytes) {
        const GgufFile file = read(bytes);
        for (const engine::GgufTensor& tensor : file.tensors()) {
            if (!tensor.type)
                continue;
            const kernels::WeightSource source = file.weight(tensor);
            const auto* data = static_cast<const volatile char*>(source.data);
            CHECK(data[tensor.bytes - 1] == data[tensor.bytes - 1]);
        }
    });
}

TEST_CASE("a model in several files is opened by its first")
{
    const TemporaryFolder folder;
    const auto part = [](uint16_t number, const char* name) {
        GgufBuilder builder;
        builder.value("split.no", 2, number);
        builder.value("split.count", 2, uint16_t(2));
        builder.tensor(name, 0, {1}, 0);
        return builder.build(std::string(4, char('a' + number)));
    };
    const auto first = folder.write("m-00001-of-00002.gguf", part(0, "one"));
    checkRefused([&] { GgufFile{first}; }, ErrorKind::NotFound, {"m-00002-of-00002.gguf"});

    const auto second = folder.write("m-00002-of-00002.gguf", part(1, "two"));
    const GgufFile file(first);
    REQUIRE(file.tensors().size() == 2);
    CHECK(file.findTensor("two")->file == 1);
    CHECK(*static_cast<const char*>(file.weight(*file.findTensor("one")).data) == 'a');
    CHECK(*static_cast<const char*>(file.weight(*file.findTensor("two")).data) == 'b');
    checkRefused([&] { GgufFile{second}; }, ErrorKind::BadFile, {"first part", "-00001-of-00002.gguf"});

    folder.write("m-00002-of-00002.gguf", part(1, "one"));
    checkRefused([&] { GgufFile{first}; }, ErrorKind::BadFile, {"tensor \"one\"", "two parts"});
}
