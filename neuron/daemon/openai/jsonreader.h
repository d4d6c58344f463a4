// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QByteArrayView>

#include <nlohmann/json.hpp>

namespace cortex::neuron {

/// JSON whose objects keep their order: what a chat template shows of a tool must stand as the client wrote it. (QJson
/// sorts keys; the engine's template context is this type.)
using Json = nlohmann::ordered_json;

/// Parses one JSON text from the network. Linear in its size, also for objects of very many keys; of double keys the
/// last counts. Throws ApiError 400 for text that is not JSON, nesting above 128 levels or more than two million
/// values.
Json parseJson(QByteArrayView bytes);

} // namespace cortex::neuron
