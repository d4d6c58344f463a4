// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QHash>
#include <QProcessEnvironment>
#include <QString>
#include <QStringList>

#include <toml++/toml.h>

#include <limits>
#include <memory>
#include <optional>

namespace cortex {

class ConfigTable;

/// A TOML file with the environment laid over it. Keys are read by type through ConfigTable; what was never asked for
/// is unknown and an error. Every error is an InputError: "FILE:LINE: table.key: what is wrong".
///
/// PREFIX_TABLE__KEY=text overrides table.key, and PREFIX_KEY a key outside tables. Text stands for a string as it is,
/// and for other types as in TOML; a list of strings may be written with commas alone.
class ConfigSource {
public:
    /// `path` stands in messages, and relative paths count from its folder. Throws InputError for text that is not
    /// TOML.
    ConfigSource(const QByteArray& text, const QString& path, const QString& prefix,
                 const QProcessEnvironment& environment);

    ConfigTable root();
    /// After all tables were read: throws for a variable with "__" that overrides nothing. (One without may be somebody
    /// else's that happens to share the prefix.)
    void finish() const;

private:
    friend class ConfigTable;
    struct Override {
        QString variable;
        QString text;
        bool used = false;
    };

    QString m_path;
    toml::table m_table;
    QHash<QString, Override> m_overrides; ///< by dotted key
};

/// One table. Its getters return the file's or the environment's value, or `absent`.
class ConfigTable {
public:
    QString string(const char* key, const QString& absent = {});
    QString requiredString(const char* key); ///< and not empty
    QString oneOf(const char* key, const QStringList& values, const QString& absent);
    QString filePath(const char* key); ///< absolute; "~/" is the home directory; empty where absent
    QStringList filePaths(const char* key);
    bool boolean(const char* key, bool absent);
    double number(const char* key, double absent, double low);
    qint64 integer(const char* key, qint64 absent, qint64 low, qint64 high = std::numeric_limits<qint64>::max());
    int count(const char* key, int absent, int low = 0);
    std::optional<qint64> optionalInteger(const char* key, qint64 low);
    QStringList strings(const char* key);
    QList<int> counts(const char* key);

    ConfigTable table(const char* key); ///< empty where absent
    QList<ConfigTable> tables(const char* key); ///< [[key]]
    QList<std::pair<QString, ConfigTable>> namedTables(const char* key); ///< [key.NAME], by name
    QList<std::pair<QString, QString>> stringEntries(); ///< all keys, whatever they are called

    /// Throws for keys that were not asked for.
    void finish() const;
    [[noreturn]] void fail(const char* key, const QString& what) const;

private:
    friend class ConfigSource;
    /// A value and where it stands: in the file, or parsed from the environment.
    struct Value {
        const toml::node* node = nullptr;
        std::shared_ptr<toml::table> owner; ///< of a node from the environment
        QString where;
        const ConfigSource::Override* text = nullptr;
        explicit operator bool() const { return node || text; }
    };
    enum class Text { Verbatim, List, Toml };

    ConfigTable(ConfigSource& source, const toml::table* table, QString path, bool overridable);
    Value find(const QString& key, Text text);
    void parseOverride(Value& value, Text text) const;
    QString pathOf(const QString& key) const;
    QString whereOf(const QString& key) const;
    QString toString(const Value& value, const toml::node* node) const;
    qint64 toInteger(const Value& value, const toml::node* node, qint64 low, qint64 high) const;
    QString absolutePath(const QString& path) const;
    [[noreturn]] static void failType(const Value& value, const char* expected, const toml::node* node);

    ConfigSource* m_source;
    const toml::table* m_table; ///< null where the file has none
    QString m_path; ///< dotted; empty for the root
    bool m_overridable; ///< false within [[…]], whose elements have no names
    QStringList m_known;
};

} // namespace cortex
