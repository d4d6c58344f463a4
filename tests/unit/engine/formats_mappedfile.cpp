// SPDX-License-Identifier: GPL-3.0-only
#include "formats_support.h"

#include <thread>
#include <vector>

using namespace cortex;
using engine::ErrorKind;
using engine::MappedFile;

namespace {

constexpr size_t Page = 4096;

uint64_t sumOf(std::span<const std::byte> bytes)
{
    uint64_t sum = 0;
    for (const std::byte byte : bytes)
        sum += uint64_t(byte);
    return sum;
}

} // namespace

TEST_CASE("a file that is cut short reads as zeros and says so")
{
    const TemporaryFolder folder;
    const auto path = folder.write("model.gguf", std::string(8 * Page, 'x'));
    const auto file = MappedFile::open(path);
    const auto other = MappedFile::open(folder.write("other.gguf", std::string(8 * Page, 'y')));
    file->requireWhole();

    std::filesystem::resize_file(path, 2 * Page);
    CHECK(file->bytes()[Page] == std::byte('x'));
    file->requireWhole(); // what was read is still there
    CHECK(file->bytes()[5 * Page] == std::byte(0));
    checkRefused([&] { file->requireWhole(); }, ErrorKind::BadFile,
                 {path.string(), "cut short", "load the model again"});
    CHECK(file->bytes()[3 * Page] == std::byte(0)); // before the page that was patched first
    CHECK(file->bytes()[Page] == std::byte('x'));

    other->requireWhole();
    CHECK(sumOf(other->bytes()) == 8 * Page * 'y');
}

TEST_CASE("threads may meet the end of a cut file together, and its place serves the next file")
{
    const TemporaryFolder folder;
    for (int round = 0; round < 20; ++round) {
        const auto path = folder.write("model.gguf", std::string(64 * Page, 'x'));
        const auto file = MappedFile::open(path);
        std::filesystem::resize_file(path, 0);
        std::vector<uint64_t> sums(4, 1);
        std::vector<std::thread> threads;
        for (uint64_t& sum : sums)
            threads.emplace_back([&] { sum = sumOf(file->bytes()); });
        for (std::thread& thread : threads)
            thread.join();
        CHECK(sums == std::vector<uint64_t>(4, 0));
        CHECK_THROWS_AS(file->requireWhole(), engine::Error);

        const auto next = MappedFile::open(folder.write("next.gguf", std::string(Page, 'z')));
        next->requireWhole();
    }
}
