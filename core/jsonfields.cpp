// SPDX-License-Identifier: GPL-3.0-only
#include "core/jsonfields.h"

#include "core/error.h"

#include <cmath>
#include <limits>

namespace cortex {

namespace {

QString kindOf(const QJsonValue& value)
{
    switch (value.type()) {
    case QJsonValue::Null:
        return QStringLiteral("null");
    case QJsonValue::Bool:
        return QStringLiteral("a boolean");
    case QJsonValue::Double:
        return QStringLiteral("a number");
    case QJsonValue::String:
        return QStringLiteral("a string");
    case QJsonValue::Array:
        return QStringLiteral("an array");
    case QJsonValue::Object:
        return QStringLiteral("an object");
    case QJsonValue::Undefined:
        break;
    }
    return QStringLiteral("nothing");
}

[[noreturn]] void failType(const QString& path, const QString& expected, const QJsonValue& found)
{
    throw InputError(QStringLiteral("%1: expected %2, found %3").arg(path, expected, kindOf(found)));
}

QString toText(const QString& path, const QJsonValue& value)
{
    if (!value.isString())
        failType(path, QStringLiteral("a string"), value);
    return value.toString();
}

bool toBoolean(const QString& path, const QJsonValue& value)
{
    if (!value.isBool())
        failType(path, QStringLiteral("true or false"), value);
    return value.toBool();
}

double toNumber(const QString& path, const QJsonValue& value)
{
    if (!value.isDouble())
        failType(path, QStringLiteral("a number"), value);
    return value.toDouble();
}

qint64 toWhole(const QString& path, const QJsonValue& value, qint64 low, qint64 high)
{
    if (!value.isDouble())
        failType(path, QStringLiteral("a whole number"), value);
    const double number = value.toDouble();
    if (number != std::floor(number))
        throw InputError(QStringLiteral("%1: expected a whole number, found %2").arg(path).arg(number));
    // Compared as doubles first: a number beyond qint64 must not be converted.
    if (number < static_cast<double>(low) || number > static_cast<double>(high))
        throw InputError(QStringLiteral("%1: %2 is not between %3 and %4").arg(path).arg(number).arg(low).arg(high));
    return static_cast<qint64>(number);
}

JsonFields toFields(const QString& path, const QJsonValue& value)
{
    if (!value.isObject())
        failType(path, QStringLiteral("an object"), value);
    return JsonFields(value.toObject(), path);
}

QString elementPath(const QString& path, qsizetype index)
{
    return QStringLiteral("%1[%2]").arg(path).arg(index);
}

} // namespace

QString JsonFields::pathOf(QLatin1String key) const
{
    return m_path.isEmpty() ? QString(key) : m_path + QLatin1Char('.') + key;
}

bool JsonFields::has(QLatin1String key) const
{
    const QJsonValue value = m_object.value(key);
    return !value.isUndefined() && !value.isNull();
}

QJsonValue JsonFields::required(QLatin1String key) const
{
    if (!has(key))
        throw InputError(QStringLiteral("%1 is missing").arg(pathOf(key)));
    return m_object.value(key);
}

void JsonFields::fail(QLatin1String key, const QString& what) const
{
    throw InputError(QStringLiteral("%1: %2").arg(pathOf(key), what));
}

QString JsonFields::string(QLatin1String key) const
{
    return toText(pathOf(key), required(key));
}

QString JsonFields::string(QLatin1String key, const QString& absent) const
{
    return has(key) ? string(key) : absent;
}

bool JsonFields::boolean(QLatin1String key) const
{
    return toBoolean(pathOf(key), required(key));
}

bool JsonFields::boolean(QLatin1String key, bool absent) const
{
    return has(key) ? boolean(key) : absent;
}

double JsonFields::number(QLatin1String key) const
{
    return toNumber(pathOf(key), required(key));
}

double JsonFields::number(QLatin1String key, double absent) const
{
    return has(key) ? number(key) : absent;
}

qint64 JsonFields::integer(QLatin1String key, qint64 low, qint64 high) const
{
    return toWhole(pathOf(key), required(key), low, high);
}

qint64 JsonFields::integerOr(QLatin1String key, qint64 absent, qint64 low, qint64 high) const
{
    return has(key) ? integer(key, low, high) : absent;
}

int JsonFields::count(QLatin1String key) const
{
    return static_cast<int>(integer(key, 0, std::numeric_limits<int>::max()));
}

int JsonFields::count(QLatin1String key, int absent) const
{
    return has(key) ? count(key) : absent;
}

std::optional<QString> JsonFields::optionalString(QLatin1String key) const
{
    return has(key) ? std::optional(string(key)) : std::nullopt;
}

std::optional<double> JsonFields::optionalNumber(QLatin1String key) const
{
    return has(key) ? std::optional(number(key)) : std::nullopt;
}

JsonFields JsonFields::object(QLatin1String key) const
{
    return toFields(pathOf(key), required(key));
}

std::optional<JsonFields> JsonFields::optionalObject(QLatin1String key) const
{
    return has(key) ? std::optional(object(key)) : std::nullopt;
}

template <typename T, typename Read>
QList<T> JsonFields::array(QLatin1String key, const QJsonValue& value, Read read) const
{
    if (!value.isArray())
        failType(pathOf(key), QStringLiteral("an array"), value);
    const QJsonArray elements = value.toArray();
    QList<T> result;
    result.reserve(elements.size());
    for (qsizetype i = 0; i < elements.size(); ++i)
        result.append(read(elementPath(pathOf(key), i), elements.at(i)));
    return result;
}

QList<JsonFields> JsonFields::objects(QLatin1String key) const
{
    return array<JsonFields>(key, required(key), toFields);
}

QStringList JsonFields::strings(QLatin1String key) const
{
    return has(key) ? array<QString>(key, required(key), toText) : QStringList();
}

QList<int> JsonFields::counts(QLatin1String key) const
{
    const auto read = [](const QString& path, const QJsonValue& value) {
        return static_cast<int>(toWhole(path, value, 0, std::numeric_limits<int>::max()));
    };
    return has(key) ? array<int>(key, required(key), read) : QList<int>();
}

QList<JsonFields> jsonObjects(const QJsonArray& array, const QString& name)
{
    QList<JsonFields> result;
    result.reserve(array.size());
    for (qsizetype i = 0; i < array.size(); ++i)
        result.append(toFields(elementPath(name, i), array.at(i)));
    return result;
}

} // namespace cortex
