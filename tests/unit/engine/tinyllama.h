// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/types.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace cortex::engine::tests {

/// Small random Llamas, the same as in tests/reference/tiny-llama.py, which also made the logits that are expected.
/// Variants: 0 GGUF, tied; 1 GGUF, untied, rope_freqs; 2 safetensors, llama3 scaling, biases; 3 safetensors, mistral
/// with sliding window and YaRN.
namespace tinyllama {

inline constexpr int Vocabulary = 80;
inline constexpr int ContextLimit = 256;

/// The tokens of the golden logits, 24 of them.
std::vector<int32_t> tokens();
/// [24, Vocabulary]
std::vector<float> expectedLogits(int variant);

/// Writes a variant: a GGUF file (0, 1; matrices in `type`: F32, F16, BF16 or Q8_0) or a directory (2, 3; BF16).
void write(int variant, const std::filesystem::path& path, kernels::Type type = kernels::Type::F32);

} // namespace tinyllama

/// A directory that is removed with everything in it.
class TemporaryDirectory {
public:
    TemporaryDirectory();
    ~TemporaryDirectory();
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    const std::filesystem::path& path() const { return m_path; }

private:
    std::filesystem::path m_path;
};

void writeFile(const std::filesystem::path& path, const std::string& bytes);
std::string readFile(const std::filesystem::path& path);

} // namespace cortex::engine::tests
