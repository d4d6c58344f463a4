// SPDX-License-Identifier: GPL-3.0-only
#include "core/version.h"

namespace cortex {

QString version()
{
    return QStringLiteral(CORTEX_VERSION);
}

} // namespace cortex
