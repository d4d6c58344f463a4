// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/daemon/openai/jsonreader.h"

#include <QString>

#include <optional>
#include <string>
#include <vector>

/// Typed access to the fields of a request body. A field that is absent or null gives nothing; one of the wrong type or
/// out of range throws ApiError 400 naming it.
namespace cortex::neuron {

/// The top-level object of a body.
Json parseObject(QByteArrayView body);

const Json* findField(const Json& object, const char* name); ///< null for absent and for JSON null
std::optional<std::string> stringField(const Json& object, const char* name);
std::optional<bool> boolField(const Json& object, const char* name);
std::optional<int64_t> integerField(const Json& object, const char* name, int64_t least, int64_t most);
std::optional<double> numberField(const Json& object, const char* name, double least, double most);

/// Token ids: a list of integers in int32 range. `name` is for messages.
std::vector<int32_t> tokenList(const Json& list, const char* name);

/// `name` has the wrong type or value.
[[noreturn]] void throwBadField(const char* name, const QString& expected);

} // namespace cortex::neuron
