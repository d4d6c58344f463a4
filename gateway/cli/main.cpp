// SPDX-License-Identifier: GPL-3.0-only
#include "core/logging.h"
#include "core/version.h"
#include "gateway/cli/commands.h"
#include "gateway/cli/terminal.h"

#include <QCoreApplication>

#include <array>

using namespace cortex::cli;

namespace {

struct Command {
    const char* name;
    const char* summary;
    int (*run)(const QStringList& arguments);
};

constexpr std::array commands{
    Command{"serve", "run the gateway without a window", serve},
    Command{"status", "show the nodes, their devices and the models", status},
    Command{"models", "list the models that can be asked for", models},
    Command{"load", "load a model on a node", load},
    Command{"unload", "unload a model", unload},
};

QString usage()
{
    QString text = QStringLiteral("cortex - one endpoint for a fleet of GPU boxes\n\n"
                                  "usage: cortex COMMAND [OPTIONS]\n\n");
    for (const Command& command : commands)
        text += QStringLiteral("  %1  %2\n").arg(QLatin1String(command.name), -8).arg(QLatin1String(command.summary));
    return text
        + QStringLiteral("\n'cortex COMMAND --help' tells more. 'cortex --version' prints the version.\n"
                         "Commands other than serve talk to $CORTEX_URL, else to http://127.0.0.1:31313.\n");
}

} // namespace

int main(int argc, char** argv)
{
    // Qt's own event dispatcher serves thousands of sockets several times faster than GLib's.
    if (!qEnvironmentVariableIsSet("QT_NO_GLIB"))
        qputenv("QT_NO_GLIB", "1");
    cortex::installLogging();
    QCoreApplication application(argc, argv);
    QCoreApplication::setApplicationName(QStringLiteral("cortex"));
    const QStringList arguments = QCoreApplication::arguments();
    const QString name = arguments.value(1);
    if (name == QLatin1String("--help") || name == QLatin1String("-h") || name == QLatin1String("help")) {
        print(usage());
        return Done;
    }
    if (name == QLatin1String("--version")) {
        print(QStringLiteral("cortex %1\n").arg(cortex::version()));
        return Done;
    }
    for (const Command& command : commands) {
        if (name == QLatin1String(command.name))
            return command.run(arguments.mid(2));
    }
    if (name.isEmpty())
        printError(usage().trimmed());
    else
        printError(QStringLiteral("cortex: there is no command '%1'. Try 'cortex --help'.").arg(printable(name)));
    return WrongUse;
}
