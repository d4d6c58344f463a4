// SPDX-License-Identifier: GPL-3.0-only
#include "core/error.h"
#include "core/http/httpserver.h"
#include "core/signals.h"
#include "gateway/cli/commandline.h"
#include "gateway/cli/commands.h"
#include "gateway/cli/terminal.h"
#include "gateway/gateway.h"

#include <QCoreApplication>
#include <QFileInfo>

namespace cortex::cli {

namespace {

constexpr int graceMs = 10'000;

Manual manual()
{
    return {
        .name = QStringLiteral("serve"),
        .summary = QStringLiteral("run the gateway without a window"),
        .synopsis = QStringLiteral("cortex serve --config FILE [--listen HOST:PORT] [--metrics-listen HOST:PORT]"),
        .description =
            QStringLiteral("Opens the endpoint that editors and agents talk to, watches the nodes that\n"
                           "FILE lists, and routes each request to a node that has its model, loading the\n"
                           "model where none has. Prints the endpoint when it is ready, and runs until it\n"
                           "gets SIGTERM or SIGINT: then running requests may finish for ten seconds. A\n"
                           "second signal ends it at once.\n"
                           "\n"
                           "FILE is cortex.toml; models_config in it names models.toml. Each of its settings\n"
                           "can be overridden by an environment variable, for instance\n"
                           "CORTEX_GATEWAY__LISTEN=0.0.0.0:31313 for listen in [gateway]. An option of the\n"
                           "command line wins over both."),
        .examples = QStringLiteral("cortex serve --config /etc/cortex/cortex.toml\n"
                                   "cortex serve --config cortex.toml --listen 0.0.0.0:31313"),
    };
}

GatewayConfig configOf(const QCommandLineParser& parser)
{
    GatewayConfig config =
        loadGatewayConfig(parser.value(QStringLiteral("config")), QProcessEnvironment::systemEnvironment());
    if (parser.isSet(QStringLiteral("listen")))
        config.listen = parser.value(QStringLiteral("listen"));
    if (parser.isSet(QStringLiteral("metrics-listen")))
        config.metricsListen = parser.value(QStringLiteral("metrics-listen"));
    return config;
}

/// What a person types to reach an address that we listen on.
QString reachable(const QString& listen, quint16 port)
{
    const QHostAddress address = parseListenAddress(listen).first;
    QString host = address.toString();
    if (address == QHostAddress(QHostAddress::Any) || address == QHostAddress(QHostAddress::AnyIPv4)
        || address == QHostAddress(QHostAddress::AnyIPv6))
        host = QStringLiteral("127.0.0.1");
    else if (address.protocol() == QAbstractSocket::IPv6Protocol)
        host = QStringLiteral("[%1]").arg(host);
    return QStringLiteral("http://%1:%2").arg(host).arg(port);
}

int run(const GatewayConfig& config, const Catalogue& catalogue)
{
    Gateway gateway(config, catalogue);
    if (const std::optional<QString> error = gateway.start()) {
        printError(QStringLiteral("cortex serve: %1").arg(*error));
        return Failed;
    }
    const TerminationSignals signals;
    QObject::connect(&signals, &TerminationSignals::received, &gateway, [&gateway] {
        printError(QStringLiteral("cortex serve: stopping"));
        gateway.stop(graceMs);
    });
    QObject::connect(&gateway, &Gateway::stopped, qApp, &QCoreApplication::quit, Qt::QueuedConnection);
    print(
        QStringLiteral("cortex gateway ready: %1/v1   metrics: %2/metrics   nodes: %3   models in the catalogue: %4\n")
            .arg(reachable(config.listen, gateway.port()), reachable(config.metricsListen, gateway.metricsPort()))
            .arg(config.neurons.size())
            .arg(catalogue.models.size()));
    return QCoreApplication::exec() == 0 ? Done : Failed;
}

} // namespace

int serve(const QStringList& arguments)
{
    CommandLine line(manual());
    line.parser().addOptions({
        {{QStringLiteral("c"), QStringLiteral("config")},
         QStringLiteral("The gateway's configuration, cortex.toml. Required."),
         QStringLiteral("file")},
        {QStringLiteral("listen"), QStringLiteral("Where clients connect, instead of the file's [gateway] listen."),
         QStringLiteral("host:port")},
        {QStringLiteral("metrics-listen"),
         QStringLiteral("Where Prometheus connects, instead of the file's metrics_listen."),
         QStringLiteral("host:port")},
    });
    if (const std::optional<int> exit = line.parse(arguments))
        return *exit;
    if (!line.parser().isSet(QStringLiteral("config"))) {
        printError(QStringLiteral("cortex serve: --config FILE is missing. Try 'cortex serve --help'."));
        return WrongUse;
    }
    try {
        const GatewayConfig config = configOf(line.parser());
        return run(config, config.modelsConfig.isEmpty() ? Catalogue() : loadCatalogue(config.modelsConfig));
    } catch (const InputError& error) {
        printError(QStringLiteral("cortex serve: %1").arg(error.message()));
        return Failed;
    }
}

} // namespace cortex::cli
