// SPDX-License-Identifier: GPL-3.0-only
#include "fixtures.h"
#include "kernels/cpu/memory.h"
#include "kernels/cpu/packing.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

using namespace cortex::kernels;
using namespace cortex::kernels::test;

TEST_CASE("rows come out of a packing as they came out of the file")
{
    for (Type type : productTypes) {
        INFO(traits(type).name);
        for (int tileRows : {4, 8, 16}) {
            Random random(3);
            const FileWeight file(type, 37, 512, random);
            const Packing packing(type, file.rows, file.columns, tileRows);
            std::vector<std::byte> packed(packing.bytes());
            for (int64_t tile = 0; tile < packing.tiles(); ++tile)
                packing.pack(tile, reinterpret_cast<const std::byte*>(file.bytes.data()),
                             packed.data() + size_t(tile) * packing.tileBytes());
            std::vector<float> row(512);
            for (int64_t r = 0; r < file.rows; ++r) {
                packing.expandRow(packed.data(), r, row.data());
                CHECK(std::equal(row.begin(), row.end(), file.values.begin() + r * 512));
            }
        }
    }
}

TEST_CASE("packing takes the bytes of the file, or little more")
{
    for (Type type : productTypes) {
        INFO(traits(type).name);
        const Packing packing(type, 160, 2048, 16);
        const size_t file = 160 * rowBytes(type, 2048);
        CHECK(packing.bytes() >= file);
        CHECK(double(packing.bytes()) < 1.04 * double(file));
    }
}

TEST_CASE("weights report their memory exactly")
{
    const auto device = createCpuDevice(1);
    Random random(4);
    const FileWeight file(Type::Q8_0, 50, 64, random);
    for (WeightUse use : {WeightUse::Product, WeightUse::Embedding, WeightUse::Both, WeightUse::Vector}) {
        const WeightPtr weight = device->loadWeight(file.source(), use);
        CHECK(weight->residentBytes() == device->weightBytes(Type::Q8_0, 50, 64, use));
        CHECK(weight->mappedBytes() == (use == WeightUse::Embedding ? file.bytes.size() : 0));
        CHECK(weight->rows() == 50);
        CHECK(weight->columns() == 64);
        CHECK(weight->type() == Type::Q8_0);
    }
}

TEST_CASE("memory counts as taken before it is touched")
{
    constexpr size_t piece = size_t(8) << 20;
    const size_t before = untouchedHostBytes();
    {
        const HostMemory memory(2 * piece);
        CHECK(untouchedHostBytes() == before + 2 * piece);
        std::memset(memory.data(), 1, piece);
        CHECK(untouchedHostBytes() == before + piece);
        std::memset(memory.data() + piece, 1, piece);
        CHECK(untouchedHostBytes() == before);
    }
    CHECK(untouchedHostBytes() == before);

    const size_t free = freeHostBytes();
    CHECK_THROWS_AS(
        [&] {
            std::vector<HostMemory> promised;
            for (size_t bytes = 0; bytes < 4 * free; bytes += free / 4)
                promised.emplace_back(free / 4);
        }(),
        OutOfMemory);
}

TEST_CASE("memory that is not there is refused with both sizes")
{
    const auto device = createCpuDevice(1);
    try {
        device->allocate(size_t(1) << 50);
        FAIL("a petabyte was granted");
    } catch (const OutOfMemory& error) {
        CHECK(error.neededBytes == size_t(1) << 50);
        CHECK(error.freeBytes > 0);
        CHECK(error.freeBytes < size_t(1) << 50);
    }
}
