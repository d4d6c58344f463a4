// SPDX-License-Identifier: GPL-3.0-only
#include "gateway/cli/commandline.h"

#include "gateway/cli/commands.h"
#include "gateway/cli/terminal.h"

#include <QProcessEnvironment>

namespace cortex::cli {

namespace {

QString indented(const QString& text)
{
    QString result;
    for (const QString& line : text.split(QLatin1Char('\n')))
        result += line.isEmpty() ? QStringLiteral("\n") : QStringLiteral("    %1\n").arg(line);
    return result;
}

QString section(const QString& title, const QString& text)
{
    return text.isEmpty() ? QString() : QStringLiteral("%1\n%2\n").arg(title, indented(text));
}

} // namespace

CommandLine::CommandLine(const Manual& manual)
    : m_manual(manual)
{
    m_parser.addOption({{QStringLiteral("h"), QStringLiteral("help")}, QStringLiteral("Shows this page.")});
}

/// QCommandLineParser's own page without its usage line: the list of options.
QString CommandLine::help() const
{
    const QString page = m_parser.helpText();
    const qsizetype options = page.indexOf(QLatin1String("Options:\n"));
    QString list = options < 0 ? QString() : page.mid(options + 9);
    const qsizetype end = list.indexOf(QLatin1String("\n\n"));
    if (end >= 0)
        list.truncate(end);
    return section(QStringLiteral("NAME"), QStringLiteral("cortex %1 - %2").arg(m_manual.name, m_manual.summary))
        + section(QStringLiteral("SYNOPSIS"), m_manual.synopsis)
        + section(QStringLiteral("DESCRIPTION"), m_manual.description)
        + QStringLiteral("OPTIONS\n%1\n\n")
              .arg(list.trimmed().isEmpty() ? QString() : QStringLiteral("  ") + list.trimmed())
        + section(QStringLiteral("EXIT STATUS"),
                  QStringLiteral("0  done\n1  it failed; the reason is on standard error\n2  wrong use"))
        + section(QStringLiteral("EXAMPLES"), m_manual.examples).trimmed() + QLatin1Char('\n');
}

std::optional<int> CommandLine::parse(const QStringList& arguments, int positional, const QString& what)
{
    const bool understood = m_parser.parse(QStringList{QStringLiteral("cortex")} + arguments);
    if (understood && m_parser.isSet(QStringLiteral("help"))) {
        print(help());
        return Done;
    }
    QString wrong = understood ? QString() : m_parser.errorText();
    const qsizetype given = m_parser.positionalArguments().size();
    if (understood && given < positional)
        wrong = QStringLiteral("%1 is missing.").arg(what);
    else if (understood && given > positional)
        wrong = QStringLiteral("Unexpected argument '%1'.").arg(m_parser.positionalArguments().at(positional));
    if (wrong.isEmpty())
        return std::nullopt;
    printError(QStringLiteral("cortex %1: %2 Try 'cortex %1 --help'.").arg(m_manual.name, wrong));
    return WrongUse;
}

void addUrlOption(CommandLine& line)
{
    const QString fromEnvironment = QProcessEnvironment::systemEnvironment().value(
        QStringLiteral("CORTEX_URL"), QStringLiteral("http://127.0.0.1:31313"));
    line.parser().addOption(
        {QStringLiteral("url"),
         QStringLiteral("The gateway's address. Default: $CORTEX_URL, else http://127.0.0.1:31313. A key for "
                        "it is taken from $CORTEX_API_KEY."),
         QStringLiteral("url"), fromEnvironment});
}

} // namespace cortex::cli
