// SPDX-License-Identifier: GPL-3.0-only
#include "core/logging.h"

#include <QDateTime>
#include <QLoggingCategory>

#include <unistd.h>

namespace cortex {

namespace {

struct Level {
    const char* name;
    const char* priority; ///< syslog's, as the journal reads it from the beginning of a line
};

Level levelOf(QtMsgType type)
{
    switch (type) {
    case QtDebugMsg:
        return {"debug", "<7>"};
    case QtInfoMsg:
        return {"info", "<6>"};
    case QtWarningMsg:
        return {"warning", "<4>"};
    case QtCriticalMsg:
        return {"error", "<3>"};
    case QtFatalMsg:
        return {"fatal", "<2>"};
    }
    Q_UNREACHABLE();
}

void handleMessage(QtMsgType type, const QMessageLogContext& context, const QString& text)
{
    static const bool toJournal = qEnvironmentVariableIsSet("JOURNAL_STREAM") && !isatty(STDERR_FILENO);
    const QByteArray line = logLine(type, context.category, text, toJournal);
    // One call, so that the lines of two threads do not mix. There is nowhere to report a failure to.
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.constData(), static_cast<size_t>(line.size()));
}

} // namespace

QByteArray logLine(QtMsgType type, const char* category, const QString& text, bool toJournal)
{
    const Level level = levelOf(type);
    QByteArray line;
    if (toJournal)
        line = level.priority;
    else
        line = QDateTime::currentDateTimeUtc().toString(Qt::ISODateWithMs).toLatin1() + ' ' + level.name + ' ';
    if (category && qstrcmp(category, "default") != 0)
        line += QByteArray(category) + ": ";
    QByteArray bytes = text.toUtf8();
    bytes.replace('\r', "\\r").replace('\n', "\\n"); // foreign text cannot forge a line of its own
    return line + bytes + '\n';
}

void installLogging()
{
    qInstallMessageHandler(handleMessage);
    // The default rules; QT_LOGGING_RULES and QT_LOGGING_CONF come after them and win.
    QLoggingCategory::setFilterRules(QStringLiteral("*.debug=false\n"));
}

} // namespace cortex
