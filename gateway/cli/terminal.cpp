// SPDX-License-Identifier: GPL-3.0-only
#include "gateway/cli/terminal.h"

#include <cstdio>

#include <sys/ioctl.h>
#include <unistd.h>

namespace cortex::cli {

namespace {

const char* codeOf(Colour colour)
{
    switch (colour) {
    case Colour::None:
        return "";
    case Colour::Good:
        return "\x1b[32m";
    case Colour::Busy:
        return "\x1b[33m";
    case Colour::Bad:
        return "\x1b[31m";
    case Colour::Dim:
        return "\x1b[2m";
    case Colour::Strong:
        return "\x1b[1m";
    }
    return "";
}

bool isUtf8Locale()
{
    for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
        const QByteArray value = qgetenv(name).toUpper();
        if (!value.isEmpty())
            return value.contains("UTF-8") || value.contains("UTF8");
    }
    return false;
}

} // namespace

QString TerminalStyle::paint(const QString& text, Colour colour) const
{
    if (!colours || colour == Colour::None || text.isEmpty())
        return text;
    return QLatin1String(codeOf(colour)) + text + QLatin1String("\x1b[0m");
}

TerminalStyle TerminalStyle::detect()
{
    TerminalStyle style;
    const bool terminal = isatty(STDOUT_FILENO) == 1;
    style.colours = terminal && qEnvironmentVariableIsEmpty("NO_COLOR") && qgetenv("TERM") != "dumb";
    style.unicode = isUtf8Locale();
    winsize size{};
    if (terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        style.width = size.ws_col;
    return style;
}

void print(const QString& text)
{
    const QByteArray bytes = text.toUtf8();
    fwrite(bytes.constData(), 1, size_t(bytes.size()), stdout);
    fflush(stdout);
}

void printError(const QString& text)
{
    const QByteArray bytes = text.toUtf8() + '\n';
    fwrite(bytes.constData(), 1, size_t(bytes.size()), stderr);
}

QString printable(const QString& text)
{
    QString safe = text;
    for (QChar& c : safe) {
        if (c.category() == QChar::Other_Control || c == QChar(0x2028) || c == QChar(0x2029)
            || c.category() == QChar::Other_Format)
            c = QLatin1Char('?');
    }
    return safe;
}

} // namespace cortex::cli
