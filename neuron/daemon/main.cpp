// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/hub/pullcommand.h"
#include "neuron/daemon/program/serve.h"

#include <QCoreApplication>
#include <QHash>

#include <functional>

#include <signal.h>

using namespace cortex::neuron;

int main(int argc, char** argv)
{
    qputenv("QT_NO_GLIB", "1"); // Qt's own dispatcher moves several times the events of GLib's
    qputenv("QT_FORCE_STDERR_LOGGING", "1");
    qSetMessagePattern(
        QStringLiteral("%{time yyyy-MM-ddTHH:mm:ss.zzz} %{type} %{if-category}%{category}: %{endif}%{message}"));
    signal(SIGPIPE, SIG_IGN); // a client that hangs up is an ordinary error of a write

    QCoreApplication app(argc, argv);
    QCoreApplication::setApplicationName(QStringLiteral("neuron"));
    QCoreApplication::setApplicationVersion(QStringLiteral(CORTEX_VERSION));

    const QHash<QString, std::function<int(const QStringList&)>> subcommands = {
        {QStringLiteral("serve"), runServe},
        {QStringLiteral("pull"), runPull},
    };
    QStringList arguments = QCoreApplication::arguments();
    const auto subcommand = subcommands.constFind(arguments.value(1));
    if (subcommand == subcommands.cend())
        return runServe(arguments);
    arguments.removeAt(1);
    return (*subcommand)(arguments);
}
