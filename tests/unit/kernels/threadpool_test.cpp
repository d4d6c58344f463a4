// SPDX-License-Identifier: GPL-3.0-only
#include "kernels/cpu/threadpool.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <tuple>

#include <sys/resource.h>

using namespace cortex::kernels;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

TEST_CASE("every chunk runs once and its writes are seen")
{
    for (int workers : {1, 2, 5}) {
        ThreadPool pool(workers);
        CHECK(pool.size() == workers);
        std::vector<int> counts(97); // plain memory: the sanitizer sees whether run() orders the accesses
        for (int round = 0; round < 300; ++round) {
            pool.run(round % 98, [&](int chunk, int worker) {
                if (worker >= 0 && worker < workers)
                    ++counts[size_t(chunk)];
            });
            for (int chunk = 0; chunk < 97; ++chunk) {
                REQUIRE(counts[size_t(chunk)] == (chunk < round % 98 ? 1 : 0));
                counts[size_t(chunk)] = 0;
            }
        }
    }
}

TEST_CASE("pieces cover every index once, in order within a worker's range")
{
    for (int workers : {1, 2, 5}) {
        ThreadPool pool(workers);
        for (const auto& [count, smallest, largest] :
             {std::tuple{0, 3, 3}, {1, 1, 1}, {7, 10, 20}, {100, 1, 1}, {1001, 7, 7}, {1001, 7, 100}}) {
            CAPTURE(count);
            std::vector<int> counts(static_cast<size_t>(count));
            pool.forPieces(count, smallest, largest, [&](int64_t first, int64_t end, int) {
                for (int64_t i = first; i < end; ++i)
                    ++counts[size_t(i)];
            });
            CHECK(std::count(counts.begin(), counts.end(), 1) == count);
        }
    }
}

TEST_CASE("a worker number belongs to one thread")
{
    ThreadPool pool(4);
    std::vector<std::thread::id> owners(4);
    for (int round = 0; round < 100; ++round) {
        pool.run(16, [&](int, int worker) {
            std::thread::id& owner = owners[size_t(worker)];
            if (owner == std::thread::id())
                owner = std::this_thread::get_id();
            if (owner != std::this_thread::get_id())
                std::abort();
        });
    }
    CHECK(owners[0] == std::this_thread::get_id());
}

TEST_CASE("workers that went to sleep come back")
{
    ThreadPool pool(3);
    for (int round = 0; round < 5; ++round) {
        std::atomic<int> present{0};
        // Every chunk waits for the others, so that the job ends only if all three workers take part.
        pool.run(3, [&](int, int) {
            present.fetch_add(1);
            while (present.load() < 3)
                std::this_thread::yield();
        });
        CHECK(present.load() == 3);
        // Longer than workers spin; should a machine be slower, the test is only weaker.
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
}

TEST_CASE("a caller that waits long for the last chunk sleeps and is woken")
{
    ThreadPool pool(2);
    for (int round = 0; round < 3; ++round) {
        std::atomic<bool> started{false};
        int finished = 0;
        pool.run(2, [&](int, int worker) {
            if (worker == 0) {
                while (!started.load())
                    std::this_thread::yield();
            } else {
                started.store(true);
                std::this_thread::sleep_for(std::chrono::milliseconds(2));
                ++finished;
            }
        });
        CHECK(finished >= 1);
    }
}

TEST_CASE("forEach visits every index with any grain")
{
    ThreadPool pool(3);
    for (int64_t grain : {1, 7, 1000}) {
        std::vector<int> counts(500);
        pool.forEach(500, grain, [&](int index, int) { ++counts[size_t(index)]; });
        CHECK(counts == std::vector<int>(500, 1));
    }
    pool.forEach(0, 4, [](int, int) { FAIL("there is nothing to visit"); });
}

// Sanitizers keep terabytes of address space for themselves and need more for every thread.
TEST_CASE("threads that the system does not give are an error, not the end of the program" * doctest::skip(sanitized))
{
    rlimit before;
    REQUIRE(getrlimit(RLIMIT_AS, &before) == 0);
    rlimit tight = before;
    tight.rlim_cur = rlim_t(4) << 30; // room for this program, but not for the stacks of so many
    REQUIRE(setrlimit(RLIMIT_AS, &tight) == 0);
    rlimit now;
    REQUIRE(getrlimit(RLIMIT_AS, &now) == 0);
    if (now.rlim_cur != tight.rlim_cur) {
        MESSAGE("skipped: qemu takes this limit and does not keep it");
        return;
    }
    CHECK_THROWS_AS(ThreadPool(4000), std::runtime_error);
    REQUIRE(setrlimit(RLIMIT_AS, &before) == 0);
    CHECK(ThreadPool(2).size() == 2);
}
