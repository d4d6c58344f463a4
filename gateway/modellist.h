// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/fleet/types.h"

#include <optional>

namespace cortex {

/// /v1/models in OpenAI's shape, one entry per model that the fleet knows and can serve and one per alias (which has
/// "alias_of"). Beside OpenAI's fields: "status", "limit", "capabilities". `created` is in Unix seconds.
QJsonObject modelList(const FleetSnapshot& fleet, qint64 created);

/// One entry of that list; nothing where no entry has the id.
std::optional<QJsonObject> modelListEntry(const FleetSnapshot& fleet, const QString& id, qint64 created);

} // namespace cortex
