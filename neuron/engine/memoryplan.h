// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/engine.h"
#include "neuron/engine/models/modelgraph.h"
#include "neuron/engine/schedule/scheduler.h"

namespace cortex::engine {

/// Everything about a load that is decided before it begins.
struct MemoryLayout {
    MemoryPlan account;
    SchedulerLimits scheduler;
    StepLimits step;
    kernels::KvLayout cache;
    kernels::StateLayout state; ///< no layers where the model has none
    kernels::WorkspaceLimits workspace;
};

/// Decides sizes from what was asked for and what the device has. The policy:
///
/// - The context is what was asked for; else the model's own limit, or the longest that fits the budget.
/// - The cache holds 2048 tokens for each sequence (or a whole context, where that is shorter), but at least one whole
///   context and no more than fits the budget. Sequences share it block by block, so one may well have far more than
///   its part; when all want more than there is, the scheduler makes the youngest wait.
/// - A step has room for a prefill chunk of stepTokens and at least one row of every sequence.
///
/// `weights` is the account that WeightLoader took with `device`. Throws Error(BadRequest) for a context beyond the
/// model's limit. Whether it fits is in the account, not thrown.
MemoryLayout planMemory(const kernels::Device& device, ModelGraph& graph, const WeightAccount& weights,
                        const LoadOptions& options);

/// Throws Error(OutOfMemory), with what is needed, what there is and what would fit, unless the account fits.
void requireFit(const MemoryPlan& account, const std::string& model);

} // namespace cortex::engine
