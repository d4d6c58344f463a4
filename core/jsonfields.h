// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QJsonArray>
#include <QJsonObject>
#include <QList>
#include <QString>
#include <QStringList>

#include <functional>
#include <optional>

namespace cortex {

/// Reads the fields of a JSON object with their types checked. Every error is an InputError that names the field by its
/// whole path ("devices[2].vram_used_mb: expected a whole number, found a string"). A field that is null counts as
/// absent. The object is copied (implicitly shared), so a JsonFields may outlive the variable that it was made from.
class JsonFields {
public:
    explicit JsonFields(QJsonObject object, QString path = {})
        : m_object(std::move(object))
        , m_path(std::move(path))
    {
    }

    bool has(QLatin1String key) const;

    QString string(QLatin1String key) const;
    QString string(QLatin1String key, const QString& absent) const;
    bool boolean(QLatin1String key) const;
    bool boolean(QLatin1String key, bool absent) const;
    double number(QLatin1String key) const;
    double number(QLatin1String key, double absent) const;
    /// Whole numbers between `low` and `high`.
    qint64 integer(QLatin1String key, qint64 low = 0, qint64 high = Limit) const;
    qint64 integerOr(QLatin1String key, qint64 absent, qint64 low = 0, qint64 high = Limit) const;
    /// A whole number from 0 to the largest int.
    int count(QLatin1String key) const;
    int count(QLatin1String key, int absent) const;

    std::optional<QString> optionalString(QLatin1String key) const;
    std::optional<double> optionalNumber(QLatin1String key) const;

    JsonFields object(QLatin1String key) const;
    std::optional<JsonFields> optionalObject(QLatin1String key) const;
    QList<JsonFields> objects(QLatin1String key) const; ///< an array of objects
    QStringList strings(QLatin1String key) const; ///< an array of strings; absent is empty
    QList<int> counts(QLatin1String key) const; ///< an array of whole numbers; absent is empty

    /// Throws the InputError for a value of `key` that is of the right type and still cannot be used.
    [[noreturn]] void fail(QLatin1String key, const QString& what) const;

private:
    static constexpr qint64 Limit = 1LL << 53; ///< beyond it a double skips whole numbers
    QJsonValue required(QLatin1String key) const;
    QString pathOf(QLatin1String key) const;
    template <typename T, typename Read>
    QList<T> array(QLatin1String key, const QJsonValue& value, Read read) const;

    QJsonObject m_object;
    QString m_path;
};

/// The objects of an array that is a message of its own; `name` stands in error texts ("models[3]").
QList<JsonFields> jsonObjects(const QJsonArray& array, const QString& name);

} // namespace cortex
