// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/openai/fields.h"

#include "neuron/daemon/apierror.h"

#include <cmath>
#include <limits>

namespace cortex::neuron {

void throwBadField(const char* name, const QString& expected)
{
    const QString field = QLatin1String(name);
    throw ApiError::badRequest(QStringLiteral("Invalid value for '%1': expected %2").arg(field, expected), field);
}

Json parseObject(QByteArrayView body)
{
    Json json = parseJson(body);
    if (!json.is_object())
        throw ApiError::badRequest(QStringLiteral("the body must be a JSON object"));
    return json;
}

const Json* findField(const Json& object, const char* name)
{
    const auto field = object.find(name);
    return field == object.end() || field->is_null() ? nullptr : &*field;
}

std::optional<std::string> stringField(const Json& object, const char* name)
{
    const Json* field = findField(object, name);
    if (!field)
        return std::nullopt;
    if (!field->is_string())
        throwBadField(name, QStringLiteral("a string"));
    return field->get<std::string>();
}

std::optional<bool> boolField(const Json& object, const char* name)
{
    const Json* field = findField(object, name);
    if (!field)
        return std::nullopt;
    if (!field->is_boolean())
        throwBadField(name, QStringLiteral("true or false"));
    return field->get<bool>();
}

std::optional<int64_t> integerField(const Json& object, const char* name, int64_t least, int64_t most)
{
    const Json* field = findField(object, name);
    if (!field)
        return std::nullopt;
    const QString expected = QStringLiteral("an integer from %1 to %2").arg(least).arg(most);
    int64_t value = 0;
    if (field->is_number_unsigned()) {
        if (field->get<uint64_t>() > uint64_t(std::numeric_limits<int64_t>::max()))
            throwBadField(name, expected);
        value = int64_t(field->get<uint64_t>());
    } else if (field->is_number_integer()) {
        value = field->get<int64_t>();
    } else if (field->is_number_float()) { // 16.0 is an integer to some clients
        const double number = field->get<double>();
        if (std::trunc(number) != number || std::abs(number) > 9e15)
            throwBadField(name, expected);
        value = int64_t(number);
    } else {
        throwBadField(name, expected);
    }
    if (value < least || value > most)
        throwBadField(name, expected);
    return value;
}

std::optional<double> numberField(const Json& object, const char* name, double least, double most)
{
    const Json* field = findField(object, name);
    if (!field)
        return std::nullopt;
    const QString expected = QStringLiteral("a number from %1 to %2").arg(least).arg(most);
    if (!field->is_number())
        throwBadField(name, expected);
    const double value = field->get<double>();
    if (!(value >= least && value <= most)) // also refuses NaN
        throwBadField(name, expected);
    return value;
}

std::vector<int32_t> tokenList(const Json& list, const char* name)
{
    std::vector<int32_t> tokens;
    tokens.reserve(list.size());
    for (const Json& item : list) {
        const bool small =
            item.is_number_unsigned() && item.get<uint64_t>() <= uint64_t(std::numeric_limits<int32_t>::max());
        if (!small)
            throwBadField(name, QStringLiteral("a list of token ids"));
        tokens.push_back(item.get<int32_t>());
    }
    return tokens;
}

} // namespace cortex::neuron
