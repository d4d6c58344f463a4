// SPDX-License-Identifier: GPL-3.0-only
#include "core/logging.h"
#include "core/version.h"
#include "neuron/daemon/hub/pullcommand.h"
#include "neuron/daemon/program/serve.h"

#include <QCoreApplication>
#include <QHash>

using namespace cortex::neuron;

int main(int argc, char** argv)
{
    qputenv("QT_NO_GLIB", "1"); // Qt's own dispatcher moves several times the events of GLib's
    cortex::installLogging();
    QCoreApplication app(argc, argv);
    QCoreApplication::setApplicationName(QStringLiteral("neuron"));
    QCoreApplication::setApplicationVersion(cortex::version());

    using Subcommand = int (*)(const QStringList& arguments);
    const QHash<QString, Subcommand> subcommands = {
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
