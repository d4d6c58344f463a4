// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "gateway/fleetstate.h"
#include "gateway/routeerror.h"

#include <chrono>

namespace cortex {

/// What to do with a request for a model, now.
struct Decision {
    enum class Kind {
        Lease, ///< send it to `node`, which has the model loaded and has room
        Load, ///< load the model on `node`, and ask again when that ends
        Wait, ///< something under way will change the picture; ask again when it does
        Reject, ///< `error` is the answer
    };
    Kind kind = Kind::Reject;
    QString node;
    RouteError error;
};

/// How long a node whose load of a model failed is left out when that model is asked for again.
inline constexpr std::chrono::milliseconds failedLoadHold{15'000};

/// The router's decision for one request, as a pure function of the state: the rules 2 to 6 of gateway/README.md.
/// `model` is a resolved id; `nowMs` is of the clock that stamped the state's failures.
Decision decide(const FleetState& state, const QString& model, qint64 nowMs);

/// Whether a load that failed a moment ago is held against its node: for requests it is, a person may always try again.
enum class FailedLoads { Count, Ignored };

/// Where a load of `model` would go: Load with a node, or Reject. decide without the replicas; the operator's `load`
/// asks it.
Decision place(const FleetState& state, const QString& model, qint64 nowMs, FailedLoads failed);

/// Whether `node`, being online, has `model` loaded and was not told to unload it: rule 2.
bool isServing(const FleetState& state, const QString& node, const QString& model);

/// The first such node; empty where there is none.
QString servingNode(const FleetState& state, const QString& model);

/// The online node that reports a load or a fetch of `model` under way; empty where none does.
QString workingNode(const FleetState& state, const QString& model);

/// Why `node` cannot take a load of `model`, for people; empty where it can.
QString obstacle(const FleetState& state, const QString& node, const QString& model, qint64 nowMs, FailedLoads failed);

} // namespace cortex
