// SPDX-License-Identifier: GPL-3.0-only
/// cortex-console: the composition root. Reads the command line, the config and the saved layout, and connects the
/// window to a gateway that runs in this process.
#include "app/models/fleetcontroller.h"
#include "app/models/gatewaysource.h"
#include "app/ui/mainwindow.h"
#include "core/config/gatewayconfig.h"
#include "core/error.h"
#include "core/logging.h"
#include "core/signals.h"
#include "core/version.h"

#include <QApplication>
#include <QCommandLineParser>
#include <QFileInfo>
#include <QMessageBox>
#include <QProcessEnvironment>
#include <QSettings>
#include <QStandardPaths>

#include <cstdio>
#include <cstring>

using namespace cortex;

namespace {

constexpr int exitFailure = 1;

struct Configuration {
    GatewayConfig gateway;
    Catalogue catalogue;
};

void setUpParser(QCommandLineParser& parser)
{
    parser.setApplicationDescription(
        QCoreApplication::translate("main",
                                    "Desktop console of Cortex: shows the fleet, talks to its models, and serves one "
                                    "endpoint for all of them."));
    parser.addHelpOption();
    parser.addVersionOption();
    parser.addOption({QStringLiteral("config"),
                      QCoreApplication::translate("main", "Read the config from FILE (default: %1).")
                          .arg(QStringLiteral("$XDG_CONFIG_HOME/cortex/cortex.toml")),
                      QStringLiteral("FILE")});
}

/// --help and --version answer where there is no display, too.
bool answersWithoutDisplay(int argc, char** argv)
{
    for (int index = 1; index < argc; ++index) {
        for (const char* option : {"-h", "--help", "--help-all", "-v", "--version"}) {
            if (std::strcmp(argv[index], option) == 0)
                return true;
        }
    }
    return false;
}

/// With neither --config nor a config at the usual place: a node on this machine, as a first start finds it.
Configuration defaultConfiguration()
{
    Configuration configuration;
    configuration.gateway =
        parseGatewayConfig({}, QStringLiteral("environment"), QProcessEnvironment::systemEnvironment());
    if (configuration.gateway.neurons.isEmpty())
        configuration.gateway.neurons.append({QStringLiteral("local"), QUrl(QStringLiteral("http://127.0.0.1:13131"))});
    return configuration;
}

/// Throws InputError.
Configuration readConfiguration(const QString& chosenFile)
{
    QString file = chosenFile;
    if (file.isEmpty()) {
        file = QStandardPaths::writableLocation(QStandardPaths::GenericConfigLocation)
            + QStringLiteral("/cortex/cortex.toml");
        if (!QFileInfo::exists(file))
            return defaultConfiguration();
    }
    Configuration configuration;
    configuration.gateway = loadGatewayConfig(file, QProcessEnvironment::systemEnvironment());
    if (!configuration.gateway.modelsConfig.isEmpty())
        configuration.catalogue = loadCatalogue(configuration.gateway.modelsConfig);
    return configuration;
}

void reportBadConfiguration(const QString& message)
{
    std::fprintf(stderr, "cortex-console: %s\n", qPrintable(message));
    QMessageBox box(QMessageBox::Critical, QCoreApplication::translate("main", "Cortex cannot start"), message,
                    QMessageBox::Close);
    box.setInformativeText(QCoreApplication::translate("main", "Correct the file and start Cortex again."));
    box.exec();
}

QString layoutKey()
{
    return QStringLiteral("mainWindow/layout");
}

int runConsole(Configuration configuration)
{
    const QList<KeyEntry> keys = configuration.gateway.requireAuth ? configuration.gateway.keys : QList<KeyEntry>();
    FleetController controller(
        std::make_unique<GatewaySource>(std::move(configuration.gateway), std::move(configuration.catalogue)));
    if (!keys.isEmpty())
        controller.chat()->setApiKey(keys.first().key);
    QObject::connect(&controller, &FleetController::stateChanged, &controller, [&controller] {
        if (controller.state() == FleetController::State::Failed)
            std::fprintf(stderr, "cortex-console: %s\n", qPrintable(controller.failure()));
        else if (controller.state() == FleetController::State::Running)
            std::fprintf(stderr, "cortex-console: serving %s\n", qPrintable(controller.clientEndpoint()));
    });

    const TerminationSignals signals;
    QObject::connect(&signals, &TerminationSignals::received, qApp, &QCoreApplication::quit);

    QSettings settings;
    MainWindow window(controller);
    window.restoreLayout(settings.value(layoutKey()).toByteArray());
    window.show();
    controller.start();
    const int status = QApplication::exec();
    settings.setValue(layoutKey(), window.saveLayout());
    controller.stop();
    return status;
}

} // namespace

int main(int argc, char** argv)
{
    // Qt's own dispatcher handles thousands of sockets better than GLib's; the gateway's thread takes it up, too.
    if (qEnvironmentVariableIsEmpty("QT_NO_GLIB"))
        qputenv("QT_NO_GLIB", "1");
    installLogging();
    QCoreApplication::setOrganizationName(QStringLiteral("cortex"));
    QCoreApplication::setApplicationName(QStringLiteral("cortex-console"));
    QCoreApplication::setApplicationVersion(version());

    QCommandLineParser parser;
    setUpParser(parser);
    if (answersWithoutDisplay(argc, argv)) {
        const QCoreApplication application(argc, argv);
        parser.process(application);
        return 0;
    }
    const QApplication application(argc, argv);
    QApplication::setApplicationDisplayName(QStringLiteral("Cortex"));
    QApplication::setDesktopFileName(QStringLiteral("cortex-console"));
    parser.process(application);
    try {
        return runConsole(readConfiguration(parser.value(QStringLiteral("config"))));
    } catch (const InputError& error) {
        reportBadConfiguration(error.message());
        return exitFailure;
    }
}
