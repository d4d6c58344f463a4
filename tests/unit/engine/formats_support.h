// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/error.h"
#include "neuron/engine/formats/mappedfile.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>

#include <unistd.h>

inline std::shared_ptr<const cortex::engine::MappedFile> fileOf(std::string_view bytes,
                                                                const std::string& name = "test.bin")
{
    return cortex::engine::MappedFile::fromBytes(name, std::as_bytes(std::span(bytes.data(), bytes.size())));
}

/// Runs `read`, which must throw an Error of `kind` whose message holds each of `parts`.
template <typename Read>
void checkRefused(Read read, cortex::engine::ErrorKind kind, std::initializer_list<std::string_view> parts)
{
    try {
        read();
        FAIL_CHECK("was accepted");
    } catch (const cortex::engine::Error& error) {
        const std::string message = error.what();
        INFO(message);
        CHECK(error.kind() == kind);
        for (const std::string_view part : parts) {
            INFO("looking for: ", part);
            CHECK(message.find(part) != std::string::npos);
        }
        CHECK(message.find('\n') == std::string::npos);
    }
}

/// A folder that is gone with the object.
class TemporaryFolder {
public:
    TemporaryFolder()
    {
        std::string pattern = (std::filesystem::temp_directory_path() / "cortex-test-XXXXXX").string();
        REQUIRE(::mkdtemp(pattern.data()) != nullptr);
        m_path = pattern;
    }
    ~TemporaryFolder() { std::filesystem::remove_all(m_path); }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;

    const std::filesystem::path& path() const { return m_path; }
    std::filesystem::path write(const std::string& name, std::string_view bytes) const
    {
        std::ofstream(m_path / name, std::ios::binary) << bytes;
        return m_path / name;
    }

private:
    std::filesystem::path m_path;
};

/// Reads `good` truncated at every length and with random bytes changed; each must be read or refused by an Error. Any
/// other exception fails the test; so does a sanitizer.
template <typename Read>
void checkDamaged(const std::string& good, Read read)
{
    const auto attempt = [&](const std::string& bytes) {
        try {
            read(bytes);
        } catch (const cortex::engine::Error& error) {
            CHECK(std::string_view(error.what()).size() < 2000);
        }
    };
    for (size_t length = 0; length < good.size(); length += good.size() < 4096 ? 1 : 37)
        attempt(good.substr(0, length));
    std::mt19937 random(7);
    for (int round = 0; round < 3000; ++round) {
        std::string bytes = good;
        for (unsigned changes = 1 + random() % 4; changes > 0; --changes)
            bytes[random() % bytes.size()] = char(random());
        attempt(bytes);
    }
}
