// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QString>

namespace cortex {

/// The version of this build, as the project's CMakeLists.txt has it: "0.1.0".
QString version();

} // namespace cortex
