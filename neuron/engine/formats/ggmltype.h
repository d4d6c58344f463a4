// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/types.h"

#include <cstdint>
#include <optional>
#include <string>

namespace cortex::engine {

/// The type that a GGUF file means by a number (`enum ggml_type`), or nothing where we do not read it.
std::optional<kernels::Type> typeFromGgml(uint32_t number);

/// The number that GGUF files have for a type.
uint32_t ggmlNumber(kernels::Type type);

/// A number's name for messages, of those that we do not read, too: "TQ1_0"; "ggml type 99" where we know none.
std::string ggmlTypeName(uint32_t number);

} // namespace cortex::engine
