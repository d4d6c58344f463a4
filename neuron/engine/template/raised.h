// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <string>

namespace cortex::engine::jinja {

/// The template called raise_exception: its own message, which is for the client who sent the conversation.
struct Raised {
    std::string message;
};

} // namespace cortex::engine::jinja
