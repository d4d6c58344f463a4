// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace cortex::engine {

/// What went wrong, for callers that must answer with a status or an exit code.
enum class ErrorKind {
    NotFound,       ///< no such file or model
    BadFile,        ///< a model, tokenizer or template file is damaged or hostile
    Unsupported,    ///< well-formed, but an architecture, tensor type or tokenizer that we do not run
    BadRequest,     ///< a request that can never succeed
    ContextExceeded,///< prompt longer than the context
    QueueFull,      ///< try again later
    OutOfMemory,    ///< does not fit the device
    TemplateRaised, ///< the chat template called raise_exception
    Cancelled,
    Internal,
};

/// The engine's one exception. The message says what, where (file, tensor, offset, line) and what to do, in one line,
/// and is fit for an operator's eyes as it stands.
class Error : public std::runtime_error {
public:
    Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), m_kind(kind) {}
    ErrorKind kind() const { return m_kind; }

private:
    ErrorKind m_kind;
};

} // namespace cortex::engine
