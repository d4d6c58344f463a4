// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QString>

#include <stdexcept>

namespace cortex {

/// The Qt side's exception for input that cannot be used (a config file, a message from another program). The text says
/// what, where and what to do, in one line. Thrown by parsers, caught where the answer is given (main, a route).
class InputError : public std::runtime_error {
public:
    explicit InputError(const QString& message)
        : std::runtime_error(message.toStdString())
        , m_message(message)
    {
    }
    const QString& message() const { return m_message; }

private:
    QString m_message;
};

} // namespace cortex
