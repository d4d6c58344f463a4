// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <string>

namespace cortex::kernels {

/// "AMD EPYC 9354", as the kernel reports it.
std::string processorName();

/// Physical cores among the CPUs that this process may run on, and no more than its control group's quota.
int physicalCores();

} // namespace cortex::kernels
