// SPDX-License-Identifier: GPL-3.0-only
#include "core/config/configreader.h"

#include "core/error.h"

#include <QDir>
#include <QFileInfo>

#include <cmath>

namespace cortex {

namespace {

QString fromToml(std::string_view text)
{
    return QString::fromUtf8(text.data(), static_cast<qsizetype>(text.size()));
}

std::string_view asView(const QByteArray& bytes)
{
    return {bytes.constData(), static_cast<size_t>(bytes.size())};
}

const char* kindOf(const toml::node* node)
{
    switch (node ? node->type() : toml::node_type::none) {
    case toml::node_type::table:
        return "a table";
    case toml::node_type::array:
        return "an array";
    case toml::node_type::string:
        return "a string";
    case toml::node_type::integer:
        return "a whole number";
    case toml::node_type::floating_point:
        return "a number with a fraction";
    case toml::node_type::boolean:
        return "a boolean";
    case toml::node_type::date:
    case toml::node_type::time:
    case toml::node_type::date_time:
        return "a date or time";
    case toml::node_type::none:
        break;
    }
    return "nothing";
}

QString place(const QString& file, const toml::source_region& source)
{
    return QStringLiteral("%1:%2").arg(file).arg(source.begin.line);
}

} // namespace

// ------------------------------------------------------------------------------------------------------ the source

ConfigSource::ConfigSource(const QByteArray& text, const QString& path, const QString& prefix,
                           const QProcessEnvironment& environment)
    : m_path(path)
{
    try {
        m_table = toml::parse(asView(text));
    } catch (const toml::parse_error& error) {
        throw InputError(QStringLiteral("%1: %2").arg(place(path, error.source()), fromToml(error.description())));
    }
    for (const QString& variable : environment.keys()) {
        if (prefix.isEmpty() || !variable.startsWith(prefix + QLatin1Char('_')))
            continue;
        const QString key = variable.mid(prefix.size() + 1).toLower().replace(QLatin1String("__"), QLatin1String("."));
        m_overrides.insert(key, {variable, environment.value(variable)});
    }
}

ConfigTable ConfigSource::root()
{
    return ConfigTable(*this, &m_table, {}, true);
}

void ConfigSource::finish() const
{
    for (auto it = m_overrides.cbegin(); it != m_overrides.cend(); ++it) {
        if (!it->used && it.key().contains(QLatin1Char('.')))
            throw InputError(QStringLiteral("the environment variable %1 sets the key %2, which does not exist")
                                 .arg(it->variable, it.key()));
    }
}

// ------------------------------------------------------------------------------------------------------- one table

ConfigTable::ConfigTable(ConfigSource& source, const toml::table* table, QString path, bool overridable)
    : m_source(&source)
    , m_table(table)
    , m_path(std::move(path))
    , m_overridable(overridable)
{
}

QString ConfigTable::pathOf(const QString& key) const
{
    return m_path.isEmpty() ? key : m_path + QLatin1Char('.') + key;
}

/// "file:line: path", or the variable's name; of the table itself where the key is absent.
QString ConfigTable::whereOf(const QString& key) const
{
    const auto over = m_source->m_overrides.constFind(pathOf(key));
    if (m_overridable && over != m_source->m_overrides.cend())
        return over->variable;
    const toml::node* const node = m_table ? m_table->get(asView(key.toUtf8())) : nullptr;
    const toml::node* const nearest = node ? node : m_table;
    const QString file =
        nearest && nearest->source().begin.line > 0 ? place(m_source->m_path, nearest->source()) : m_source->m_path;
    return QStringLiteral("%1: %2").arg(file, pathOf(key));
}

void ConfigTable::fail(const char* key, const QString& what) const
{
    throw InputError(QStringLiteral("%1: %2").arg(whereOf(QString::fromUtf8(key)), what));
}

void ConfigTable::failType(const Value& value, const char* expected, const toml::node* node)
{
    throw InputError(QStringLiteral("%1: expected %2, found %3")
                         .arg(value.where, QString::fromUtf8(expected), QLatin1String(kindOf(node))));
}

ConfigTable::Value ConfigTable::find(const QString& key, Text text)
{
    if (!m_known.contains(key))
        m_known.append(key);
    Value value;
    value.where = whereOf(key);
    value.node = m_table ? m_table->get(asView(key.toUtf8())) : nullptr;
    const auto over = m_source->m_overrides.find(pathOf(key));
    if (m_overridable && over != m_source->m_overrides.end()) {
        over->used = true;
        value.text = &*over;
        parseOverride(value, text);
    }
    return value;
}

void ConfigTable::parseOverride(Value& value, Text text) const
{
    const QByteArray raw = value.text->text.toUtf8();
    value.owner = std::make_shared<toml::table>();
    const bool isList = text == Text::List && !raw.trimmed().startsWith('[');
    if (isList) {
        toml::array list;
        for (const QByteArray& item : raw.split(',')) {
            if (!item.trimmed().isEmpty())
                list.push_back(item.trimmed().toStdString());
        }
        value.owner->insert("value", std::move(list));
    } else if (text == Text::Verbatim) {
        value.owner->insert("value", raw.toStdString());
    } else {
        try {
            *value.owner = toml::parse(asView("value = " + raw));
        } catch (const toml::parse_error& error) {
            throw InputError(
                QStringLiteral("%1: \"%2\": %3").arg(value.where, value.text->text, fromToml(error.description())));
        }
    }
    value.node = value.owner->get("value");
}

void ConfigTable::finish() const
{
    if (!m_table)
        return;
    for (const auto& [key, node] : *m_table) {
        const QString name = fromToml(key.str());
        if (m_known.contains(name))
            continue;
        QStringList known = m_known;
        known.sort();
        throw InputError(
            QStringLiteral("%1: unknown key %2; the keys here are %3")
                .arg(place(m_source->m_path, key.source()), pathOf(name), known.join(QStringLiteral(", "))));
    }
}

// ----------------------------------------------------------------------------------------------------------- values

QString ConfigTable::toString(const Value& value, const toml::node* node) const
{
    if (!node || !node->is_string())
        failType(value, "a string", node);
    return fromToml(node->as_string()->get());
}

qint64 ConfigTable::toInteger(const Value& value, const toml::node* node, qint64 low, qint64 high) const
{
    if (!node || !node->is_integer())
        failType(value, "a whole number", node);
    const qint64 number = node->as_integer()->get();
    if (number >= low && number <= high)
        return number;
    const bool hasHigh = high != std::numeric_limits<qint64>::max();
    throw InputError(
        hasHigh ? QStringLiteral("%1: %2 is not between %3 and %4").arg(value.where).arg(number).arg(low).arg(high)
                : QStringLiteral("%1: %2 is less than %3").arg(value.where).arg(number).arg(low));
}

QString ConfigTable::string(const char* key, const QString& absent)
{
    const Value value = find(QLatin1String(key), Text::Verbatim);
    return value ? toString(value, value.node) : absent;
}

QString ConfigTable::requiredString(const char* key)
{
    const Value value = find(QLatin1String(key), Text::Verbatim);
    if (!value)
        throw InputError(QStringLiteral("%1 is missing").arg(value.where));
    const QString text = toString(value, value.node);
    if (text.isEmpty())
        throw InputError(QStringLiteral("%1 is empty").arg(value.where));
    return text;
}

QString ConfigTable::oneOf(const char* key, const QStringList& values, const QString& absent)
{
    const QString text = string(key, absent);
    if (!values.contains(text))
        fail(key, QStringLiteral("\"%1\" is none of %2").arg(text, values.join(QStringLiteral(", "))));
    return text;
}

QString ConfigTable::absolutePath(const QString& path) const
{
    if (path == QLatin1String("~") || path.startsWith(QLatin1String("~/")))
        return QDir::cleanPath(QDir::homePath() + path.mid(1));
    const QDir folder = m_source->m_path.isEmpty() ? QDir::current() : QFileInfo(m_source->m_path).absoluteDir();
    return QDir::cleanPath(folder.absoluteFilePath(path));
}

QString ConfigTable::filePath(const char* key)
{
    const QString path = string(key);
    return path.isEmpty() ? path : absolutePath(path);
}

QStringList ConfigTable::filePaths(const char* key)
{
    QStringList paths = strings(key);
    for (QString& path : paths) {
        if (path.isEmpty())
            fail(key, QStringLiteral("a path is empty"));
        path = absolutePath(path);
    }
    return paths;
}

bool ConfigTable::boolean(const char* key, bool absent)
{
    const Value value = find(QLatin1String(key), Text::Toml);
    if (!value)
        return absent;
    if (!value.node || !value.node->is_boolean())
        failType(value, "true or false", value.node);
    return value.node->as_boolean()->get();
}

double ConfigTable::number(const char* key, double absent, double low)
{
    const Value value = find(QLatin1String(key), Text::Toml);
    if (!value)
        return absent;
    if (!value.node || !value.node->is_number())
        failType(value, "a number", value.node);
    const double number = value.node->is_integer() ? static_cast<double>(value.node->as_integer()->get())
                                                   : value.node->as_floating_point()->get();
    if (!std::isfinite(number) || number < low)
        fail(key, QStringLiteral("%1 is not a number of at least %2").arg(number).arg(low));
    return number;
}

qint64 ConfigTable::integer(const char* key, qint64 absent, qint64 low, qint64 high)
{
    const Value value = find(QLatin1String(key), Text::Toml);
    return value ? toInteger(value, value.node, low, high) : absent;
}

int ConfigTable::count(const char* key, int absent, int low)
{
    return static_cast<int>(integer(key, absent, low, std::numeric_limits<int>::max()));
}

std::optional<qint64> ConfigTable::optionalInteger(const char* key, qint64 low)
{
    const Value value = find(QLatin1String(key), Text::Toml);
    return value ? std::optional(toInteger(value, value.node, low, std::numeric_limits<qint64>::max())) : std::nullopt;
}

QStringList ConfigTable::strings(const char* key)
{
    const Value value = find(QLatin1String(key), Text::List);
    if (!value)
        return {};
    if (!value.node || !value.node->is_array())
        failType(value, "an array of strings", value.node);
    QStringList list;
    for (const toml::node& element : *value.node->as_array())
        list.append(toString(value, &element));
    return list;
}

QList<int> ConfigTable::counts(const char* key)
{
    const Value value = find(QLatin1String(key), Text::Toml);
    if (!value)
        return {};
    if (!value.node || !value.node->is_array())
        failType(value, "an array of whole numbers", value.node);
    QList<int> list;
    for (const toml::node& element : *value.node->as_array())
        list.append(static_cast<int>(toInteger(value, &element, 0, std::numeric_limits<int>::max())));
    return list;
}

// ----------------------------------------------------------------------------------------------------------- tables

ConfigTable ConfigTable::table(const char* key)
{
    const QString name = QString::fromUtf8(key);
    m_known.append(name);
    const toml::node* const node = m_table ? m_table->get(std::string_view(key)) : nullptr;
    if (node && !node->is_table())
        failType({node, nullptr, whereOf(name), nullptr}, "a table", node);
    return ConfigTable(*m_source, node ? node->as_table() : nullptr, pathOf(name), m_overridable);
}

QList<ConfigTable> ConfigTable::tables(const char* key)
{
    const QString name = QLatin1String(key);
    m_known.append(name);
    const toml::node* const node = m_table ? m_table->get(std::string_view(key)) : nullptr;
    if (!node)
        return {};
    const Value value{node, nullptr, whereOf(name), nullptr};
    if (!node->is_array())
        failType(value, "tables, each under [[…]]", node);
    QList<ConfigTable> list;
    for (const toml::node& element : *node->as_array()) {
        if (!element.is_table())
            failType(value, "tables, each under [[…]]", &element);
        list.append(ConfigTable(*m_source, element.as_table(), pathOf(name), false));
    }
    return list;
}

QList<std::pair<QString, ConfigTable>> ConfigTable::namedTables(const char* key)
{
    ConfigTable parent = table(key);
    QStringList names;
    if (parent.m_table) {
        for (const auto& [name, node] : *parent.m_table)
            names.append(fromToml(name.str()));
    }
    // A table may also exist in the environment alone: PREFIX_KEY__NAME__SOMETHING.
    const QString prefix = parent.m_path + QLatin1Char('.');
    for (auto it = m_source->m_overrides.cbegin(); m_overridable && it != m_source->m_overrides.cend(); ++it) {
        const QString name = it.key().startsWith(prefix) ? it.key().section(QLatin1Char('.'), 1, 1) : QString();
        if (!name.isEmpty() && !names.contains(name))
            names.append(name);
    }
    names.sort();
    QList<std::pair<QString, ConfigTable>> list;
    for (const QString& name : names)
        list.append({name, parent.table(name.toUtf8().constData())});
    return list;
}

QList<std::pair<QString, QString>> ConfigTable::stringEntries()
{
    QList<std::pair<QString, QString>> list;
    if (!m_table)
        return list;
    for (const auto& [key, node] : *m_table) {
        const QString name = fromToml(key.str());
        const Value value = find(name, Text::Verbatim);
        if (node.is_table())
            failType(value, "a string (a name with a dot in it stands in quotes)", value.node);
        list.append({name, toString(value, value.node)});
    }
    return list;
}

} // namespace cortex
