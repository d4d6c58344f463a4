// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QCommandLineParser>
#include <QStringList>

#include <optional>

namespace cortex::cli {

/// What `cortex SUBCOMMAND --help` says beside the list of options.
struct Manual {
    QString name; ///< "status"
    QString summary; ///< one line
    QString synopsis; ///< "cortex status [--url URL] …"
    QString description; ///< paragraphs, wrapped at 80 columns
    QString examples; ///< lines of shell
};

/// The arguments of one subcommand: QCommandLineParser with our help page, and exit codes instead of exit().
class CommandLine {
public:
    explicit CommandLine(const Manual& manual);

    QCommandLineParser& parser() { return m_parser; }
    /// Parses. An exit code where the program is done: 0 after --help, 2 after wrong use. `positional`: how many words
    /// the command takes, and what to call them in messages.
    std::optional<int> parse(const QStringList& arguments, int positional = 0, const QString& what = {});

private:
    QString help() const;

    Manual m_manual;
    QCommandLineParser m_parser;
};

/// --url, with CORTEX_URL as its default, for the commands that talk to a running gateway.
void addUrlOption(CommandLine& line);

} // namespace cortex::cli
